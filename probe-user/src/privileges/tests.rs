//! What a thread gave up fails, and what it needs works: on real threads, each of which has its own.

use std::{fs::File, net::UdpSocket, thread};

use libc::c_long;

use super::*;

const ERRNO_NONE: i32 = 0;

/// A system call with these arguments; the error number, or 0.
fn call(number: c_long, arguments: [c_long; 5]) -> i32 {
    let [first, second, third, fourth, fifth] = arguments;
    // SAFETY: every call below has null pointers, descriptors that are not open, or numbers alone.
    let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth) };
    if result == -1 {
        std::io::Error::last_os_error().raw_os_error().unwrap_or(-1)
    } else {
        ERRNO_NONE
    }
}

/// Runs `work` in a thread that has settled for `needs`.
fn settled<T: Send>(needs: Needs<'_>, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let problems = settle(needs).expect("no other user is chosen");
            assert!(problems.is_empty(), "{problems:?}");
            work()
        });
        thread.join().expect("no panic")
    })
}

/// All that the main thread may have.
const LOOP: Needs<'_> = Needs {
    capabilities: &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
    calls: &[
        Calls::Files,
        Calls::Changes,
        Calls::Sockets,
        Calls::Events,
        Calls::Maps,
        Calls::Attach,
    ],
};

/// Calls that no thread may make, with arguments that do nothing where they are allowed.
fn refused() -> Vec<(&'static str, c_long, [c_long; 5])> {
    let none = -1;
    let own = c_long::from(std::process::id());
    let exec = c_long::from(libc::PROT_READ | libc::PROT_EXEC);
    let private = c_long::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let raw = c_long::from(libc::SOCK_RAW);
    vec![
        ("execve", libc::SYS_execve, [0; 5]),
        ("execveat", libc::SYS_execveat, [none, 0, 0, 0, 0]),
        (
            "clone of a process",
            libc::SYS_clone,
            [
                c_long::from(libc::CLONE_THREAD | libc::CLONE_NEWUSER),
                0,
                0,
                0,
                0,
            ],
        ),
        (
            "ptrace",
            libc::SYS_ptrace,
            [c_long::from(libc::PTRACE_ATTACH), 0, 0, 0, 0],
        ),
        (
            "process_vm_readv",
            libc::SYS_process_vm_readv,
            [own, 0, 0, 0, 0],
        ),
        (
            "process_vm_writev",
            libc::SYS_process_vm_writev,
            [own, 0, 0, 0, 0],
        ),
        ("kill", libc::SYS_kill, [own, 0, 0, 0, 0]),
        ("tgkill of another", libc::SYS_tgkill, [1, 1, 0, 0, 0]),
        ("mount", libc::SYS_mount, [0; 5]),
        ("umount2", libc::SYS_umount2, [0; 5]),
        ("pivot_root", libc::SYS_pivot_root, [0; 5]),
        ("chroot", libc::SYS_chroot, [0; 5]),
        (
            "open_by_handle_at",
            libc::SYS_open_by_handle_at,
            [none, 0, 0, 0, 0],
        ),
        ("unshare", libc::SYS_unshare, [0; 5]),
        ("setns", libc::SYS_setns, [none, 0, 0, 0, 0]),
        ("init_module", libc::SYS_init_module, [0; 5]),
        ("keyctl", libc::SYS_keyctl, [none, 0, 0, 0, 0]),
        ("userfaultfd", libc::SYS_userfaultfd, [none, 0, 0, 0, 0]),
        ("setuid", libc::SYS_setresuid, [none, none, none, 0, 0]),
        ("setgroups", libc::SYS_setgroups, [none, 0, 0, 0, 0]),
        ("capset", libc::SYS_capset, [0; 5]),
        ("seccomp", libc::SYS_seccomp, [none, 0, 0, 0, 0]),
        ("chmod", libc::SYS_fchmodat, [none, 0, 0, 0, 0]),
        ("chown", libc::SYS_fchownat, [none, 0, 0, 0, 0]),
        ("symlink", libc::SYS_symlinkat, [0, none, 0, 0, 0]),
        ("listen", libc::SYS_listen, [none, 0, 0, 0, 0]),
        (
            "a raw packet socket",
            libc::SYS_socket,
            [c_long::from(libc::AF_PACKET), raw, 0, 0, 0],
        ),
        (
            "netlink of routes",
            libc::SYS_socket,
            [
                c_long::from(libc::AF_NETLINK),
                raw,
                c_long::from(libc::NETLINK_ROUTE),
                0,
                0,
            ],
        ),
        (
            "executable memory",
            libc::SYS_mmap,
            [0, 4096, exec, private, none],
        ),
        (
            "prctl",
            libc::SYS_prctl,
            [c_long::from(libc::PR_GET_DUMPABLE), 0, 0, 0, 0],
        ),
        ("TIOCSTI", libc::SYS_ioctl, [none, 0x5412, 0, 0, 0]),
        ("bpf to pin", libc::SYS_bpf, [6, 0, 0, 0, 0]),
    ]
}

