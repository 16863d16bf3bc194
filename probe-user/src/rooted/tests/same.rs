//! The walk and `openat2`, compared: on trees made at random, in procfs, at the limits.

use std::{
    fs::Permissions,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    thread,
};

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use proptest::prelude::*;
use rustix::{io::Errno, process::geteuid};

use super::*;

const WAYS: [OFlags; 6] = [
    OFlags::PATH,
    OFlags::PATH.union(OFlags::NOFOLLOW),
    OFlags::PATH.union(OFlags::DIRECTORY),
    OFlags::RDONLY.union(OFlags::NONBLOCK),
    OFlags::RDONLY.union(OFlags::DIRECTORY),
    OFlags::RDONLY
        .union(OFlags::NOFOLLOW)
        .union(OFlags::NONBLOCK),
];

/// What a lookup gave: the device, the inode and the mode, or the error.
type Found = Result<(u64, u64, u32), Errno>;

fn look(root: &Root, path: &str, flags: OFlags) -> Found {
    let found = root.lookup(Path::new(path), flags)?;
    let stat = fs::fstat(found)?;
    Ok((stat.st_dev, stat.st_ino, stat.st_mode))
}

fn compare(roots: &[Root; 2], path: &str) {
    for flags in WAYS {
        let [kernel, walk] = [0, 1].map(|which| look(&roots[which], path, flags));
        assert_eq!(walk, kernel, "{path:?} with {flags:?}");
    }
}

#[derive(Clone, Debug)]
enum Entry {
    Folder(u32),
    File(u32),
    Link(String),
}

/// A path of few names, so that it often leads somewhere.
fn path() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c", "a", "b", ".", "..", ""]);
    let parts = prop::collection::vec(part, 1..6);
    (parts, any::<bool>(), any::<bool>()).prop_map(|(parts, absolute, slash)| {
        let (before, after) = (
            ["", "/"][usize::from(absolute)],
            ["", "/"][usize::from(slash)],
        );
        let path = format!("{before}{}{after}", parts.join("/"));
        if path.is_empty() {
            ".".to_owned()
        } else {
            path
        }
    })
}

fn entry() -> impl Strategy<Value = (String, Entry)> {
    let place = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4);
    let folder = prop::sample::select(vec![0o755, 0o755, 0o755, 0o751, 0o754, 0o750]);
    let file = prop::sample::select(vec![0o644, 0o600]);
    let entry = prop_oneof![
        3 => folder.prop_map(Entry::Folder),
        1 => file.prop_map(Entry::File),
        3 => path().prop_map(Entry::Link),
    ];
    (place.prop_map(|place| place.join("/")), entry)
}

/// Makes what can be made without following a link; a name that is taken stays as it is.
fn make(top: &Path, entries: &[(String, Entry)]) {
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    let is_real = |place: &Path| place.ancestors().skip(1).all(is_folder);
    for (place, entry) in entries {
        let place = top.join(place);
        if !is_real(&place) || place.symlink_metadata().is_ok() {
            continue;
        }
        match entry {
            Entry::Folder(_) => std::fs::create_dir(&place).unwrap(),
            Entry::File(mode) => {
                std::fs::write(&place, "").unwrap();
                std::fs::set_permissions(&place, Permissions::from_mode(*mode)).unwrap();
            }
            Entry::Link(target) => symlink(target, &place).unwrap(),
        }
    }
    for (place, entry) in entries {
        let place = top.join(place);
        if let Entry::Folder(mode) = entry
            && is_real(&place)
            && is_folder(&place)
        {
            std::fs::set_permissions(place, Permissions::from_mode(*mode)).unwrap();
        }
    }
}

