//! Folders that are moved and exchanged while paths are looked up in them.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rustix::fs::{CWD, RenameFlags, renameat_with, symlinkat};

use super::{Root, both, text_of};

/// Lookups beside which others rename.
const LOOKUPS: usize = 3000;

/// `secret` outside and inside a root that has `a/b`, and `out` beside the root.
fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path();
    fs::create_dir_all(top.join("root/a/b")).unwrap();
    fs::create_dir(top.join("out")).unwrap();
    for (secret, text) in [("secret", "outside"), ("root/secret", "inside")] {
        fs::write(top.join(secret), text).unwrap();
    }
    folder
}

/// Looks `path` up while `other` is done again and again; how often it was found.
fn beside(root: &Root, path: &str, other: impl Fn() + Sync) -> usize {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                other();
            }
        });
        let found = (0..LOOKUPS).filter_map(|_| text_of(root, path).ok());
        let found: Vec<_> = found.collect();
        over.store(true, Ordering::Relaxed);
        assert!(found.iter().all(|text| text == "inside"), "{root:?}");
        found.len()
    })
}

fn exchange(one: &Path, other: &Path, flags: RenameFlags) {
    renameat_with(CWD, one, CWD, other, flags).unwrap();
}

#[test]
fn a_folder_that_is_moved_out_of_the_root_leads_nowhere_else() {
    let folder = tree();
    let top = folder.path();
    let (inside, outside) = (top.join("root/a/b"), top.join("out/b"));
    for root in both(&top.join("root")) {
        let found = beside(&root, "a/b/../../secret", || {
            exchange(&inside, &outside, RenameFlags::empty());
            exchange(&outside, &inside, RenameFlags::empty());
        });
        assert!(found > 0, "{root:?}");
    }
}

#[test]
fn a_folder_that_becomes_a_link_leads_nowhere_else() {
    let folder = tree();
    let top = folder.path();
    fs::write(top.join("root/a/b/secret"), "inside").unwrap();
    let (inside, link) = (top.join("root/a/b"), top.join("root/a/link"));
    symlinkat("../../..", CWD, &link).unwrap();
    for root in both(&top.join("root")) {
        let found = beside(&root, "a/b/secret", || {
            exchange(&inside, &link, RenameFlags::EXCHANGE);
        });
        assert!(found > 0, "{root:?}");
    }
}
