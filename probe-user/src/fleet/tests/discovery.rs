//! What was running before the agent.

use super::*;

#[test]
fn a_running_nginx_is_found_with_its_roles() {
    let host = Host::new();
    host.nginx(10);
    host.process(
        30,
        1,
        "php-fpm8.2",
        "php-fpm: master process (/etc/php/fpm.conf)",
        9,
    );
    host.process(31, 1, "nginx", "nginx -t", 9);
    host.process(32, 1, "bash", MASTER, 9);
    let mut fleet = scanned(&host, Selection::default());
    assert_eq!(
        told(&mut fleet),
        [
            "start 11 worker 1",
            "start 12 worker 1",
            "start 13 cache_manager 1"
        ]
    );
    assert_eq!(counts(&fleet), (2, 0));
    let mut tracked = fleet.kernel().pids.clone();
    tracked.sort_unstable();
    assert_eq!(
        tracked,
        [10, 11, 12, 13, 31],
        "`nginx -t` may still become a master"
    );
}

#[test]
fn scanning_again_finds_nothing_new() {
    let (_host, mut fleet) = known();
    fleet.scan().expect("readable");
    assert_eq!(told(&mut fleet), [""; 0]);
}

#[test]
fn only_what_is_asked_for_is_followed() {
    let host = Host::new();
    host.nginx(10);
    host.nginx(20);
    let mut fleet = scanned(
        &host,
        Selection {
            masters: vec![20],
            ..Selection::default()
        },
    );
    assert_eq!(told(&mut fleet).len(), 3);
    assert!(fleet.masters().all(|(pid, ..)| pid == 20));
    assert!(
        fleet.kernel().pids.iter().all(|pid| *pid >= 20),
        "{:?}",
        fleet.kernel().pids
    );
}

#[test]
fn a_pid_file_may_hold_the_inner_pid() {
    let host = Host::new();
    host.nginx(10);
    let run = host.files().join("run");
    fs::create_dir_all(&run).expect("folder");
    fs::write(run.join("x.pid"), "7\n").expect("written");
    let asked = |pid_file| Selection {
        pid_files: vec![pid_file],
        masters: vec![],
    };
    assert_eq!(
        scanned(&host, asked(run.join("x.pid"))).masters().count(),
        1
    );
    // Another container's pid file may hold the same number.
    fs::write(run.join("y.pid"), "7\n").expect("written");
    assert_eq!(
        scanned(&host, asked(run.join("y.pid"))).masters().count(),
        0
    );
}

#[test]
fn what_ended_unseen_is_dropped() {
    let (host, mut fleet) = known();
    host.gone(11);
    assert_eq!(fleet.reconcile(), 1);
    assert!(!fleet.kernel().pids.contains(&11));
    assert!(Path::new(&host.path(12)).exists());
}

#[test]
fn a_long_line_of_impostors_costs_little() {
    let host = Host::new();
    for pid in 100..600 {
        host.process(pid, pid - 1, "nginx", WORKER, 500);
    }
    host.nginx(10);
    let mut fleet = scanned(&host, Selection::default());
    assert_eq!(told(&mut fleet).len(), 3);
    assert_eq!(fleet.kernel().pids.len(), 4);
}

#[test]
fn records_older_than_the_scan_change_nothing() {
    let (_host, mut fleet) = known();
    let old = |kind: RecordKind, pid| Header {
        kind: kind as u32,
        pid,
        time_ns: 1,
    };
    executed(&mut fleet, old(RecordKind::Exec, 10), true);
    forked(&mut fleet, old(RecordKind::Fork, 11), 10);
    fleet.settle(u64::MAX);
    assert_eq!(told(&mut fleet), [""; 0]);
    assert_eq!(fleet.masters().count(), 1);
}

#[test]
fn a_pid_file_that_is_written_late_is_noticed() {
    let host = Host::new();
    host.nginx(10);
    let file = host.files().join("late.pid");
    let mut fleet = scanned(
        &host,
        Selection {
            pid_files: vec![file.clone()],
            masters: vec![],
        },
    );
    assert_eq!(fleet.masters().count(), 0);
    fs::write(file, "10").expect("written");
    fleet.find_selected();
    assert_eq!(fleet.masters().count(), 1);
}