/// Runs `look` as one who owns nothing and has no privilege for files, if we are root.
fn as_nobody(look: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let looked = scope.spawn(|| {
            if geteuid().is_root() {
                setfsgid(Gid::from_raw(65534));
                setfsuid(Uid::from_raw(65534));
            }
            look();
        });
        if let Err(why) = looked.join() {
            std::panic::resume_unwind(why);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_path_in_any_tree(
        entries in prop::collection::vec(entry(), 1..16),
        paths in prop::collection::vec(path(), 8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("root");
        std::fs::create_dir(&top).unwrap();
        make(&top, &entries);
        let roots = both(&top);
        for path in &paths {
            compare(&roots, path);
        }
        as_nobody(|| {
            for path in &paths {
                compare(&roots, path);
            }
        });
    }
}

#[test]
fn links_of_procfs() {
    let mut top = both("/".as_ref());
    let compare_all = |roots: &[Root; 2], before: &str| {
        for path in [
            "self",
            "self/",
            "self/comm",
            "thread-self",
            "thread-self/comm",
            "mounts",
            "net",
            "net/unix",
            "self/exe",
            "self/cwd",
            "self/cwd/",
            "self/cwd/x",
            "self/root",
            "self/root/etc/passwd",
            "self/fd",
            "self/fd/0",
            "self/fd/0/",
            "self/ns/net",
            "self/task/../comm",
            "1/root",
            "1/cwd/..",
            "self/missing",
            "missing",
        ] {
            compare(roots, &format!("{before}/{path}"));
        }
    };
    compare_all(&top, "/proc");
    compare_all(&both("/proc".as_ref()), "");
    // By way of a link of another file system.
    let folder = tempfile::tempdir().unwrap();
    symlink("/proc/self", folder.path().join("me")).unwrap();
    symlink("/proc/self/exe", folder.path().join("exe")).unwrap();
    let own = folder.path().to_str().unwrap();
    for path in ["me", "me/comm", "me/exe", "exe", "exe/"] {
        compare(&top, &format!("{own}/{path}"));
    }
    let refused = look(&top[1], &format!("{own}/me/exe"), OFlags::PATH);
    assert_eq!(refused, Err(Errno::LOOP));
    top.reverse();
    assert_eq!(
        look(&top[0], "/proc/self/root/etc", OFlags::PATH),
        Err(Errno::LOOP)
    );
}

#[test]
fn limits_of_links_names_and_paths() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path();
    std::fs::write(top.join("0"), "").unwrap();
    for n in 0..42 {
        symlink(n.to_string(), top.join((n + 1).to_string())).unwrap();
    }
    let name = "n".repeat(255);
    std::fs::create_dir(top.join(&name)).unwrap();
    std::fs::create_dir(top.join("folder")).unwrap();
    symlink("folder", top.join("to_folder")).unwrap();
    symlink("0/", top.join("slash")).unwrap();
    symlink(format!("{}0", "./".repeat(2000)), top.join("long")).unwrap();
    let roots = both(top);
    let mut paths = [
        "40", "41", "42", "40/", "0/", "0/.", "0/..", "slash", "slash/x", "long", "", "a\0b",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.extend([name.clone(), format!("{name}n"), format!("{name}n/x")]);
    for length in [4094, 4095, 4096, 5000] {
        paths.push("/".repeat(length));
        paths.push(format!("{}0", "/".repeat(length - 1)));
    }
    // Links in the middle count like those at the end.
    paths.extend([39, 40, 41].map(|n| format!("{}0", "to_folder/../".repeat(n))));
    for path in &paths {
        compare(&roots, path);
    }
    assert!(look(&roots[1], "40", OFlags::PATH).is_ok());
    assert_eq!(look(&roots[1], "41", OFlags::PATH), Err(Errno::LOOP));
}

#[test]
fn a_path_that_is_too_deep_holds_no_more_folders_open() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("d/".repeat(300))).unwrap();
    let [_, walk] = both(folder.path());
    assert!(look(&walk, &"d/".repeat(200), OFlags::PATH).is_ok());
    assert_eq!(
        look(&walk, &"d/".repeat(300), OFlags::PATH),
        Err(Errno::NAMETOOLONG)
    );
}

#[test]
fn links_of_others_in_shared_folders() {
    if !geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path();
    std::fs::write(top.join("target"), "").unwrap();
    std::fs::create_dir(top.join("shared")).unwrap();
    std::fs::set_permissions(top.join("shared"), Permissions::from_mode(0o1777)).unwrap();
    for (name, owner) in [("own", 0), ("others", 65534)] {
        let link = top.join("shared").join(name);
        symlink("/target", &link).unwrap();
        rustix::fs::chownat(
            rustix::fs::CWD,
            &link,
            Some(rustix::fs::Uid::from_raw(owner)),
            None,
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap();
    }
    symlink("shared/others", top.join("along")).unwrap();
    let roots = both(top);
    for path in [
        "shared/own",
        "shared/others",
        "shared/others/",
        "along",
        "shared/others/x",
    ] {
        compare(&roots, path);
    }
}
