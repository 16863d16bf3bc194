use std::{
    net::{TcpListener, TcpStream},
    os::fd::AsFd as _,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::*;

fn target(pid: u32) -> Target {
    Target {
        instance: "/n".into(),
        pids: vec![pid],
    }
}

/// The listener of that name.
fn of(report: &Report, name: &str) -> Listener {
    let found = report.listeners.iter().find(|one| one.name == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {report:?}"))
        .clone()
}

#[test]
fn an_overflow_is_the_listeners_own() {
    let server = TcpListener::bind("127.0.0.1:0").expect("bound");
    let quiet = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = server.local_addr().expect("bound");
    // Nothing waits in its queue yet, so it may be made shorter.
    rustix::net::listen(server.as_fd(), 1).expect("a shorter queue");
    let mut pass = Pass::new(Path::new("/proc"));
    let targets = [target(std::process::id())];
    let name = address.to_string();
    assert_eq!(of(&pass.look(&targets), &name).limit, 1);
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let clients: Vec<_> = (0..4).map(|_| connect()).collect();
    assert_eq!(clients.iter().filter(|client| client.is_ok()).count(), 2);
    let report = pass.look(&targets);
    assert_eq!(of(&report, &name).length, 2);
    assert!(report.overflows >= 2, "{report:?}");
    let own: Vec<_> = report
        .overflowed
        .iter()
        .filter(|one| one.listener.name == name)
        .collect();
    assert!(own.len() == 1 && own[0].dropped >= 2, "{report:?}");
    let other = quiet.local_addr().expect("bound").to_string();
    let others = report.overflowed.iter().map(|one| &one.listener.name);
    assert!(others.clone().all(|name| *name != other), "{report:?}");
    // It stays full, and then is so for the second time.
    let again = pass.look(&targets);
    assert!(again.overflowed.iter().any(|one| one.listener.name == name));
    drop(clients);
    while server.accept().is_ok() && of(&pass.look(&targets), &name).length > 0 {}
    let end = pass.look(&targets);
    assert!(end.overflowed.iter().all(|one| one.listener.name != name));
}

/// A process in a network namespace of its own.
struct Elsewhere(Child);

impl Elsewhere {
    fn start() -> Self {
        let child = Command::new("unshare")
            .args(["--net", "sleep", "60"])
            .stdin(Stdio::null())
            .spawn();
        Self(child.expect("unshare"))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_namespace_is_left_again() {
    let there = Elsewhere::start();
    let proc_root = Path::new("/proc");
    let own = namespace::Namespace::own(proc_root).expect("ours");
    let of = |pid| namespace::Namespace::of(proc_root, pid).ok();
    let end = Instant::now() + Duration::from_secs(20);
    while of(there.0.id()).is_none_or(|its| its == own) {
        assert!(Instant::now() < end, "unshare does nothing");
        thread::yield_now();
    }
    let server = TcpListener::bind("127.0.0.1:0").expect("bound");
    let name = server.local_addr().expect("bound").to_string();
    let names = || {
        let all = listening().expect("inet_diag");
        all.into_iter()
            .map(|socket| socket.name)
            .collect::<Vec<_>>()
    };
    let seen = namespace::within(proc_root, there.0.id(), || {
        (namespace::Namespace::own(proc_root).ok(), names())
    });
    let (its, theirs) = seen.expect("entered");
    assert_eq!(its, of(there.0.id()));
    assert!(!theirs.contains(&name), "{theirs:?}");
    assert_eq!(namespace::Namespace::own(proc_root).ok(), Some(own));
    assert!(names().contains(&name));
}

#[test]
fn who_is_gone_has_nothing_to_say() {
    let mut pass = Pass::new(Path::new("/proc"));
    let report = pass.look(&[target(u32::MAX)]);
    assert!(report.listeners.is_empty() && report.problems.is_empty());
}
