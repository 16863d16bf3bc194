//! `cargo xtask image --check`: the image as a registry, a runtime and a node read it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::container::{pod, proof};
use serde_json::{Value, json};

use super::layer::digest;
use super::layout::{CONFIG, LAYER, MANIFEST};
use crate::progress;

/// Reads the image of this folder back, runs its program in it, and then the whole pod.
///
/// # Errors
/// When something is not as it has to be.
pub(crate) fn run(image: &Path) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("nginx-probe-image-")
        .tempdir()?;
    let root = folder.path();
    let config = unpack(image, root)?;
    eprintln!("digests and sizes are right, and it unpacks");
    ensure!(
        config["config"]["Entrypoint"] == json!([pod::ENTRYPOINT]),
        "another entrypoint than {}: {}",
        pod::ENTRYPOINT,
        config["config"]["Entrypoint"]
    );
    no_shell(root)?;
    let mut version = Command::new("chroot");
    version.arg(root).args([pod::ENTRYPOINT, "--version"]);
    let said =
        progress::output(&mut version).context("starting the agent in its own root alone")?;
    eprintln!("in a chroot of it: {}", said.trim());
    eprintln!("{}", proof::unaided(root)?);
    for line in proof::run(root)? {
        eprintln!("{line}");
    }
    Ok(())
}

/// Unpacks an image of one layer, each part checked against what names it, and gives its configuration.
fn unpack(image: &Path, into: &Path) -> Result<Value> {
    let index = read(&image.join("index.json"))?;
    let (_, manifest) = blob(image, &index["manifests"][0], MANIFEST)?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let (_, config) = blob(image, &manifest["config"], CONFIG)?;
    let config: Value = serde_json::from_slice(&config)?;
    let layers = manifest["layers"].as_array().map_or(0, Vec::len);
    ensure!(layers == 1, "{layers} layers");
    let (layer, _) = blob(image, &manifest["layers"][0], LAYER)?;
    // By other programs than those that made it.
    let archive = into.with_extension("tar");
    let plain = fs::File::create(&archive)?;
    let status = Command::new("gzip")
        .arg("-dc")
        .arg(&layer)
        .stdout(plain)
        .status()
        .context("starting gzip")?;
    ensure!(status.success(), "gzip ended with {status}");
    let unpacked = fs::read(&archive).map(|bytes| digest(&bytes));
    let done = progress::output(
        Command::new("tar")
            .args(["--extract", "--same-permissions", "--directory"])
            .args([into, Path::new("--file"), &archive]),
    );
    fs::remove_file(&archive)?;
    done.context("unpacking the layer")?;
    ensure!(
        json!([unpacked?]) == config["rootfs"]["diff_ids"],
        "the layer is not the one that the configuration names"
    );
    Ok(config)
}

/// A part by its descriptor, which has to be true of it.
fn blob(image: &Path, descriptor: &Value, media: &str) -> Result<(PathBuf, Vec<u8>)> {
    ensure!(descriptor["mediaType"] == media, "no {media}: {descriptor}");
    let name = descriptor["digest"].as_str().unwrap_or_default();
    let path = image
        .join("blobs/sha256")
        .join(name.trim_start_matches("sha256:"));
    let content = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    ensure!(digest(&content) == name, "{} is not {name}", path.display());
    ensure!(
        descriptor["size"] == content.len(),
        "{} has {} bytes: {descriptor}",
        path.display(),
        content.len()
    );
    Ok((path, content))
}

fn no_shell(root: &Path) -> Result<()> {
    let programs: Vec<_> = ["bin", "sbin", "usr/bin", "usr/sbin"]
        .iter()
        .filter_map(|folder| fs::read_dir(root.join(folder)).ok())
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    ensure!(
        programs == ["nginx-probe"],
        "other programs than the agent: {programs:?}"
    );
    Ok(())
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{layer, layout};

    #[test]
    fn an_image_is_read_back_and_a_changed_byte_is_seen() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let [root, image, into] = ["root", "image", "into"].map(|name| folder.path().join(name));
        fs::create_dir_all(root.join("etc"))?;
        fs::create_dir(&into)?;
        fs::write(root.join("etc/passwd"), "root")?;
        let made = layer::of(&root)?;
        let config = json!({"architecture": "amd64", "os": "linux", "config": {}});
        let first = layout::write(&image, &made, &config, "1")?;
        assert_eq!(first, layout::write(&image, &made, &config, "1")?);
        assert_eq!(unpack(&image, &into)?["os"], "linux");
        assert_eq!(fs::read_to_string(into.join("etc/passwd"))?, "root");

        let name = digest(&made.compressed).replace("sha256:", "blobs/sha256/");
        let mut changed = made.compressed.clone();
        if let Some(last) = changed.last_mut() {
            *last ^= 1;
        }
        fs::write(image.join(name), changed)?;
        let error = unpack(&image, &into).unwrap_err().to_string();
        assert!(error.contains("is not sha256:"), "{error}");
        Ok(())
    }
}
