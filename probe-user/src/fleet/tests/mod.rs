//! Discovery and bookkeeping on a `/proc` that the test made: the fixtures.

use std::{fs, path::Path};

use nginx_probe_ebpf::connection::{BLANK_CONNECTION, Connection, role};
use nginx_probe_ebpf::record::{Exec, Exit, Fork, Header, Kind as RecordKind, Record};

use super::*;
use crate::facts::{MasterExit, Reason};

mod children;
mod discovery;
mod down;
mod events;
mod naming;
mod slots;
mod turnover;

const MASTER: &str = "nginx: master process /usr/sbin/nginx -c /etc/nginx.conf";
const DRAINING: &str = "nginx: worker process is shutting down";
/// What a master shows in `/proc/PID/syscall` while it waits for a signal.
const WAITS: &str = if cfg!(target_arch = "x86_64") {
    "130 0x7f"
} else {
    "133 0x7f"
};
const WORKER: &str = "nginx: worker process";

/// Which processes the kernel side would follow.
#[derive(Default)]
struct Tracked {
    pids: Vec<u32>,
    /// No record tells of anything.
    silent: bool,
    /// Connections that a process has.
    held: Option<(u32, Connection)>,
}

impl Track for Tracked {
    fn track(&mut self, pid: u32) {
        self.untrack(pid);
        self.pids.push(pid);
    }
    fn untrack(&mut self, pid: u32) {
        self.pids.retain(|other| *other != pid);
    }
    fn tells(&self) -> bool {
        !self.silent
    }
    fn take(&mut self, pid: u32) -> Option<Vec<Connection>> {
        let held = self.held.take_if(|(holder, _)| *holder == pid);
        held.map(|(_, connection)| vec![connection])
    }
}

struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self {
            folder: tempfile::tempdir().expect("temp folder"),
        };
        host.process(1, 0, "systemd", "/sbin/init", 1);
        host
    }

    fn path(&self, pid: u32) -> std::path::PathBuf {
        self.folder.path().join(pid.to_string())
    }

    /// `stack` is where the process's stack begins: a fork has its parent's.
    fn process(&self, pid: u32, parent: u32, comm: &str, title: &str, stack: u64) {
        let path = self.path(pid);
        fs::create_dir_all(&path).expect("folder");
        let rest = "0 ".repeat(24);
        let stat = format!(
            "{pid} ({comm}) S {parent} {}100 0 0 0 0 0 {stack} {rest}",
            "0 ".repeat(17)
        );
        fs::write(path.join("stat"), stat).expect("stat");
        fs::write(path.join("status"), format!("NSpid:\t{pid}\t7\n")).expect("status");
        self.title(pid, title);
        let root = path.join("root");
        if fs::symlink_metadata(&root).is_err() {
            std::os::unix::fs::symlink(self.files(), root).expect("link");
        }
    }

    fn title(&self, pid: u32, title: &str) {
        fs::write(self.path(pid).join("cmdline"), title.replace(' ', "\0")).expect("cmdline");
        // nginx's own titles hold real spaces; command lines do not.
        if title.starts_with("nginx: ") {
            fs::write(self.path(pid).join("cmdline"), title).expect("cmdline");
        }
    }

    /// What a process's `/proc/PID/syscall` shows.
    fn call(&self, pid: u32, call: &str) {
        fs::write(self.path(pid).join("syscall"), call).expect("written");
    }

    fn files(&self) -> std::path::PathBuf {
        let files = self.folder.path().join("files");
        fs::create_dir_all(files.join("etc")).expect("folder");
        let text = "pid /run/x.pid; events {} http { access_log off; }";
        let path = files.join("etc/nginx.conf");
        if !path.exists() {
            fs::write(path, text).expect("configuration");
        }
        files
    }

    /// Gives a process a root of its own, with the same files in it.
    fn container(&self, pid: u32) {
        let files = self.folder.path().join(format!("files{pid}"));
        fs::create_dir_all(files.join("etc")).expect("folder");
        fs::copy(
            self.files().join("etc/nginx.conf"),
            files.join("etc/nginx.conf"),
        )
        .expect("copied");
        let root = self.path(pid).join("root");
        fs::remove_file(&root).expect("removed");
        std::os::unix::fs::symlink(files, root).expect("link");
    }

    /// An nginx in a root of its own, whose control group has this path.
    fn nginx_in(&self, master: u32, group: &str) {
        self.nginx(master);
        self.put_in(master, group);
    }

    /// Gives a master a root of its own and a control group of this path.
    fn put_in(&self, master: u32, group: &str) {
        self.container(master);
        fs::write(self.path(master).join("cgroup"), format!("0::{group}\n")).expect("written");
    }

    /// Docker's state of a container.
    fn docker_calls(&self, id: &str, name: &str) {
        let state = self.files().join(format!("var/lib/docker/containers/{id}"));
        fs::create_dir_all(&state).expect("folder");
        let text = format!(r#"{{"Name":"/{name}"}}"#);
        fs::write(state.join("config.v2.json"), text).expect("written");
    }

    /// All processes of an nginx are gone, and nobody has told.
    fn lost(&self, master: u32) {
        for pid in master..master + 4 {
            self.gone(pid);
        }
    }

    fn gone(&self, pid: u32) {
        fs::remove_dir_all(self.path(pid)).expect("removed");
    }

    fn fleet(&self, selection: Selection) -> Fleet<Tracked> {
        let proc = Proc::at(self.folder.path());
        Fleet::new(
            proc,
            vec!["nginx".into()],
            selection,
            Tracked::default(),
            None,
        )
    }

    fn nginx(&self, master: u32) {
        self.process(master, 1, "nginx", MASTER, 500);
        self.process(master + 1, master, "nginx", WORKER, 500);
        self.process(master + 2, master, "nginx", WORKER, 500);
        self.process(
            master + 3,
            master,
            "nginx",
            "nginx: cache manager process",
            500,
        );
    }
}

