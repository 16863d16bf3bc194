//! Slots whose processes change, on a `/proc` that the test made.

use std::fs;

use super::*;

struct Host(tempfile::TempDir);

impl Host {
    fn process(&self, pid: u32, born: u64, ticks: u64, state: char) {
        let folder = self.0.path().join(pid.to_string());
        fs::create_dir_all(folder.join("fd")).expect("folder");
        let stat = format!(
            "{pid} (nginx) {state} 1 0 0 0 0 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {born} 0 9 0\n"
        );
        fs::write(folder.join("stat"), stat).expect("stat");
        fs::write(folder.join("fd/0"), "").expect("descriptor");
        self.limit(pid, "512");
    }

    fn limit(&self, pid: u32, soft: &str) {
        let text = format!("Max open files   {soft}   4096   files\n");
        fs::write(self.0.path().join(pid.to_string()).join("limits"), text).expect("limits");
    }

    fn gone(&self, pid: u32) {
        fs::remove_dir_all(self.0.path().join(pid.to_string())).expect("removed");
    }
}

fn host() -> (Host, Processes) {
    let host = Host(tempfile::tempdir().expect("temp folder"));
    let processes = Processes::new(host.0.path());
    (host, processes)
}

fn worker(pid: u32, slot: Option<u32>) -> Subject {
    Subject {
        pid,
        instance: "x".into(),
        slot,
        max_connections: Some(7),
    }
}

/// Each slot with its hundredths of a second, as text.
fn cpu(series: &[Series]) -> Vec<(u32, String)> {
    let show = |series: &Series| (series.slot, format!("{:.2}", series.cpu_seconds));
    series.iter().map(show).collect()
}

#[test]
fn the_time_of_a_slot_only_grows() {
    let (host, mut all) = host();
    host.process(5, 100, 250, 'S');
    let of = |pid| [worker(pid, Some(0))];
    assert_eq!(cpu(&all.sample(&of(5), |_| Some(1))), [(0, "2.50".into())]);
    host.process(5, 100, 300, 'S');
    let series = all.sample(&of(5), |_| Some(1));
    assert_eq!(cpu(&series), [(0, "3.00".into())]);
    let held = series[0].held.expect("a worker");
    // A made folder has a size of its own: the number is tested on real processes.
    assert!(held.open_fds.is_some());
    assert_eq!((held.max_fds, held.max_connections), (Some(512), Some(7)));
    host.gone(5);
    let empty = all.sample(&of(5), |_| Some(1));
    assert_eq!(cpu(&empty), [(0, "3.00".into())]);
    assert_eq!(empty[0].held, None);
    host.process(6, 200, 40, 'S');
    assert_eq!(cpu(&all.sample(&of(6), |_| Some(1))), [(0, "3.40".into())]);
    // The same process id, another process.
    host.process(6, 300, 10, 'S');
    assert_eq!(cpu(&all.sample(&of(6), |_| Some(1))), [(0, "3.50".into())]);
}

#[test]
fn a_worker_that_gets_a_slot_again_counts_once() {
    let (host, mut all) = host();
    host.process(5, 100, 100, 'S');
    all.sample(&[worker(5, Some(0))], |_| Some(1));
    host.process(5, 100, 150, 'S');
    all.sample(&[worker(5, None)], |_| Some(1));
    host.process(5, 100, 170, 'S');
    let series = all.sample(&[worker(5, Some(0))], |_| Some(1));
    assert_eq!(
        cpu(&series),
        [(0, "1.20".into())],
        "what it drained is lost"
    );
}

#[test]
fn slots_that_nobody_asks_for_go_away() {
    let (host, mut all) = host();
    for pid in [5, 6, 7] {
        host.process(pid, 100, 100, 'S');
    }
    let three = [5, 6, 7].map(|pid| worker(pid, Some(pid - 5)));
    assert_eq!(all.sample(&three, |_| Some(3)).len(), 3);
    assert_eq!(all.sample(&three[..1], |_| Some(2)).len(), 2);
    for _ in 0..40 {
        all.sample(&three[..1], |_| Some(2));
    }
    assert_eq!(
        all.sample(&three[..1], |_| Some(2)).len(),
        1,
        "not for good"
    );
    assert_eq!(all.sample(&[], |_| None).len(), 0);
}

#[test]
fn what_a_process_used_is_known_after_its_end_for_a_while() {
    let (host, mut all) = host();
    host.process(5, 100, 100, 'S');
    all.sample(&[worker(5, None)], |_| None);
    host.gone(5);
    all.sample(&[worker(5, None)], |_| None);
    assert_eq!(all.last(5).map(|last| last.max_fds), Some(Some(512)));
    for _ in 0..KEEP_PASSES {
        all.sample(&[], |_| None);
    }
    assert_eq!(all.last(5), None);
}

#[test]
fn limits_are_read_rarely_and_stuck_passes_counted() {
    let (host, mut all) = host();
    host.process(5, 100, 100, 'D');
    let subjects = [worker(5, Some(0))];
    let look = |all: &mut Processes| {
        all.sample(&subjects, |_| None);
        all.last(5).copied().expect("there")
    };
    assert_eq!(look(&mut all).stuck_passes, 1);
    host.limit(5, "64");
    let second = look(&mut all);
    assert_eq!((second.max_fds, second.stuck_passes), (Some(512), 2));
    for _ in 0..PASSES_PER_LIMIT {
        look(&mut all);
    }
    host.process(5, 100, 100, 'S');
    let last = look(&mut all);
    assert_eq!((last.max_fds, last.stuck_passes), (Some(64), 0));
}
