//! Which worker has which slot, and for how long.

use super::*;
use crate::clock::boot_ns_now;

/// Slots of an nginx's workers after everything due was looked at: `(pid, slot)`, in order of pid.
fn slots(fleet: &mut Fleet<Tracked>) -> Vec<(u32, Option<u32>)> {
    fleet.settle(boot_ns_now());
    let mut slots: Vec<_> = fleet
        .workers()
        .map(|worker| (worker.pid, worker.slot))
        .collect();
    slots.sort_unstable();
    slots
}

fn replace(host: &Host, fleet: &mut Fleet<Tracked>, master: u32, new: &[u32]) {
    for pid in new {
        host.process(*pid, master, "nginx", WORKER, 500);
        fork(fleet, master, *pid);
    }
}

#[test]
fn a_replacement_takes_the_slot_of_the_dead() {
    let host = Host::new();
    host.nginx(10);
    host.process(14, 10, "nginx", WORKER, 500);
    let mut fleet = scanned(&host, Selection::default());
    let all = [(11, Some(0)), (12, Some(1)), (14, Some(2))];
    assert_eq!(slots(&mut fleet), all);
    exit(&mut fleet, 12, 11);
    assert_eq!(slots(&mut fleet), [all[0], all[2]]);
    replace(&host, &mut fleet, 10, &[20]);
    let mended = [(11, Some(0)), (14, Some(2)), (20, Some(1))];
    assert_eq!(slots(&mut fleet), mended);
    // All at once: nothing is given twice.
    for pid in [11, 14, 20] {
        exit(&mut fleet, pid, 11);
    }
    replace(&host, &mut fleet, 10, &[30, 31, 32]);
    let new = [(30, Some(0)), (31, Some(1)), (32, Some(2))];
    assert_eq!(slots(&mut fleet), new);
}

#[test]
fn a_reload_begins_at_zero_and_drains_without_slots() {
    let host = Host::new();
    host.nginx(10);
    let mut fleet = scanned(&host, Selection::default());
    slots(&mut fleet);
    hup(&mut fleet, 10);
    replace(&host, &mut fleet, 10, &[20, 21, 22]);
    let reloaded = [
        (11, None),
        (12, None),
        (20, Some(0)),
        (21, Some(1)),
        (22, Some(2)),
    ];
    assert_eq!(slots(&mut fleet), reloaded);
    exit(&mut fleet, 11, 0);
    exit(&mut fleet, 12, 0);
    exit(&mut fleet, 21, 11);
    replace(&host, &mut fleet, 10, &[30]);
    let mended = [(20, Some(0)), (22, Some(2)), (30, Some(1))];
    assert_eq!(slots(&mut fleet), mended);
}

#[test]
fn an_upgrade_that_is_taken_back_gives_the_slots_back() {
    let host = Host::new();
    host.nginx(10);
    let mut fleet = scanned(&host, Selection::default());
    let old = [(11, Some(0)), (12, Some(1))];
    assert_eq!(slots(&mut fleet), old);
    signal(&mut fleet, 10, crate::signals::USR2);
    host.process(20, 10, "nginx", MASTER, 900);
    fork(&mut fleet, 10, 20);
    exec(&mut fleet, 20);
    host.process(21, 20, "nginx", WORKER, 900);
    fork(&mut fleet, 20, 21);
    assert_eq!(slots(&mut fleet), [(11, None), (12, None), (21, Some(0))]);
    signal(&mut fleet, 20, crate::signals::QUIT);
    assert_eq!(slots(&mut fleet), [old[0], old[1], (21, None)]);
}

#[test]
fn orphans_give_way_to_the_workers_of_a_new_master() {
    let host = Host::new();
    host.nginx(10);
    let mut fleet = scanned(&host, Selection::default());
    slots(&mut fleet);
    exit(&mut fleet, 10, 9);
    host.gone(10);
    assert_eq!(slots(&mut fleet), [(11, Some(0)), (12, Some(1))]);
    host.nginx(40);
    fleet.scan().expect("readable");
    let slots = slots(&mut fleet);
    assert_eq!(
        slots,
        [(11, None), (12, None), (41, Some(0)), (42, Some(1))]
    );
}

#[test]
fn instances_count_for_themselves() {
    let host = Host::new();
    host.nginx(10);
    host.nginx(30);
    host.container(30);
    let mut fleet = scanned(&host, Selection::default());
    let each = [(11, Some(0)), (12, Some(1)), (31, Some(0)), (32, Some(1))];
    assert_eq!(slots(&mut fleet), each);
}
