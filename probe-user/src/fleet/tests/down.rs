//! Ends of a whole nginx, starts in vain, and workers without a master.

use std::collections::BTreeSet;

use super::*;
use crate::{facts::detail, signals};

const START: &str = "/usr/sbin/nginx -c /etc/nginx.conf";

/// The whole of [`known`]'s nginx ends.
fn end_all(host: &Host, fleet: &mut Fleet<Tracked>, status: u32) {
    for pid in [11, 12, 13, 10] {
        exit(fleet, pid, status);
        host.gone(pid);
    }
}

/// A program runs for a moment and ends with that status.
fn program(host: &Host, fleet: &mut Fleet<Tracked>, pid: u32, command: &str, status: u32) {
    host.process(pid, 1, "nginx", command, 900);
    exec(fleet, pid);
    exit(fleet, pid, status);
    host.gone(pid);
}

#[test]
fn what_was_told_to_end_is_down_by_whoever_told_it() {
    let (host, mut fleet) = known();
    signal(&mut fleet, 10, signals::QUIT);
    end_all(&host, &mut fleet, 0);
    let told = told(&mut fleet);
    assert_eq!(told[0], "down 10 SIGQUIT Some(Graceful)", "{told:?}");
}

#[test]
fn a_killed_master_is_down_with_its_last_process() {
    let (_host, mut fleet) = known();
    for pid in [10, 11, 12] {
        exit(&mut fleet, pid, 9);
    }
    let before = told(&mut fleet);
    assert!(
        !before.iter().any(|it| it.starts_with("down")),
        "{before:?}"
    );
    exit(&mut fleet, 13, 9);
    assert_eq!(told(&mut fleet)[0], "down 10 nobody Some(Killed)");
}

#[test]
fn a_start_that_fails_is_of_the_nginx_that_is_down() {
    let (host, mut fleet) = known();
    signal(&mut fleet, 10, signals::QUIT);
    end_all(&host, &mut fleet, 0);
    told(&mut fleet);
    program(&host, &mut fleet, 40, START, 1 << 8);
    assert_eq!(told(&mut fleet), ["failed 40 Serve"]);
    program(
        &host,
        &mut fleet,
        41,
        "/usr/sbin/nginx -t -c /etc/nginx.conf",
        1 << 8,
    );
    assert_eq!(told(&mut fleet), ["failed 41 Test"]);
    // Of another configuration, or one that went well.
    program(
        &host,
        &mut fleet,
        42,
        "/usr/sbin/nginx -c /etc/other.conf -g 'pid /run/y.pid;'",
        1 << 8,
    );
    program(&host, &mut fleet, 43, START, 0);
    assert_eq!(told(&mut fleet), [""; 0]);
}

#[test]
fn a_start_that_fails_beside_a_running_nginx_says_nothing() {
    let (host, mut fleet) = known();
    for (pid, command) in [
        (40, START),
        (41, "/usr/sbin/nginx -t"),
        (42, "/usr/sbin/nginx -V"),
    ] {
        program(&host, &mut fleet, pid, command, 1 << 8);
    }
    assert_eq!(told(&mut fleet), [""; 0]);
}

#[test]
fn a_reload_that_sends_no_signal_is_refused() {
    let (host, mut fleet) = known();
    let reload = "/usr/sbin/nginx -c /etc/nginx.conf -s reload";
    program(&host, &mut fleet, 40, reload, 1 << 8);
    let facts = fleet.take_facts();
    let Some(Event::Reload(reload)) = facts.first().map(|fact| &fact.event) else {
        panic!("{facts:?}");
    };
    assert_eq!(reload.detail, Some(detail::REFUSED_BEFORE_SIGNAL));
    assert_eq!(reload.generation, 1, "the old one serves on");
}

#[test]
fn who_runs_elsewhere_or_as_nobody_fails_for_himself() {
    let (host, mut fleet) = known();
    signal(&mut fleet, 10, signals::QUIT);
    end_all(&host, &mut fleet, 0);
    told(&mut fleet);
    host.process(40, 1, "nginx", START, 900);
    host.container(40);
    exec(&mut fleet, 40);
    exit(&mut fleet, 40, 1 << 8);
    assert_eq!(told(&mut fleet), [""; 0]);
}

/// Two workers, 21 and 22, of a master 20 that is gone; its pid file may name it.
fn orphaned(pid_file: Option<&str>) -> (Host, Fleet<Tracked>) {
    let host = Host::new();
    let leaders = "NSpid:\t21\nNSpgid:\t20\nNSsid:\t20\n";
    for pid in [21, 22] {
        host.process(pid, 1, "nginx", WORKER, 500);
        fs::write(host.path(pid).join("status"), leaders).expect("status");
        std::os::unix::fs::symlink("/usr/sbin/nginx", host.path(pid).join("exe")).expect("link");
    }
    fs::create_dir_all(host.files().join("run")).expect("folder");
    if let Some(text) = pid_file {
        fs::write(host.files().join("run/nginx.pid"), text).expect("pid file");
    }
    let conf = host.files().join("etc/nginx");
    fs::create_dir_all(&conf).expect("folder");
    fs::write(conf.join("nginx.conf"), "pid /run/nginx.pid; events {}").expect("configuration");
    let mut fleet = scanned(&host, Selection::default());
    assert_eq!(
        told(&mut fleet),
        [""; 0],
        "a moment may still bring their end"
    );
    fleet.settle(crate::clock::boot_ns_now() + 2_000_000_000);
    (host, fleet)
}

