//! What happens while the agent runs.

use super::*;

#[test]
fn a_fork_is_no_master_though_it_has_its_title() {
    let (host, mut fleet) = known();
    host.process(15, 10, "nginx", MASTER, 500);
    fork(&mut fleet, 10, 15);
    assert_eq!(told(&mut fleet), [""; 0]);
    host.title(15, WORKER);
    fleet.settle(u64::MAX);
    assert_eq!(told(&mut fleet), ["start 15 worker 1"]);
}

#[test]
fn a_child_that_dies_before_it_says_what_it_is_still_counts() {
    let (_host, mut fleet) = known();
    fork(&mut fleet, 10, 15);
    exit(&mut fleet, 15, 2 << 8);
    assert_eq!(
        told(&mut fleet),
        ["exit 15 unknown error_exit", "start 15 unknown 1"]
    );
}

#[test]
fn one_that_dies_with_a_client_was_a_worker() {
    let (_host, mut fleet) = known();
    fork(&mut fleet, 10, 15);
    fleet.kernel_mut().held = Some((15, client()));
    exit(&mut fleet, 15, 11);
    assert_eq!(
        told(&mut fleet),
        ["exit 15 worker crash", "start 15 worker 1"]
    );
}

#[test]
fn a_start_is_followed_from_its_first_process() {
    let host = Host::new();
    let mut fleet = scanned(&host, Selection::default());
    host.process(40, 1, "nginx", "nginx -c /etc/nginx.conf", 500);
    exec(&mut fleet, 40);
    host.process(41, 40, "nginx", "nginx -c /etc/nginx.conf", 500);
    fork(&mut fleet, 40, 41);
    exit(&mut fleet, 40, 0);
    host.gone(40);
    host.process(41, 1, "nginx", MASTER, 500);
    host.process(42, 41, "nginx", WORKER, 500);
    fork(&mut fleet, 41, 42);
    assert_eq!(told(&mut fleet), ["start 42 worker 1"]);
    assert_eq!(fleet.masters().next().map(|(pid, ..)| pid), Some(41));
}

#[test]
fn a_reload_counts_a_generation_and_drains_the_last() {
    let (host, mut fleet) = known();
    hup(&mut fleet, 10);
    host.process(15, 10, "nginx", WORKER, 500);
    fork(&mut fleet, 10, 15);
    assert_eq!(told(&mut fleet), ["reload Ok 2", "start 15 worker 2"]);
    assert_eq!(counts(&fleet), (1, 2));
    exit(&mut fleet, 11, 0);
    assert_eq!(told(&mut fleet), ["exit 11 worker graceful"]);
}

#[test]
fn a_refused_reload_needs_the_master_to_wait_again() {
    let (host, mut fleet) = known();
    hup(&mut fleet, 10);
    let status = |pending| format!("SigPnd:\t0\nShdPnd:\t000000000000000{pending}\n");
    let later = |step: u64| crate::clock::boot_ns_now() + step * 1_000_000_000;
    fs::write(host.path(10).join("status"), status(1)).expect("written");
    host.call(10, WAITS);
    fleet.settle(later(1)); // not yet taken
    fs::write(host.path(10).join("status"), status(0)).expect("written");
    host.call(10, "running");
    fleet.settle(later(2)); // reads its configuration
    host.call(10, WAITS);
    fleet.settle(later(3)); // waits: a fork may be on its way
    assert_eq!(told(&mut fleet), [""; 0]);
    fleet.settle(later(4));
    assert_eq!(told(&mut fleet), ["reload Failed 1"]);
    fleet.settle(later(5));
    assert_eq!(told(&mut fleet), [""; 0]);
}

#[test]
fn an_upgrade_orphans_nobody() {
    let (host, mut fleet) = known();
    host.process(50, 10, "nginx", MASTER, 500);
    fork(&mut fleet, 10, 50);
    exec(&mut fleet, 50);
    fleet.settle(u64::MAX);
    assert_eq!(told(&mut fleet), ["upgrade 10 50"]);
    exit(&mut fleet, 10, 0);
    assert_eq!(told(&mut fleet), ["gone 10 0"]);
    exit(&mut fleet, 50, 9);
    assert_eq!(told(&mut fleet), ["gone 50 0"]);
}

