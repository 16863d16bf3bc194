//! Rules of this repository that no compiler knows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A file is one subject; one longer than this has two.
const LINES: usize = 400;
/// Files of the kernel half that are no signal.
const NO_SIGNAL: &[&str] = &[
    "lib",
    "main",
    "call",
    "connection",
    "kernel",
    "layout",
    "record",
    "ring",
    "seen",
    "signal",
    "sockets",
    "syscalls",
    "table",
    "tracked",
    "tracking",
    "user",
    "workers",
];

/// Checks every rule.
///
/// # Errors
/// When one is broken; then with each place, one a line.
pub(crate) fn run(repo: &Path) -> Result<()> {
    let mut broken = Vec::new();
    for path in rust_files(repo)? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.strip_prefix(repo).unwrap_or(&path).to_path_buf();
        broken.extend(too_long(&name, &text));
        if name.starts_with("probe-user/src") && !is_tests(&name) {
            broken.extend(may_panic(&name, &text));
        }
    }
    broken.extend(lone_signals(
        &subjects(&repo.join("probe-ebpf/src"))?,
        &[
            stems(&repo.join("probe-user/src"))?,
            stems(&repo.join("tests"))?,
        ],
    ));
    if broken.is_empty() {
        return Ok(());
    }
    bail!(
        "tidy: {} found\n    {}",
        broken.len(),
        broken.join("\n    ")
    )
}

/// Whether a whole file is tests: `tests.rs`, or a file in a folder `tests`.
fn is_tests(name: &Path) -> bool {
    name.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

fn too_long(name: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES).then(|| {
        format!(
            "{}: {lines} lines, more than {LINES}: split it by subject",
            name.display()
        )
    })
}

/// The agent must survive every input: only its tests, which stand last in a file, may panic.
fn may_panic(name: &Path, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| line.contains(".unwrap()") || line.contains(".expect("))
        .map(|(index, _)| {
            format!(
                "{}:{}: unwrap or expect outside tests: return an error",
                name.display(),
                index + 1
            )
        })
        .collect()
}

/// One signal, one name: in the kernel half, and in the agent or the end-to-end tests.
fn lone_signals(kernel: &BTreeSet<String>, others: &[BTreeSet<String>]) -> Vec<String> {
    kernel
        .iter()
        .filter(|stem| !NO_SIGNAL.contains(&stem.as_str()))
        .filter(|stem| !others.iter().any(|other| other.contains(*stem)))
        .map(|stem| {
            format!("probe-ebpf/src/{stem}: nothing of that name in probe-user/src or tests")
        })
        .collect()
}

/// Names of Rust files and folders in `folder`, without extension; what is in those folders is a
/// part of what they are named for.
fn subjects(folder: &Path) -> Result<BTreeSet<String>> {
    let files = rust_files(folder)?;
    let subject = |file: &PathBuf| {
        let place = file.strip_prefix(folder).ok()?.iter().next()?;
        Some(Path::new(place).file_stem()?.to_str()?.to_owned())
    };
    Ok(files.iter().filter_map(subject).collect())
}

/// Names of Rust files and their folders below `folder`, without extension.
fn stems(folder: &Path) -> Result<BTreeSet<String>> {
    let mut stems = BTreeSet::new();
    for file in rust_files(folder)? {
        for place in file.strip_prefix(folder).unwrap_or(&file).ancestors() {
            if let Some(stem) = place.file_stem().and_then(|stem| stem.to_str())
                && stem != "mod"
            {
                stems.insert(stem.to_owned());
            }
        }
    }
    Ok(stems)
}

/// Rust files below `folder`, without hidden folders and cargo's `target`.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("listing {}", folder.display()))?;
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if !name.starts_with('.') && name != "target" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let repo = tempfile::tempdir().unwrap();
        for folder in ["probe-ebpf/src", "probe-user/src", "tests"] {
            fs::create_dir_all(repo.path().join(folder)).unwrap();
        }
        for (name, text) in files {
            let path = repo.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        repo
    }

    fn complaint(files: &[(&str, &str)]) -> String {
        let repo = repository(files);
        run(repo.path()).unwrap_err().to_string()
    }

    #[test]
    fn a_tidy_repository_passes() {
        let repo = repository(&[
            ("probe-ebpf/src/main.rs", ""),
            ("probe-ebpf/src/oom.rs", &"\n".repeat(LINES)),
            ("probe-ebpf/src/hang.rs", ""),
            ("probe-ebpf/src/crash/mod.rs", ""),
            ("probe-ebpf/src/crash/part.rs", ""),
            ("probe-user/src/sources/oom.rs", "// x.unwrap()\n"),
            ("probe-user/src/crash/stack.rs", "#[cfg(test)]\nx.unwrap()"),
            ("tests/hang.rs", "x.unwrap()"),
            ("target/debug/long.rs", &"\n".repeat(LINES + 1)),
        ]);
        run(repo.path()).unwrap();
    }

    #[test]
    fn a_long_file_is_named_with_its_length() {
        let said = complaint(&[("xtask/src/long.rs", &"\n".repeat(LINES + 1))]);
        assert!(said.contains("xtask/src/long.rs: 401 lines"), "{said}");
    }

    #[test]
    fn the_agent_must_not_panic() {
        let said = complaint(&[("probe-user/src/a.rs", "fn a() {\n b.expect(\"c\")\n}")]);
        assert!(said.contains("probe-user/src/a.rs:2:"), "{said}");
    }

    #[test]
    fn a_signal_has_its_name_on_both_sides() {
        let said = complaint(&[("probe-ebpf/src/oom.rs", "")]);
        assert!(said.contains("probe-ebpf/src/oom:"), "{said}");
    }
}