#[test]
fn orphans_are_told_once_and_so_is_their_end() {
    let (host, mut fleet) = orphaned(Some("20\n"));
    assert_eq!(told(&mut fleet), ["orphans 2 Some(20)"]);
    fleet.scan().expect("readable");
    fleet.settle(crate::clock::boot_ns_now() + 4_000_000_000);
    assert_eq!(told(&mut fleet), [""; 0]);
    for pid in [21, 22] {
        host.gone(pid);
    }
    fleet.settle(crate::clock::boot_ns_now() + 6_000_000_000);
    assert_eq!(told(&mut fleet), ["orphans 0 None"]);
}

#[test]
fn orphans_of_no_known_pid_file_go_by_their_program() {
    for pid_file in [None, Some("4711\n"), Some("nonsense")] {
        let (_host, mut fleet) = orphaned(pid_file);
        let facts = fleet.take_facts();
        assert_eq!(facts.len(), 1, "{facts:?}");
        assert_eq!(&*facts[0].instance, "/usr/sbin/nginx", "{pid_file:?}");
    }
}

#[test]
fn an_nginx_of_one_process_is_named_where_it_is_meant() {
    let host = Host::new();
    let single = "master_process off; events {}";
    fs::write(host.files().join("etc/single.conf"), single).expect("configuration");
    host.process(40, 1, "nginx", "nginx -c /etc/single.conf", 500);
    host.process(41, 1, "nginx", START, 500);
    let fleet = scanned(&host, Selection::default());
    let said = fleet.singles();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("process 40") && said[0].contains("master_process off"));
}

#[test]
fn a_start_that_somebody_ends_has_not_failed() {
    let (host, mut fleet) = known();
    signal(&mut fleet, 10, signals::QUIT);
    end_all(&host, &mut fleet, 0);
    told(&mut fleet);
    host.process(40, 1, "nginx", START, 900);
    exec(&mut fleet, 40);
    signal(&mut fleet, 40, signals::TERM);
    exit(&mut fleet, 40, signals::TERM);
    assert_eq!(told(&mut fleet), [""; 0]);
}

#[test]
fn of_two_with_one_configuration_neither_is_accused_of_the_others_start() {
    let host = Host::new();
    fs::write(host.files().join("etc/shared.conf"), "events {}").expect("configuration");
    for (pid, name) in [(10, "a"), (60, "b")] {
        let title = "nginx: master process nginx -c /etc/shared.conf -g pid /run/";
        host.process(
            pid,
            1,
            "nginx",
            &format!("{title}{name}.pid;"),
            500 + u64::from(pid),
        );
    }
    let mut fleet = scanned(&host, Selection::default());
    signal(&mut fleet, 10, signals::QUIT);
    exit(&mut fleet, 10, 0);
    host.gone(10);
    told(&mut fleet);
    let mut start = |pid_file| {
        host.process(40, 1, "nginx", START, 900);
        let command = format!("nginx\0-c\0/etc/shared.conf\0-g\0pid {pid_file};\0");
        fs::write(host.path(40).join("cmdline"), command).expect("written");
        exec(&mut fleet, 40);
        exit(&mut fleet, 40, 1 << 8);
        host.gone(40);
        told(&mut fleet)
    };
    // Of a third pid file it may be either's; of the other's own it is not the first's.
    assert_eq!(start("/run/c.pid"), [""; 0]);
    assert_eq!(start("/run/b.pid"), [""; 0]);
    assert_eq!(start("/run/a.pid"), ["failed 40 Serve"]);
}

#[test]
fn an_old_master_that_drains_is_not_the_one_that_serves() {
    let (host, mut fleet) = known();
    host.process(50, 10, "nginx", MASTER, 500);
    fork(&mut fleet, 10, 50);
    exec(&mut fleet, 50);
    fleet.settle(u64::MAX);
    signal(&mut fleet, 10, signals::QUIT);
    told(&mut fleet);
    exit(&mut fleet, 50, 9);
    let said = told(&mut fleet);
    assert_eq!(said, ["down 50 nobody Some(Killed)", "gone 50 0"]);
    end_all(&host, &mut fleet, 0);
    let said = told(&mut fleet);
    assert!(!said.iter().any(|it| it.starts_with("down")), "{said:?}");
}

/// Whoever starts hundreds of programs that look like one has a few of them named, and reads little.
#[test]
fn many_of_one_process_are_named_in_bounded_number() {
    let host = Host::new();
    let single = "master_process off; events {}";
    fs::write(host.files().join("etc/single.conf"), single).expect("configuration");
    let mut fleet = scanned(&host, Selection::default());
    let mut named = BTreeSet::new();
    for pid in 100..200 {
        host.process(pid, 1, "nginx", "nginx -c /etc/single.conf", 500);
        fleet.scan().expect("readable");
        named.extend(fleet.singles());
        exit(&mut fleet, pid, 0);
        host.gone(pid);
    }
    assert_eq!(named.len(), 16, "{named:?}");
}