#[test]
fn a_killed_master_leaves_its_workers_known() {
    let (_host, mut fleet) = known();
    exit(&mut fleet, 10, 9);
    assert_eq!(told(&mut fleet), ["gone 10 3"]);
    exit(&mut fleet, 11, 11);
    assert_eq!(
        told(&mut fleet),
        [format!("exit 11 worker {}", Reason::Crash.as_str())]
    );
}

#[test]
fn a_command_that_a_refused_configuration_runs_is_no_reload() {
    let (host, mut fleet) = known();
    hup(&mut fleet, 10);
    host.process(15, 10, "nginx", MASTER, 500);
    fork(&mut fleet, 10, 15);
    executed(&mut fleet, header(RecordKind::Exec, 15), false);
    fs::write(host.path(10).join("status"), "SigPnd:\t0\nShdPnd:\t0\n").expect("written");
    host.call(10, WAITS);
    for step in 1..=2 {
        fleet.settle(crate::clock::boot_ns_now() + step * 1_000_000_000);
    }
    assert_eq!(told(&mut fleet), ["reload Failed 1"]);
    assert_eq!(counts(&fleet), (2, 0));
}

#[test]
fn a_death_while_the_configuration_is_read_does_not_hide_the_reload() {
    let (host, mut fleet) = known();
    hup(&mut fleet, 10);
    exit(&mut fleet, 11, 11);
    host.process(15, 10, "nginx", WORKER, 500);
    fork(&mut fleet, 10, 15);
    assert_eq!(
        told(&mut fleet),
        ["exit 11 worker crash", "reload Ok 2", "start 15 worker 2"]
    );
}

#[test]
fn a_worker_that_replaces_a_dead_one_is_no_reload() {
    let (host, mut fleet) = known();
    exit(&mut fleet, 11, 11);
    hup(&mut fleet, 10);
    host.process(15, 10, "nginx", WORKER, 500);
    fork(&mut fleet, 10, 15);
    assert_eq!(
        told(&mut fleet),
        ["exit 11 worker crash", "start 15 worker 1"]
    );
    host.process(16, 10, "nginx", WORKER, 500);
    fork(&mut fleet, 10, 16);
    assert_eq!(told(&mut fleet), ["reload Ok 2", "start 16 worker 2"]);
}

#[test]
fn a_new_binary_that_does_not_start_is_no_worker() {
    let (host, mut fleet) = known();
    signal(&mut fleet, 10, crate::signals::USR2);
    host.process(15, 10, "nginx", MASTER, 500);
    fork(&mut fleet, 10, 15);
    exit(&mut fleet, 15, 1 << 8);
    assert_eq!(told(&mut fleet), [""; 0]);
}

#[test]
fn a_worker_after_an_ignored_upgrade_is_a_worker() {
    let (host, mut fleet) = known();
    signal(&mut fleet, 10, crate::signals::USR2);
    host.process(15, 10, "nginx", WORKER, 500);
    fork(&mut fleet, 10, 15);
    assert_eq!(told(&mut fleet), ["start 15 worker 1"]);
}

#[test]
fn a_hup_to_a_master_that_ends_is_no_refused_reload() {
    let host = Host::new();
    host.nginx(10);
    let mut fleet = scanned(&host, Selection::default());
    signal(&mut fleet, 10, crate::signals::QUIT);
    hup(&mut fleet, 10);
    assert!(fleet.masters[&10].reload.is_none());
}

#[test]
fn an_upgrade_of_a_chosen_master_is_followed() {
    let host = Host::new();
    host.nginx(10);
    let mut fleet = scanned(
        &host,
        Selection {
            masters: vec![10],
            ..Selection::default()
        },
    );
    told(&mut fleet);
    host.process(50, 10, "nginx", MASTER, 700);
    fork(&mut fleet, 10, 50);
    exec(&mut fleet, 50);
    fleet.settle(u64::MAX);
    assert_eq!(told(&mut fleet), ["upgrade 10 50"]);
}
