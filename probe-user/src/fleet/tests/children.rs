//! What `/proc` alone tells of births, deaths and reloads.

use super::*;
use crate::fleet::children::LIST_NS;

/// An nginx of a master, 10, two workers, 11 and 12, and a cache manager, 13, that was running
/// before the agent, and what the agent knows of it.
struct Scene {
    host: Host,
    fleet: Fleet<Tracked>,
    now_ns: u64,
}

impl Scene {
    fn new() -> Self {
        let host = Host::new();
        host.nginx(10);
        let proc = Proc::at(host.folder.path());
        let silent = Tracked {
            silent: true,
            ..Tracked::default()
        };
        let names = vec!["nginx".into()];
        let mut fleet = Fleet::new(proc, names, Selection::default(), silent, None);
        fleet.scan().expect("readable");
        let mut scene = Self {
            host,
            fleet,
            now_ns: crate::clock::boot_ns_now(),
        };
        scene.host.call(10, WAITS);
        assert_eq!(scene.settle().len(), 3);
        scene
    }

    /// Lists the children that are there now.
    fn settle(&mut self) -> Vec<String> {
        let children: Vec<_> = (11..100)
            .filter(|pid| self.host.path(*pid).exists())
            .map(|pid| pid.to_string())
            .collect();
        let folder = self.host.path(10).join("task/10");
        fs::create_dir_all(&folder).expect("folder");
        fs::write(folder.join("children"), children.join(" ")).expect("written");
        self.now_ns += LIST_NS;
        self.fleet.settle(self.now_ns);
        told(&mut self.fleet)
    }

    fn born(&self, pid: u32) {
        self.host.process(pid, 10, "nginx", WORKER, 500);
    }

    fn configure(&self, text: &str) {
        let text = format!("pid /run/x.pid; {text}");
        fs::write(self.host.files().join("etc/nginx.conf"), text).expect("written");
    }

    /// Connections of a worker by the configuration that was read last.
    fn connections(&self) -> u32 {
        let master = self.fleet.masters().next().expect("a master");
        master
            .2
            .expect("a configuration")
            .settings
            .worker_connections
    }
}

#[test]
fn workers_beside_all_old_ones_are_a_reload() {
    let mut scene = Scene::new();
    scene.configure("events { worker_connections 77; }");
    for pid in [15, 16] {
        scene.born(pid);
        scene.host.title(pid, MASTER);
    }
    assert_eq!(scene.settle(), [""; 0], "they have not said what they are");
    for pid in [15, 16] {
        scene.host.title(pid, WORKER);
    }
    for pid in [11, 12] {
        scene.host.title(pid, DRAINING);
    }
    assert_eq!(
        scene.settle(),
        ["reload Ok 2", "start 15 worker 2", "start 16 worker 2"]
    );
    assert_eq!(scene.connections(), 77);
    scene.host.call(10, "running");
    assert_eq!(scene.settle(), [""; 0]);
    assert_eq!(counts(&scene.fleet), (2, 2));
    // The last forks of the same reload are none of their own.
    scene.host.gone(11);
    scene.born(17);
    assert_eq!(scene.settle(), ["start 17 worker 2"]);
    scene.host.gone(12);
    scene.host.call(10, WAITS);
    assert_eq!(scene.settle(), [""; 0]);
    assert_eq!(counts(&scene.fleet), (3, 0));
    scene.born(18);
    assert_eq!(scene.settle(), ["reload Ok 3", "start 18 worker 3"]);
}

#[test]
fn what_may_stand_for_a_dead_worker_is_no_reload() {
    let mut scene = Scene::new();
    scene.configure("events { worker_connections 77; }");
    scene.host.gone(11);
    scene.born(15);
    assert_eq!(scene.settle(), ["start 15 worker 1"]);
    scene.host.gone(12);
    assert_eq!(scene.settle(), [""; 0]);
    assert_eq!(counts(&scene.fleet), (1, 0));
    scene.host.call(10, "running");
    scene.now_ns += 10_000_000_000;
    assert_eq!(scene.settle(), [""; 0], "its master has something to do");
    scene.born(16);
    assert_eq!(scene.settle(), ["start 16 worker 1"]);
    assert_eq!(scene.connections(), 512);
    assert_eq!(counts(&scene.fleet), (2, 0));
}

#[test]
fn one_death_hides_no_reload() {
    let mut scene = Scene::new();
    scene.host.gone(11);
    scene.born(15);
    scene.born(16);
    let told = scene.settle();
    assert!(told.contains(&"reload Ok 2".to_owned()), "{told:?}");
    scene.host.title(12, DRAINING);
    scene.settle();
    assert_eq!(counts(&scene.fleet), (2, 1));
    let slots = scene.fleet.workers().filter_map(|worker| worker.slot);
    assert_eq!(slots.count(), 2, "both are of the new configuration");
}

#[test]
fn a_worker_that_was_told_to_end_is_replaced_and_not_reloaded() {
    let mut scene = Scene::new();
    scene.host.title(11, DRAINING);
    scene.fleet.look_again().expect("readable");
    assert_eq!(counts(&scene.fleet), (1, 1));
    scene.host.gone(11);
    scene.born(15);
    assert_eq!(scene.settle(), ["start 15 worker 1"]);
    assert_eq!(counts(&scene.fleet), (2, 0));
}

#[test]
fn the_configuration_is_read_again_when_every_worker_is_new() {
    let mut scene = Scene::new();
    scene.configure("events { worker_connections 77; }");
    for (old, new) in [(11, 15), (12, 16)] {
        scene.host.gone(old);
        scene.born(new);
        let path = scene.host.path(new).join("stat");
        let stat = fs::read_to_string(&path).expect("read");
        fs::write(&path, stat.replace(" 100 0 0", " 99999999999 0 0")).expect("written");
    }
    assert_eq!(
        scene.settle(),
        ["start 15 worker 1", "start 16 worker 1"],
        "nobody can tell whether it was a reload"
    );
    assert_eq!(scene.connections(), 512);
    scene.fleet.look_again().expect("readable");
    assert_eq!(scene.connections(), 77);
    assert_eq!(told(&mut scene.fleet), [""; 0]);
}

#[test]
fn workers_of_a_master_that_is_still_starting_are_no_reload() {
    let mut scene = Scene::new();
    scene.host.process(50, 1, "nginx", MASTER, 700);
    scene.fleet.look_again().expect("readable");
    scene.settle();
    scene.host.process(51, 50, "nginx", WORKER, 700);
    scene.fleet.look_again().expect("readable");
    scene.host.process(52, 50, "nginx", WORKER, 700);
    scene.fleet.look_again().expect("readable");
    let told = told(&mut scene.fleet);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|it| it.starts_with("start")), "{told:?}");
}

#[test]
fn a_fork_that_runs_a_new_binary_is_an_upgrade() {
    let mut scene = Scene::new();
    scene.host.process(50, 10, "nginx", MASTER, 500);
    assert_eq!(scene.settle(), [""; 0]);
    scene.host.process(50, 10, "nginx", MASTER, 700);
    assert_eq!(scene.settle(), ["upgrade 10 50"]);
}
