//! What instances are called, over restarts and beside others of the same name.

use std::collections::BTreeSet;

use super::*;

/// What every instance is called.
fn names(fleet: &Fleet<Tracked>) -> BTreeSet<String> {
    let names = fleet.masters().map(|(_, name, _)| name.to_string());
    names.collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn two_of_one_path_are_told_apart_by_their_roots() {
    let host = Host::new();
    host.nginx(10);
    host.nginx(20);
    host.container(20);
    let fleet = scanned(&host, Selection::default());
    let elsewhere = host.folder.path().join("files20/run/x.pid");
    let elsewhere = elsewhere.display().to_string();
    assert_eq!(names(&fleet), set(&["/run/x.pid", &elsewhere]));
}

#[test]
fn a_successor_in_the_same_place_goes_on_with_the_name() {
    let host = Host::new();
    host.nginx(10);
    host.nginx(20);
    let fleet = scanned(&host, Selection::default());
    assert_eq!(names(&fleet), set(&["/run/x.pid"]));
}

#[test]
fn a_container_keeps_its_name_over_a_restart() {
    let host = Host::new();
    let id = "a".repeat(64);
    let group = format!("/system.slice/docker-{id}.scope");
    host.docker_calls(&id, "web");
    host.nginx_in(10, &group);
    host.nginx_in(20, &format!("/docker/{}", "b".repeat(64)));
    let mut fleet = scanned(&host, Selection::default());
    let expected = set(&["bbbbbbbbbbbb/run/x.pid", "web/run/x.pid"]);
    assert_eq!(names(&fleet), expected);
    let facts = fleet.take_facts();
    let told = facts
        .iter()
        .filter(|fact| matches!(fact.event, Event::Identity(_)));
    assert_eq!(told.count(), 2);
    // Its end was not told of: the name is free all the same.
    host.lost(10);
    host.nginx_in(30, &group);
    fleet.scan().expect("readable");
    assert_eq!(name_of(&fleet, 30), "web/run/x.pid");
    // One that was made anew under its old name has another id.
    host.lost(30);
    let id = "c".repeat(64);
    host.docker_calls(&id, "web");
    host.nginx_in(40, &format!("/system.slice/docker-{id}.scope"));
    fleet.scan().expect("readable");
    assert_eq!(name_of(&fleet, 40), "web/run/x.pid");
}

#[test]
fn two_containers_of_one_name_are_told_apart_by_their_ids_for_good() {
    let host = Host::new();
    let ids = ["a".repeat(64), "b".repeat(64)];
    let [one, other] = ids.each_ref().map(|id| format!("/docker/{id}"));
    for id in &ids {
        host.docker_calls(id, "web");
    }
    host.nginx_in(10, &one);
    let mut fleet = scanned(&host, Selection::default());
    assert_eq!(name_of(&fleet, 10), "web/run/x.pid");
    host.nginx_in(20, &other);
    fleet.scan().expect("readable");
    assert_eq!(name_of(&fleet, 20), "web/run/x.pid#bbbbbbbbbbbb");
    // Both end, and the second is back before the first.
    host.lost(10);
    host.lost(20);
    host.nginx_in(30, &other);
    fleet.scan().expect("readable");
    assert_eq!(name_of(&fleet, 30), "web/run/x.pid#bbbbbbbbbbbb");
    host.nginx_in(40, &one);
    fleet.scan().expect("readable");
    assert_eq!(name_of(&fleet, 40), "web/run/x.pid");
    // A second root in a container, with the same pid file in it.
    host.nginx_in(50, &other);
    fleet.scan().expect("readable");
    assert_eq!(name_of(&fleet, 50), "web/run/x.pid#bbbbbbbbbbbb-2");
}

#[test]
fn one_that_cannot_be_read_goes_by_its_unit_or_program() {
    let host = Host::new();
    for (pid, unit) in [(10, "0::/system.slice/nginx.service\n"), (20, "0::/\n")] {
        host.process(pid, 1, "nginx", MASTER, 500);
        fs::remove_file(host.path(pid).join("root")).expect("removed");
        fs::write(host.path(pid).join("cgroup"), unit).expect("written");
    }
    let fleet = scanned(&host, Selection::default());
    let expected = ["/usr/sbin/nginx -c /etc/nginx.conf", "nginx.service"];
    assert_eq!(names(&fleet), set(&expected));
}

/// Whoever may run programs may have any title; the name of the real one, alive or gone, stays its own.
#[test]
fn a_stranger_has_not_the_name_of_the_real_one() {
    if !rustix::process::geteuid().is_root() {
        return; // only root may give files away
    }
    let stranger = |host: &Host, pid: u32| {
        host.process(pid, 1, "nginx", MASTER, 900);
        std::os::unix::fs::chown(host.path(pid), Some(1000), None).expect("given away");
    };
    for real_is_gone in [false, true] {
        let (host, mut fleet) = known();
        if real_is_gone {
            signal(&mut fleet, 10, crate::signals::QUIT);
            for pid in [11, 12, 13, 10] {
                exit(&mut fleet, pid, 0);
                host.gone(pid);
            }
        }
        stranger(&host, 70);
        fleet.scan().expect("readable");
        told(&mut fleet);
        assert!(
            names(&fleet).contains("/run/x.pid#2"),
            "{:?}",
            names(&fleet)
        );
        exit(&mut fleet, 70, 9);
        let facts = fleet.take_facts();
        assert!(!facts.is_empty());
        assert!(
            facts.iter().all(|fact| &*fact.instance == "/run/x.pid#2"),
            "{facts:?}"
        );
    }
}
