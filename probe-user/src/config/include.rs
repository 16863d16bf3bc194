//! Finds the files that an `include` with wildcards names, as glob(3) finds them for nginx.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::rooted::Root;

/// Files one `include` may name.
const MAX_MATCHES: usize = 1_000;

/// Names in one folder that are looked at.
const MAX_NAMES: usize = 10_000;

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
/// walking a whole disk. What cannot be read is skipped, as glob(3) does.
pub(super) fn expand(root: &Root, pattern: &Path, budget: &mut usize) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    let mut exists = true;
    for component in pattern.components() {
        match component {
            Component::Normal(name) if is_pattern(Path::new(name)) => {
                found = found
                    .iter()
                    .flat_map(|folder| matching(root, folder, name, budget))
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
    found
}

fn matching(root: &Root, folder: &Path, pattern: &OsStr, budget: &mut usize) -> Vec<PathBuf> {
    let Ok(mut names) = root.read_dir(folder, MAX_NAMES.min(*budget)) else {
        return Vec::new();
    };
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
    names.into_iter().map(|name| folder.join(name)).collect()
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
            let found = expand(&root, Path::new(pattern), &mut 1000);
            let found: Vec<_> = found.iter().map(|path| path.to_string_lossy()).collect();
            assert_eq!(found, expected, "{pattern}");
        }
        assert!(expand(&root, Path::new("/*/*"), &mut 0).is_empty());
    }
}
