mod races;
mod refused;
mod same;

use std::io::Read;
use std::os::unix::fs::symlink;

use super::*;

/// A folder as the root, once for each way of looking paths up.
fn both(path: &Path) -> [Root; 2] {
    [Way::Kernel, Way::Walk].map(|way| {
        let root = Root::at(path).unwrap();
        assert_eq!(root.way, Way::Kernel, "openat2 is refused here");
        Root { way, ..root }
    })
}

fn text_of(root: &Root, path: &str) -> Result<String, OpenError> {
    let (mut file, _) = root.open_regular(Path::new(path))?;
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    Ok(text)
}

#[test]
fn links_stay_inside_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("root");
    std::fs::create_dir_all(inner.join("etc")).unwrap();
    std::fs::write(folder.path().join("secret"), "outside").unwrap();
    std::fs::write(inner.join("secret"), "inside").unwrap();
    symlink("/secret", inner.join("etc/absolute")).unwrap();
    symlink("../../../../secret", inner.join("etc/climbing")).unwrap();
    symlink(folder.path().join("secret"), inner.join("etc/host")).unwrap();

    for root in both(&inner) {
        assert_eq!(text_of(&root, "/etc/absolute").unwrap(), "inside");
        assert_eq!(text_of(&root, "/etc/climbing").unwrap(), "inside");
        assert_eq!(text_of(&root, "/../secret").unwrap(), "inside");
        assert!(text_of(&root, "/etc/host").unwrap_err().is_missing());
    }
}

#[test]
fn only_regular_files_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path();
    std::fs::create_dir_all(inner.join("log")).unwrap();
    std::fs::create_dir_all(inner.join("dev")).unwrap();
    symlink("/dev/stdout", inner.join("log/access.log")).unwrap();
    symlink("/proc/self/fd/1", inner.join("dev/stdout")).unwrap();
    symlink("/dev/fd/2", inner.join("log/error.log")).unwrap();
    symlink("loop", inner.join("loop")).unwrap();
    fs::mknodat(fs::CWD, inner.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    for root in both(inner) {
        let kind = |path: &str| match text_of(&root, path) {
            Err(OpenError::NotAFile { kind, .. }) => kind,
            other => panic!("{path}: {other:?}"),
        };
        assert_eq!(kind("/log/access.log"), FileKind::ProcessStream);
        assert_eq!(kind("/log/error.log"), FileKind::ProcessStream);
        assert_eq!(kind("/log"), FileKind::Folder);
        assert_eq!(kind("/pipe"), FileKind::Pipe);
        assert!(matches!(text_of(&root, "/loop"), Err(OpenError::Io { .. })));
        assert!(matches!(
            text_of(&root, "/log/access.log/x"),
            Err(OpenError::Missing { .. })
        ));
        assert_eq!(
            text_of(&root, "/log/access.log").unwrap_err().to_string(),
            "/log/access.log is not a regular file \
             (a process's own standard output, standard error or descriptor)"
        );
    }
}

#[test]
fn the_agents_own_streams_are_not_reached_on_the_host() {
    let own = format!("/proc/{}/root", std::process::id());
    for root in both(own.as_ref()) {
        for path in ["/dev/stdout", "/proc/self/fd/1", "/proc/self/exe"] {
            assert!(
                root.open_regular(Path::new(path)).is_err(),
                "{path} was opened"
            );
            assert!(root.open(Path::new(path)).is_err(), "{path} was opened");
        }
        let kind = root.open_regular(Path::new("/dev/null")).unwrap_err();
        assert!(matches!(
            kind,
            OpenError::NotAFile {
                kind: FileKind::Device,
                ..
            }
        ));
    }
}

#[test]
fn folders_are_listed_up_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", ".c"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    for root in both(folder.path()) {
        let mut names = root.read_dir(Path::new("/"), 10).unwrap();
        names.sort();
        assert_eq!(names, [".c", "a", "b"]);
        assert_eq!(root.read_dir(Path::new("/"), 2).unwrap().len(), 2);
        assert!(root.read_dir(Path::new("/a"), 2).is_err());
    }
}
