//! What container runtimes keep about their containers, read from the host's files.
//!
//! No runtime is asked and no socket is opened: the files are there before a container's first
//! process is. Only regular files that belong to the host's root user count, only up to a size, and
//! only where no link leads out of the folder in which the runtime keeps them.

mod docker;
mod oci;
mod storage;

use std::{collections::HashMap, io, io::Read as _, path::Path};

use serde::de::DeserializeOwned;

use super::{Runtime, cgroup::Found, is_name};
use crate::rooted::Root;

/// As much of the state of one container as is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The files of the host, where the runtimes of its root user keep their state.
#[derive(Debug)]
pub struct Host {
    root: Root,
    /// Whose files are believed: the owner of the root folder.
    owner: u32,
    id: (u64, u64),
}

impl Host {
    /// The host whose root folder is at `path`: `/proc/1/root`, whatever the agent itself runs in.
    ///
    /// # Errors
    /// When the folder is not there or may not be looked at.
    pub fn at(path: &Path) -> io::Result<Self> {
        let root = Root::at(path)?;
        let stat = root.stat(Path::new("/")).map_err(io::Error::other)?;
        Ok(Self {
            root,
            owner: stat.st_uid,
            id: (stat.st_dev, stat.st_ino),
        })
    }

    /// Device and inode of the root folder.
    #[must_use]
    pub const fn id(&self) -> (u64, u64) {
        self.id
    }

    /// A file of JSON of at most `limit` bytes in a runtime's `folder`. What is missing in it is left
    /// at its default.
    fn json<T: DeserializeOwned>(&self, folder: &str, path: &str, limit: u64) -> Option<T> {
        let text = self.read(folder, path, limit)?;
        match serde_json::from_slice(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                log::debug!("{folder}/{path} tells nothing of a container: {error}");
                None
            }
        }
    }

    /// A number that stands alone in a file of a runtime's `folder`.
    fn number(&self, folder: &str, path: &str) -> Option<u32> {
        let text = self.read(folder, path, 32)?;
        std::str::from_utf8(&text).ok()?.trim().parse().ok()
    }

    /// The names in a folder within a runtime's `folder`, at most `limit`.
    fn names(&self, folder: &str, path: &str, limit: usize) -> Vec<String> {
        let names = self.root.below(Path::new(folder));
        let names = names.and_then(|root| root.read_dir(Path::new(path), limit));
        let names = names.unwrap_or_default().into_iter();
        let names = names.filter_map(|name| name.into_string().ok());
        names.filter(|name| is_name(name)).collect()
    }

    fn read(&self, folder: &str, path: &str, limit: u64) -> Option<Vec<u8>> {
        // An operator may have moved the folder itself, with a link in its place.
        let opened = self.root.below(Path::new(folder));
        let opened = opened.and_then(|root| root.open_regular(Path::new(path)));
        let (file, stat) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                if !error.is_missing() {
                    log::debug!("the names of containers may be incomplete: {error}");
                }
                return None;
            }
        };
        if stat.st_uid != self.owner {
            log::debug!("{folder}/{path} does not belong to root: it is not believed");
            return None;
        }
        let mut text = Vec::new();
        file.take(limit + 1).read_to_end(&mut text).ok()?;
        (u64::try_from(text.len()).ok()? <= limit).then_some(text)
    }
}

/// What a runtime knows of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The container's name.
    pub name: Option<String>,
    /// The pod's.
    pub pod: Option<String>,
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// The runtime itself.
    pub runtime: Option<Runtime>,
    /// The container's first process, where that is known.
    pub first_process: Option<u32>,
}

/// What the host's runtimes know of a container; nothing for one that is not theirs.
#[must_use]
pub fn find(host: &Host, found: &Found) -> Option<Known> {
    let id = found.id.as_deref().filter(|_| !found.foreign)?;
    // It becomes a part of paths.
    if !is_name(id) {
        return None;
    }
    match found.runtime {
        Some(Runtime::Docker) => docker::find(host, id),
        Some(Runtime::Containerd) if found.in_pod => {
            // The kubelet's own driver names containers of all its runtimes alike.
            oci::find(host, id, None).or_else(|| docker::find(host, id))
        }
        Some(Runtime::Containerd) => oci::find(host, id, found.containerd_namespace.as_deref()),
        Some(Runtime::Podman | Runtime::CriO) => storage::find(host, id),
        None | Some(Runtime::Ecs) => docker::find(host, id)
            .or_else(|| oci::find(host, id, None))
            .or_else(|| storage::find(host, id)),
        Some(
            Runtime::Lxc
            | Runtime::SystemdNspawn
            | Runtime::LibvirtLxc
            | Runtime::Garden
            | Runtime::Buildkit,
        ) => None,
    }
}

/// What labels or annotations say, whichever runtime wrote them.
fn described(texts: &HashMap<String, String>) -> Known {
    let first = |keys: &[&str]| {
        keys.iter()
            .find_map(|key| texts.get(*key).filter(|text| is_name(text)).cloned())
    };
    Known {
        name: first(&[
            "io.kubernetes.cri.container-name",
            "io.kubernetes.container.name",
            "nerdctl/name",
        ]),
        pod: first(&["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"]),
        namespace: first(&[
            "io.kubernetes.cri.sandbox-namespace",
            "io.kubernetes.pod.namespace",
        ]),
        runtime: None,
        first_process: None,
    }
}

#[cfg(test)]
mod tests;