#[test]
fn what_is_not_needed_is_refused_and_was_not_before() {
    let refused = refused();
    if rustix::process::geteuid().is_root() {
        for (what, number, arguments) in &refused {
            assert_ne!(
                call(*number, *arguments),
                libc::EPERM,
                "{what} is refused anyway"
            );
        }
    }
    for needs in [LOOP, Needs::WRITER] {
        settled(needs, || {
            for (what, number, arguments) in &refused {
                assert_eq!(call(*number, *arguments), libc::EPERM, "{what}");
            }
        });
    }
    settled(Needs::WRITER, || {
        for (number, arguments) in [
            (libc::SYS_openat, [-1; 5]),
            (libc::SYS_socket, [c_long::from(libc::AF_INET), 1, 0, 0, 0]),
            (libc::SYS_bpf, [1, 0, 0, 0, 0]),
            (libc::SYS_perf_event_open, [0, 0, 0, -1, 0]),
        ] {
            assert_eq!(call(number, arguments), libc::EPERM);
        }
    });
}

#[test]
fn what_is_needed_works() {
    settled(LOOP, || {
        assert_eq!(thread::spawn(|| 7).join().expect("a thread"), 7);
        File::open("/proc/self/status").expect("a file");
        UdpSocket::bind("127.0.0.1:0").expect("a socket");
        assert_eq!(
            call(
                libc::SYS_tgkill,
                [
                    c_long::from(std::process::id()),
                    c_long::from(rustix::thread::gettid().as_raw_nonzero().get()),
                    0,
                    0,
                    0
                ]
            ),
            0
        );
        // Neither its flags nor whether there are any can be seen.
        assert_eq!(call(libc::SYS_clone3, [0; 5]), libc::ENOSYS);
        assert_eq!(
            call(libc::SYS_perf_event_open, [0, 0, 0, -1, 0]),
            libc::EFAULT
        );
    });
    let namespaces = Needs {
        calls: &[Calls::Namespaces],
        ..Needs::WRITER
    };
    settled(namespaces, || {
        let enter = |what| call(libc::SYS_setns, [-1, c_long::from(what), 0, 0, 0]);
        assert_eq!(enter(libc::CLONE_NEWNET), libc::EBADF);
        assert_eq!(enter(libc::CLONE_NEWNS), libc::EPERM);
        assert_eq!(enter(0), libc::EPERM);
    });
}

#[test]
fn capabilities_go_for_good_in_every_set() {
    settled(LOOP, || {
        let kept: CapsHashSet = LOOP.capabilities.iter().copied().collect();
        for set in [
            CapSet::Effective,
            CapSet::Permitted,
            CapSet::Bounding,
            CapSet::Inheritable,
        ] {
            let left = caps::read(None, set).expect("readable");
            assert!(left.is_subset(&kept), "{set:?}: {left:?}");
        }
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("readable");
        for line in ["CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(status.contains(line), "{status}");
        }
    });
    // Those of the thread that started it are its own.
    let own = caps::read(None, CapSet::Effective).expect("readable");
    if rustix::process::geteuid().is_root() {
        assert!(own.contains(&Capability::CAP_SETPCAP));
    }
}

#[test]
fn a_thread_has_settled_before_it_works() {
    let (send, receive) = sync_channel(1);
    spawn("settled", Needs::WRITER, move || {
        let _ = send.send(call(libc::SYS_openat, [-1; 5]));
    })
    .expect("a thread");
    assert_eq!(receive.recv().expect("its word"), libc::EPERM);
}

#[test]
fn a_user_that_is_not_there_is_named() {
    let error = choose_user(Some("no-such-user-is-here")).expect_err("no such user");
    assert!(
        error.to_string().contains("no-such-user-is-here"),
        "{error}"
    );
}
