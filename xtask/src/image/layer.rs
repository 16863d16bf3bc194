//! A layer: a folder as one archive, the same bytes for the same files, whoever makes it and when.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

/// A layer, compressed.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) compressed: Vec<u8>,
    /// The digest of the archive that was compressed.
    pub(crate) diff_id: String,
}

/// The digest of bytes, as images name it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Makes a layer of all that is in a folder: sorted, of root, of no time, folders open to be looked into.
///
/// # Errors
/// When a file cannot be read, or is neither file nor folder.
pub(crate) fn of(folder: &Path) -> Result<Layer> {
    let mut paths = Vec::new();
    list(folder, &mut paths)?;
    paths.sort();
    let mut archive = Builder::new(Vec::new());
    for path in paths {
        let inside = path.strip_prefix(folder)?;
        let metadata = path.symlink_metadata()?;
        let mut header = Header::new_ustar();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        if metadata.is_dir() {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            archive.append_data(&mut header, inside, std::io::empty())?;
        } else {
            ensure!(metadata.is_file(), "{} is no file", path.display());
            let content = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            header.set_entry_type(EntryType::Regular);
            header.set_mode(metadata.permissions().mode() & 0o777);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, inside, content.as_slice())?;
        }
    }
    let archive = archive.into_inner()?;
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .read(archive.as_slice(), Compression::best());
    let mut compressed = Vec::new();
    std::io::copy(&mut gzip, &mut compressed)?;
    Ok(Layer {
        compressed,
        diff_id: digest(&archive),
    })
}

fn list(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.symlink_metadata()?.is_dir() {
            list(&path, into)?;
        }
        into.push(path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_are_the_same_bytes_whenever_they_were_written() -> Result<()> {
        let made = |age: u64, order: [&str; 2]| -> Result<Layer> {
            let folder = tempfile::tempdir()?;
            fs::create_dir(folder.path().join("etc"))?;
            for name in order {
                let path = folder.path().join("etc").join(name);
                fs::write(&path, name)?;
                let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(age);
                fs::File::open(&path)?.set_modified(time)?;
            }
            of(folder.path())
        };
        let (one, other) = (made(1, ["a", "b"])?, made(2_000_000, ["b", "a"])?);
        assert_eq!(one.diff_id, other.diff_id);
        assert_eq!(one.compressed, other.compressed);
        Ok(())
    }

    #[test]
    fn a_digest_is_what_sha256sum_says() {
        assert_eq!(
            digest(b"abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
