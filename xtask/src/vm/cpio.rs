//! Writes a cpio archive in the format `newc`, which Linux unpacks at its start.
//!
//! The format is the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Component, Path};

use anyhow::{Context, Result, bail};

const FOLDER: u32 = 0o040_755;
const REGULAR: u32 = 0o100_000;
const END: &str = "TRAILER!!!";

/// An archive under way. Folders come by themselves; a path that is there already is left out.
pub(crate) struct Archive<W> {
    to: W,
    number: u32,
    paths: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    /// An empty archive.
    pub(crate) fn new(to: W) -> Self {
        Self {
            to,
            number: 0,
            paths: BTreeSet::new(),
        }
    }

    /// Adds a folder with those above it.
    pub(crate) fn folder(&mut self, path: &Path) -> Result<()> {
        let path = inside(path)?;
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            let folder = path.get(..end).unwrap_or_default();
            if !folder.is_empty() && self.paths.insert(folder.to_owned()) {
                self.entry(folder, FOLDER, &[])?;
            }
        }
        Ok(())
    }

    /// Adds a file, readable by all, and executable when `executable`. Owned by root.
    pub(crate) fn file(&mut self, path: &Path, content: &[u8], executable: bool) -> Result<()> {
        if let Some(folder) = path.parent() {
            self.folder(folder)?;
        }
        let path = inside(path)?;
        if self.paths.insert(path.clone()) {
            let mode = REGULAR | if executable { 0o755 } else { 0o644 };
            self.entry(&path, mode, content)?;
        }
        Ok(())
    }

    /// Ends the archive and gives back what it was written to.
    pub(crate) fn finish(mut self) -> Result<W> {
        self.entry(END, 0, &[])?;
        self.to.flush().context("writing the archive")?;
        Ok(self.to)
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.number += 1;
        let size = u32::try_from(content.len())
            .with_context(|| format!("{path} is too large for an archive"))?;
        let name = u32::try_from(path.len() + 1).context("a path is too long")?;
        let links = 1;
        // Magic, inode, mode, user, group, links, time, size, device (2), its own device (2),
        // length of the name, checksum.
        let fields = [self.number, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name, 0];
        let mut head = b"070701".to_vec();
        for field in fields {
            write!(head, "{field:08X}").context("writing the archive")?;
        }
        head.extend_from_slice(path.as_bytes());
        head.push(0);
        pad(&mut head);
        let mut write = |bytes: &[u8]| self.to.write_all(bytes).context("writing the archive");
        write(&head)?;
        write(content)?;
        write(&[0; 3][..(4 - content.len() % 4) % 4])
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A path as the archive has it: without the root, and nothing that leads upwards.
fn inside(path: &Path) -> Result<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => parts.push(name.to_str().context("a path is no text")?),
            _ => bail!("{} leads out of the archive", path.display()),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_its_folders_before_it_and_everything_is_aligned() {
        let mut archive = Archive::new(Vec::new());
        archive
            .file(Path::new("/usr/bin/x"), b"12345", true)
            .unwrap();
        archive.file(Path::new("/usr/bin/x"), b"6", true).unwrap();
        archive.file(Path::new("/init"), b"", false).unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);

        let number = |at: usize| {
            let digits = std::str::from_utf8(&bytes[at..at + 8]).unwrap();
            usize::from_str_radix(digits, 16).unwrap()
        };
        let mut entries = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (mode, size, name) = (number(at + 14), number(at + 54), number(at + 94));
            let text = String::from_utf8(bytes[at + 110..at + 110 + name - 1].to_vec()).unwrap();
            let content = (at + 110 + name).next_multiple_of(4);
            entries.push((text, mode, bytes[content..content + size].to_vec()));
            at = (content + size).next_multiple_of(4);
        }
        let expected = [
            ("usr", 0o040_755, &b""[..]),
            ("usr/bin", 0o040_755, b""),
            ("usr/bin/x", 0o100_755, b"12345"),
            ("init", 0o100_644, b""),
            (END, 0, b""),
        ]
        .map(|(path, mode, content)| (path.to_owned(), mode, content.to_vec()));
        assert_eq!(entries, expected);
    }

    #[test]
    fn a_path_cannot_lead_out() {
        let mut archive = Archive::new(Vec::new());
        assert!(archive.folder(Path::new("/a/../../b")).is_err());
    }
}
