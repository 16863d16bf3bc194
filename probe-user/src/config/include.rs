//! Finds the files that an `include` with wildcards names, as glob(3) finds them for nginx.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::rooted::{OpenError, Root};

/// Files one `include` may name.
const MAX_MATCHES: usize = 1_000;

/// Names in one folder that are looked at.
const MAX_NAMES: usize = 10_000;

/// Folders that may not be read and are named.
const MAX_DENIED: usize = 8;

/// What a pattern names.
pub(super) struct Expanded {
    /// The files, in the order of their bytes.
    pub(super) paths: Vec<PathBuf>,
    /// Folders that nginx may read and we may not, some of them if there are many.
    pub(super) denied: Vec<OpenError>,
}

/// Whether nginx takes `path` for a pattern (`ngx_conf_include`).
pub(super) fn is_pattern(path: &Path) -> bool {
    path.as_os_str()
        .as_bytes()
        .iter()
        .any(|byte| b"*?[".contains(byte))
}

/// The existing files that the absolute `pattern` names, in the order of their bytes.
///
/// `budget` is how many names may still be looked at; it keeps patterns such as `/*/*/*/*` from
/// walking a whole disk. What is not there is skipped, as glob(3) does.
pub(super) fn expand(root: &Root, pattern: &Path, budget: &mut usize) -> Expanded {
    let mut found = vec![PathBuf::from("/")];
    let mut denied = Vec::new();
    let mut exists = true;
    for component in pattern.components() {
        match component {
            Component::Normal(name) if is_pattern(Path::new(name)) => {
                found = found
                    .iter()
                    .flat_map(|folder| {
                        matching(root, folder, name, budget).unwrap_or_else(|error| {
                            if matches!(error, OpenError::Denied { .. })
                                && denied.len() < MAX_DENIED
                            {
                                denied.push(error);
                            }
                            Vec::new()
                        })
                    })
                    .take(MAX_MATCHES)
                    .collect();
                exists = true;
            }
            Component::Normal(_) | Component::ParentDir => {
                for path in &mut found {
                    path.push(component);
                }
                exists = false;
            }
            _ => {}
        }
    }
    if !exists {
        found.retain(|path| root.stat(path).is_ok());
    }
    found.sort();
    Expanded {
        paths: found,
        denied,
    }
}

fn matching(
    root: &Root,
    folder: &Path,
    pattern: &OsStr,
    budget: &mut usize,
) -> Result<Vec<PathBuf>, OpenError> {
    let mut names = root.read_dir(folder, MAX_NAMES.min(*budget))?;
    *budget = budget.saturating_sub(names.len().max(1));
    // The crate gives `**` a meaning of its own, and negates with `!` only.
    let mut text = pattern.to_string_lossy().replace("[^", "[!");
    while text.contains("**") {
        text = text.replace("**", "*");
    }
    let options = MatchOptions {
        require_literal_leading_dot: true,
        ..MatchOptions::new()
    };
    // As in glob(3), a bracket that is not closed stands for itself.
    let pattern = Pattern::new(&text)
        .or_else(|_| Pattern::new(&text.replace('[', "[[]")))
        .unwrap_or_default();
    names.retain(|name| pattern.matches_with(&name.to_string_lossy(), options));
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_what_glob_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a/b.conf",
            "a/a.conf",
            "a/.hidden.conf",
            "a/c.bak",
            "b/a.conf",
            "b/[x.conf",
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::fs::write(
            folder
                .path()
                .join("a")
                .join(OsStr::from_bytes(b"\xff.conf")),
            "",
        )
        .unwrap();
        let root = Root::at(folder.path()).unwrap();
        for (pattern, expected) in [
            (
                "/a/*.conf",
                vec!["/a/a.conf", "/a/b.conf", "/a/\u{fffd}.conf"],
            ),
            ("/*/a.conf", vec!["/a/a.conf", "/b/a.conf"]),
            ("/*/c.bak", vec!["/a/c.bak"]),
            ("/a/[ab].conf", vec!["/a/a.conf", "/a/b.conf"]),
            ("/a/[^a].conf", vec!["/a/b.conf", "/a/\u{fffd}.conf"]),
            ("/a/../b/?.conf", vec!["/a/../b/a.conf"]),
            ("/a/**.bak", vec!["/a/c.bak"]),
            ("/a/.h*", vec!["/a/.hidden.conf"]),
            ("/b/[x.*", vec!["/b/[x.conf"]),
            ("/none/*", vec![]),
        ] {
            let found = expand(&root, Path::new(pattern), &mut 1000).paths;
            let found: Vec<_> = found.iter().map(|path| path.to_string_lossy()).collect();
            assert_eq!(found, expected, "{pattern}");
        }
        assert!(expand(&root, Path::new("/*/*"), &mut 0).paths.is_empty());
    }

    #[test]
    fn a_folder_that_may_not_be_read_is_named() {
        use std::os::unix::fs::PermissionsExt as _;

        use nix::unistd::{Uid, geteuid, setfsuid};

        let folder = tempfile::tempdir().unwrap();
        let closed = folder.path().join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::write(closed.join("a.conf"), "").unwrap();
        let mode = |path: &Path, mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, mode).unwrap();
        };
        mode(folder.path(), 0o755);
        mode(&closed, 0o000);
        let root = Root::at(folder.path()).unwrap();
        let look = || {
            if geteuid().is_root() {
                setfsuid(Uid::from_raw(65534)); // a thread's own
            }
            let found = expand(&root, Path::new("/closed/*.conf"), &mut 100);
            let none = expand(&root, Path::new("/none/*.conf"), &mut 100);
            (found.paths.len(), found.denied.len(), none.denied.len())
        };
        let seen = std::thread::scope(|scope| scope.spawn(look).join().unwrap());
        mode(&closed, 0o755);
        assert_eq!(seen, (0, 1, 0));
    }
}
