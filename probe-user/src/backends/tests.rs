//! From addresses to processes on a made-up `/proc`, and from there to what is followed and told.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    os::unix::fs::symlink,
    path::Path,
};

use nginx_probe_ebpf::{
    record::{self, Header, Kind, Record},
    tracking,
};

use super::{pass::listeners, scan::groups, *};
use crate::{
    clock::Time,
    facts::{Event, Memory},
    listen_queue::{Listening, SocketFile},
    proc::Proc,
};

const NGINX: &str = "/run/nginx.pid";

/// A process: id, parent, name, program, sockets.
type Row<'a> = (u32, u32, &'a str, &'a str, &'a [u64]);

fn made_up(rows: &[Row<'_>]) -> (tempfile::TempDir, Proc) {
    let folder = tempfile::tempdir().expect("temp folder");
    for (pid, parent, comm, program, sockets) in rows {
        let process = folder.path().join(pid.to_string());
        fs::create_dir_all(process.join("fd")).expect("folder");
        let fields = "1 ".repeat(48);
        let stat = format!("{pid} ({comm}) S {parent} {fields}");
        fs::write(process.join("stat"), stat).expect("stat");
        let file = folder.path().join(program);
        fs::write(&file, program).expect("program");
        symlink(file, process.join("exe")).expect("exe");
        for (number, inode) in sockets.iter().enumerate() {
            let to = format!("socket:[{inode}]");
            symlink(to, process.join("fd").join(number.to_string())).expect("fd");
        }
    }
    let proc = Proc::at(folder.path());
    (folder, proc)
}

fn tcp(text: &str) -> Address {
    Address::Tcp(text.parse().expect("an address"))
}

fn wanted(inodes: &[(u64, &str)]) -> BTreeMap<u64, BTreeSet<(Instance, Address)>> {
    let serves = |address: &str| BTreeSet::from([(NGINX.into(), tcp(address))]);
    let all = inodes.iter();
    all.map(|(inode, address)| (*inode, serves(address)))
        .collect()
}

fn found(rows: &[Row<'_>], inodes: &[(u64, &str)]) -> Vec<(String, Vec<u32>)> {
    let (_folder, proc) = made_up(rows);
    let (groups, left_out) =
        groups(&proc, &wanted(inodes), &["nginx".to_owned()]).expect("readable");
    assert_eq!(left_out, 0);
    let pids = |group: &Group| group.members.iter().map(|one| one.pid).collect();
    groups
        .iter()
        .map(|group| (group.name.clone(), pids(group)))
        .collect()
}

#[test]
fn a_program_is_whoever_listens_and_its_like() {
    let rows: &[Row<'_>] = &[
        (1, 0, "systemd", "systemd", &[7]),
        (900, 1, "systemd", "systemd", &[7]),
        // A pool whose children share the socket, and what one of them runs.
        (20, 1, "php-fpm8.2", "php", &[7, 99]),
        (10, 20, "php-fpm8.2", "php", &[7]),
        (30, 20, "php-fpm8.2", "php", &[7]),
        (31, 30, "convert", "convert", &[]),
        // Workers that the first hands connections to, by another name.
        (40, 1, "node", "node", &[8]),
        (41, 40, "node", "node", &[]),
        (42, 40, "sh", "sh", &[]),
        (43, 41, "node", "node", &[55]),
        // nginx itself, and somebody who listens elsewhere and starts who listens here.
        (50, 1, "nginx", "nginx", &[9]),
        (60, 1, "supervisor", "python", &[10]),
        (61, 60, "gunicorn", "python", &[11]),
    ];
    let inodes = &[
        (7, "127.0.0.1:9000"),
        (8, "127.0.0.1:3000"),
        (9, "127.0.0.1:80"),
        (10, "127.0.0.1:9001"),
        (11, "127.0.0.1:8000"),
    ];
    assert_eq!(
        found(rows, inodes),
        [
            ("php-fpm8.2".to_owned(), vec![20, 10, 30]),
            ("node".to_owned(), vec![40, 41, 43]),
            ("supervisor".to_owned(), vec![60]),
            ("gunicorn".to_owned(), vec![61]),
        ]
    );
}

#[test]
fn hostile_processes_are_bounded_and_escaped() {
    // A line of parents that leads back to itself.
    let rows: &[Row<'_>] = &[(2, 3, "a\n\x1b", "a", &[7]), (3, 2, "b", "a", &[])];
    assert_eq!(
        found(rows, &[(7, "127.0.0.1:1")]),
        [("a\\n\\x1b".to_owned(), vec![2, 3])]
    );
    let many: Vec<Row<'_>> = (0..600).map(|n| (n + 2, 1, "x", "x", &[7][..])).collect();
    let (_folder, proc) = made_up(&many);
    let (groups, left_out) = groups(&proc, &wanted(&[(7, "[::1]:1")]), &[]).expect("readable");
    let taken: usize = groups.iter().map(|group| group.members.len()).sum();
    assert_eq!((taken, left_out), (MAX_PROCESSES, 600 - MAX_PROCESSES));
}

#[test]
fn an_address_is_the_socket_that_takes_its_connections() {
    let socket = |inode, name: &str, file: Option<u32>| Listening {
        inode,
        name: name.to_owned(),
        length: 0,
        limit: 0,
        drops: None,
        file: file.map(|inode| SocketFile { inode, device: 1 }),
    };
    let sockets = [
        socket(1, "127.0.0.1:80", None),
        socket(2, "0.0.0.0:80", None),
        socket(3, "[::]:81", None),
        socket(4, "unix:/run/php.sock", Some(77)),
        socket(5, "unix:@abstract", None),
        socket(6, "127.0.0.1:80", None),
    ];
    let local: BTreeSet<_> = ["127.0.0.1", "10.0.0.1", "::1"]
        .map(|ip| ip.parse().expect("an address"))
        .into();
    let of = |address: &Address| {
        // The configuration names it by a link.
        let file = |path: &str| (path == "/var/run/php.sock").then_some(77);
        let file = |path: &str| file(path).map(|inode| SocketFile { inode, device: 1 });
        listeners(address, &sockets, &local, file)
    };
    for (address, inodes) in [
        ("127.0.0.1:80", &[1, 6][..]),
        ("10.0.0.1:80", &[2]),
        ("10.0.0.1:81", &[3]),
        ("[::1]:81", &[3]),
        ("[::1]:80", &[]),
        ("10.0.0.2:80", &[]), // another host's
    ] {
        assert_eq!(of(&tcp(address)), inodes, "{address}");
    }
    for (path, inodes) in [
        ("/var/run/php.sock", &[4][..]),
        ("/run/php.sock", &[4]),
        ("@abstract", &[5]),
        ("/run/none", &[]),
    ] {
        assert_eq!(of(&Address::Unix(path.into())), inodes, "{path}");
    }
}

#[test]
fn answers_call_an_address_what_we_call_it() {
    let long = format!("/run/{}.sock", "x".repeat(60));
    for path in ["/run/a b", "/run/\x1b[31m", &long] {
        let mut bytes = 1u16.to_ne_bytes().to_vec();
        bytes.extend(path.bytes());
        bytes.resize(nginx_probe_ebpf::connection::ADDRESS_LEN, 0);
        let told = crate::requests::address(&bytes).expect("a path");
        assert_eq!(*Address::Unix(path.into()).key(), *told);
    }
    let plain = Address::Unix("/run/a".into());
    assert_eq!(Address::of_answer("unix:/run/a"), Some(plain));
    assert_eq!(Address::of_answer("unix:/run/\\x1b"), None);
    assert_eq!(
        Address::of_answer("127.0.0.1:80"),
        Some(tcp("127.0.0.1:80"))
    );
    assert_eq!(Address::of_answer("nonsense"), None);
}

#[derive(Default)]
struct Followed(HashMap<u32, u32>);

impl Track for Followed {
    fn track(&mut self, pid: u32, group: u32) -> bool {
        self.0.insert(pid, group);
        self.0.len() <= 8
    }

    fn untrack(&mut self, pid: u32) {
        self.0.remove(&pid);
    }
}

fn ended(pid: u32, status: u32, group: u32) -> Record<'static> {
    Record::BackendExit(record::BackendExit {
        header: Header {
            kind: Kind::BackendExit as u32,
            pid,
            time_ns: 1,
        },
        status,
        member: tracking::found(group),
    })
}

fn look(table: &mut Table, kernel: &mut Followed, root: &Path) -> table::Found {
    let proc = Proc::at(root);
    let (groups, _) = groups(&proc, &wanted(&[(7, "127.0.0.1:1")]), &[]).expect("readable");
    table.found(groups, kernel, Time(5))
}

#[test]
fn what_is_found_is_followed_and_its_end_told() {
    let (folder, _) = made_up(&[(20, 1, "php", "php", &[7]), (21, 20, "php", "php", &[7])]);
    let (mut table, mut kernel) = (Table::new(folder.path()), Followed::default());
    assert_eq!(look(&mut table, &mut kernel, folder.path()).new, 2);
    assert_eq!(look(&mut table, &mut kernel, folder.path()).new, 0);
    assert_eq!(
        kernel.0.keys().collect::<BTreeSet<_>>(),
        [20, 21].iter().collect()
    );
    let group = kernel.0[&20];
    let serves = |facts: &[crate::facts::Fact]| {
        let serves = |event: &Event| matches!(event, Event::BackendServes(_));
        facts.iter().filter(|fact| serves(&fact.event)).count()
    };
    assert_eq!(serves(&table.take_facts()), 1);

    // A child that ends gracefully is told of to nobody, one that nobody has found to everybody.
    let none = |_| -> Option<Memory> { None };
    table.record(&ended(21, 0, group), none);
    assert!(table.take_facts().is_empty());
    table.record(&ended(33, 11, group), none);
    let told = table.take_facts();
    let [Event::BackendExit(exit)] = told.iter().map(|fact| &fact.event).collect::<Vec<_>>()[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((exit.reason, exit.leader), (Reason::Crash, false));
    assert_eq!(exit.address, "127.0.0.1:1");

    // When its first process has ended, it has to be seen to listen again.
    table.record(&ended(20, 0, group), none);
    assert_eq!(table.take_facts().len(), 1);
    fs::remove_dir_all(folder.path().join("20")).expect("gone");
    look(&mut table, &mut kernel, folder.path());
    assert_eq!(serves(&table.take_facts()), 1);
    assert_eq!(table.counts().values().sum::<usize>(), 1);
    // Of a group that is not known any more nothing is told.
    table.record(&ended(22, 9, group), none);
    assert!(table.take_facts().is_empty());
}

#[test]
fn what_is_gone_or_has_no_room_is_not_followed() {
    let rows: Vec<Row<'_>> = (2..14).map(|pid| (pid, 1, "x", "x", &[7][..])).collect();
    let (folder, _) = made_up(&rows);
    let (mut table, mut kernel) = (Table::new(folder.path()), Followed::default());
    let found = look(&mut table, &mut kernel, folder.path());
    assert_eq!((found.new, found.without_room), (8, 4));
    table.found(Vec::new(), &mut kernel, Time(6));
    assert!(table.counts().is_empty());
}