/// What the instance of one master is called.
fn name_of(fleet: &Fleet<Tracked>, pid: u32) -> String {
    let mut masters = fleet.masters();
    let (_, name, _) = masters.find(|(master, ..)| *master == pid).expect("found");
    name.to_string()
}

fn scanned(host: &Host, selection: Selection) -> Fleet<Tracked> {
    let mut fleet = host.fleet(selection);
    fleet.scan().expect("readable");
    fleet
}

/// A running nginx, 10, with two workers and a cache manager, that the agent knows.
fn known() -> (Host, Fleet<Tracked>) {
    let host = Host::new();
    host.nginx(10);
    let mut fleet = scanned(&host, Selection::default());
    assert_eq!(told(&mut fleet).len(), 3);
    (host, fleet)
}

/// Workers that serve and that drain.
fn counts(fleet: &Fleet<Tracked>) -> (u32, u32) {
    let counts = fleet.counts()["/run/x.pid"];
    (counts.workers, counts.draining)
}

fn header(kind: RecordKind, pid: u32) -> Header {
    Header {
        kind: kind as u32,
        pid,
        time_ns: crate::clock::boot_ns_now(),
    }
}

fn fork(fleet: &mut Fleet<Tracked>, parent: u32, pid: u32) {
    forked(fleet, header(RecordKind::Fork, pid), parent);
}

fn forked(fleet: &mut Fleet<Tracked>, header: Header, parent: u32) {
    fleet.record(&Record::Fork(Fork {
        header,
        parent,
        padding: 0,
    }));
}

fn exec(fleet: &mut Fleet<Tracked>, pid: u32) {
    executed(fleet, header(RecordKind::Exec, pid), true);
}

fn executed(fleet: &mut Fleet<Tracked>, header: Header, watched: bool) {
    fleet.record(&Record::Exec(Exec {
        header,
        comm: [0; 16],
        watched: watched.into(),
        padding: 0,
    }));
}

fn exit(fleet: &mut Fleet<Tracked>, pid: u32, status: u32) {
    let header = header(RecordKind::Exit, pid);
    fleet.record(&Record::Exit(Exit {
        header,
        status,
        padding: 0,
    }));
}

/// A connection of a client that said nothing yet.
fn client() -> Connection {
    Connection {
        role: role::CLIENT,
        ..BLANK_CONNECTION
    }
}

fn hup(fleet: &mut Fleet<Tracked>, pid: u32) {
    signal(fleet, pid, crate::signals::HUP);
}

fn signal(fleet: &mut Fleet<Tracked>, pid: u32, signal: u32) {
    let header = header(RecordKind::Signal, pid);
    let signal = nginx_probe_ebpf::record::Signal {
        header,
        signal,
        code: 0,
        sender_pid: 1,
        sender_uid: 0,
        sender_comm: [0; 16],
    };
    fleet.record(&Record::Signal(signal));
}

/// What happened, in short: `start 11 worker 1`.
fn told(fleet: &mut Fleet<Tracked>) -> Vec<String> {
    let tell = |fact: Fact| match fact.event {
        Event::WorkerStart(start) => {
            format!(
                "start {} {} {}",
                start.pid,
                start.role.as_str(),
                start.generation
            )
        }
        Event::WorkerExit(exit) => {
            format!(
                "exit {} {} {}",
                exit.pid,
                exit.role.as_str(),
                exit.reason.as_str()
            )
        }
        Event::MasterExit(MasterExit { pid, orphans, .. }) => format!("gone {pid} {orphans}"),
        Event::Reload(reload) => format!("reload {:?} {}", reload.result, reload.generation),
        Event::Upgrade(upgrade) => {
            format!("upgrade {} {}", upgrade.old_master, upgrade.new_master)
        }
        Event::Down(down) => {
            let by = down.stop.map_or("nobody", |stop| stop.signal);
            format!("down {} {by} {:?}", down.master, down.reason)
        }
        Event::StartFailed(failed) => format!("failed {} {:?}", failed.pid, failed.task),
        Event::Orphans(found) => format!("orphans {} {:?}", found.workers, found.master),
        other => format!("{other:?}"),
    };
    let mut told: Vec<_> = fleet.take_facts().into_iter().map(tell).collect();
    told.sort();
    told
}
