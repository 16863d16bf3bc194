//! A sandbox that refuses `openat2`, as a filter of system calls does it.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path, thread};

use rustix::{io::Errno, thread::set_no_new_privs};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use super::{Root, Way, openat2, text_of};
use crate::rooted::OFlags;

/// Refuses `openat2` to the calling thread.
fn refuse(errno: Errno) {
    let refused = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_openat2, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(errno.raw_os_error().unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = refused.unwrap().try_into().unwrap();
    set_no_new_privs(true).unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

#[test]
fn files_are_found_where_a_sandbox_refuses_openat2() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("root");
    fs::create_dir_all(inner.join("etc")).unwrap();
    fs::write(folder.path().join("secret"), "outside").unwrap();
    fs::write(inner.join("secret"), "inside").unwrap();
    symlink("../../secret", inner.join("etc/link")).unwrap();
    for errno in [Errno::NOSYS, Errno::PERM] {
        let inner = &inner;
        thread::scope(|scope| {
            let sandboxed = scope.spawn(move || {
                refuse(errno);
                let root = Root::at(inner).unwrap();
                let tried = openat2(&root.fd, Path::new("."), OFlags::PATH);
                assert_eq!(tried.unwrap_err(), errno);
                assert_eq!(root.way, Way::Walk);
                assert_eq!(text_of(&root, "/etc/link").unwrap(), "inside");
                assert!(text_of(&root, "/etc/missing").unwrap_err().is_missing());
            });
            sandboxed.join().unwrap();
        });
    }
}
