//! The root folder of a container: programs with their libraries, and what they ask for.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A folder that becomes the root of a container.
#[derive(Debug)]
pub struct Root {
    folder: PathBuf,
    /// Where unpacked packages are, and which libraries come from there.
    unpacked: Option<(PathBuf, OsString)>,
    libraries: BTreeSet<PathBuf>,
}

impl Root {
    /// An empty root in this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            unpacked: None,
            libraries: BTreeSet::new(),
        }
    }

    /// Takes libraries from this folder of unpacked packages too, by this `LD_LIBRARY_PATH`.
    #[must_use]
    pub fn with_unpacked(mut self, packages: &Path, library_path: OsString) -> Self {
        self.unpacked = Some((packages.to_path_buf(), library_path));
        self
    }

    /// Adds a program at this path of the container, and the libraries it needs at their own.
    pub fn program(&mut self, program: &Path, at: &str) -> Result<()> {
        let mut ldd = Command::new("ldd");
        ldd.arg(program).env("LC_ALL", "C");
        if let Some((_, path)) = &self.unpacked {
            ldd.env("LD_LIBRARY_PATH", path);
        }
        let output = ldd
            .output()
            .context("starting ldd, which names libraries")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success() && !said.contains("not found"),
            "not all libraries of {} are there: {said}{}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        for library in libraries(&said) {
            let inside = match &self.unpacked {
                Some((packages, _)) => library.strip_prefix(packages).unwrap_or(&library),
                None => &library,
            };
            self.copy(&library, &inside.to_string_lossy(), 0o755)?;
            self.libraries.insert(library);
        }
        self.copy(program, at, 0o755)
    }

    /// The libraries that came with programs, as the machine has them.
    pub fn libraries(&self) -> impl Iterator<Item = &Path> {
        self.libraries.iter().map(PathBuf::as_path)
    }

    /// Adds a file.
    pub fn file(&self, at: &str, content: &[u8]) -> Result<()> {
        let path = self.place(at)?;
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
        mode(&path, 0o644)
    }

    /// Adds an empty folder.
    pub fn folder(&self, at: &str, permissions: u32) -> Result<()> {
        let path = self.place(at)?;
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        mode(&path, permissions)
    }

    /// Adds a copy of a file of this machine, of what a link leads to.
    pub fn copy(&self, from: &Path, at: &str, permissions: u32) -> Result<()> {
        let path = self.place(at)?;
        fs::copy(from, &path)
            .with_context(|| format!("copying {} to {}", from.display(), path.display()))?;
        mode(&path, permissions)
    }

    fn place(&self, at: &str) -> Result<PathBuf> {
        let path = self.folder.join(at.trim_start_matches('/'));
        let parent = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        Ok(path)
    }
}

fn mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("setting the permissions of {}", path.display()))
}

/// The files that `ldd` names.
fn libraries(said: &str) -> impl Iterator<Item = PathBuf> {
    said.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_comes_with_its_libraries() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let mut root = Root::new(folder.path());
        root.program(&std::env::current_exe()?, "/usr/bin/x")?;
        let libraries: Vec<_> = root.libraries().collect();
        assert!(
            libraries.iter().any(|path| path.ends_with("libc.so.6")),
            "{libraries:?}"
        );
        for library in libraries {
            let inside = library.strip_prefix("/")?;
            assert!(folder.path().join(inside).is_file(), "{library:?}");
        }
        Ok(())
    }
}
