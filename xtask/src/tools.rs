//! The folder that holds the tools: fetched once, outside the repository, shared by all clones.
//!
//! ```text
//! debs/         packages on their way; emptied once unpacked
//! root/         the packages, unpacked
//! bin/          wrappers that start a program of root/ with the libraries of root/
//! linker/bin/   bpf-linker
//! stamps/       what is complete: each written last, and naming what it stands for
//! apt/          package lists of our own, when the system's are missing or stale
//! tmp/          build folders; removed once used
//! ```

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The tools folder.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The folder that the environment names. It need not exist yet.
    ///
    /// # Errors
    /// When neither `NGINX_PROBE_TOOLS`, `XDG_CACHE_HOME` nor `HOME` is set to something.
    pub(crate) fn find() -> Result<Self> {
        let folder = folder(|name| env::var_os(name).map(PathBuf::from)).context(
            "no place for the tools: set NGINX_PROBE_TOOLS to a folder with 3 GB to spare",
        )?;
        let folder = std::path::absolute(&folder)
            .with_context(|| format!("finding {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// A place inside the folder.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.join(inside)
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a folder inside, with its parents.
    pub(crate) fn make(&self, inside: &str) -> Result<PathBuf> {
        let path = self.path(inside);
        fs::create_dir_all(&path)
            .with_context(|| format!("making {} (set NGINX_PROBE_TOOLS?)", path.display()))?;
        Ok(path)
    }

    /// Removes a folder inside, if it is there.
    pub(crate) fn remove(&self, inside: &str) -> Result<()> {
        let path = self.path(inside);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the part `name` is complete and was made by `recipe`.
    pub(crate) fn has(&self, name: &str, recipe: &str) -> bool {
        fs::read_to_string(self.stamp(name)).is_ok_and(|made_by| made_by == recipe)
    }

    /// Records that the part `name` is complete.
    pub(crate) fn complete(&self, name: &str, recipe: &str) -> Result<()> {
        self.make("stamps")?;
        replace(&self.stamp(name), recipe.as_bytes())
    }

    /// Keeps every other setup of this folder waiting until the returned file is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.make("")?.join("lock");
        let file = File::create(&path).with_context(|| format!("opening {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!(
                "another setup works in {}; waiting for it",
                self.folder.display()
            );
            file.lock()
                .with_context(|| format!("locking {}", path.display()))?;
        }
        Ok(file)
    }

    fn stamp(&self, name: &str) -> PathBuf {
        self.folder.join("stamps").join(name)
    }

    #[cfg(test)]
    pub(crate) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
        }
    }
}

/// Writes a file so that a reader sees the old content or the new, never a part.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, content)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("writing {}", path.display()))
}

fn folder(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.as_os_str().is_empty());
    set("NGINX_PROBE_TOOLS")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("nginx-probe")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/nginx-probe")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_folder_most_specific_first() {
        let with = |set: &[(&str, &str)]| {
            folder(|name| {
                set.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| PathBuf::from(value))
            })
        };
        let home = ("HOME", "/h");
        let cache = ("XDG_CACHE_HOME", "/c");
        let own = ("NGINX_PROBE_TOOLS", "/t");
        assert_eq!(with(&[home, cache, own]), Some("/t".into()));
        assert_eq!(with(&[home, cache]), Some("/c/nginx-probe".into()));
        assert_eq!(
            with(&[home, ("NGINX_PROBE_TOOLS", "")]),
            Some("/h/.cache/nginx-probe".into())
        );
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn a_part_counts_only_when_this_recipe_completed_it() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::at(folder.path());
        assert!(!tools.has("part", "recipe 1"));
        tools.complete("part", "recipe 1").unwrap();
        assert!(tools.has("part", "recipe 1"));
        assert!(!tools.has("part", "recipe 2"));
    }

    #[test]
    fn a_second_setup_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::at(folder.path());
        let first = tools.lock().unwrap();
        let other = File::create(folder.path().join("lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(first);
        assert!(other.try_lock().is_ok());
    }
}
