//! An image as a folder, by the OCI image layout, version 1.0.0.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::layer::{Layer, digest};

/// The type of an image's manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The type of an image's configuration.
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The type of a compressed layer.
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes an image of one layer into this folder, which is emptied before, and gives the digest of its
/// manifest, which names it in a registry.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(folder: &Path, layer: &Layer, config: &Value, tag: &str) -> Result<String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("emptying {}", folder.display()));
        }
        _ => {}
    }
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).with_context(|| format!("making {}", blobs.display()))?;
    let blob = |media: &str, content: &[u8]| -> Result<Value> {
        let digest = digest(content);
        let name = digest.trim_start_matches("sha256:");
        put(&blobs.join(name), content)?;
        Ok(json!({"mediaType": media, "digest": digest, "size": content.len()}))
    };
    let mut config = config.clone();
    config["rootfs"] = json!({"type": "layers", "diff_ids": [layer.diff_id]});
    config["history"] = json!([{"created_by": "cargo xtask image"}]);
    let platform = json!({"architecture": config["architecture"], "os": config["os"]});
    let config = blob(CONFIG, &serde_json::to_vec(&config)?)?;
    let layer = blob(LAYER, &layer.compressed)?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
    });
    let mut manifest = blob(MANIFEST, &serde_json::to_vec(&manifest)?)?;
    let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
    manifest["platform"] = platform;
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    });
    put(&folder.join("index.json"), &serde_json::to_vec(&index)?)?;
    let version = json!({"imageLayoutVersion": "1.0.0"});
    put(&folder.join("oci-layout"), &serde_json::to_vec(&version)?)?;
    Ok(digest)
}

fn put(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}
