//! Containers that come and go by the thousand: what is kept of them, and what is shown.

use std::time::Duration;

use super::*;
use crate::{agent::gone::Gone, clock::Time, correlator::Correlator, sinks::metrics::Metrics};

/// How long an incident stays open: longer than all containers of the test together live.
const QUIET: Duration = Duration::from_hours(1);

/// What the agent has of instances, without the kernel.
struct Watch {
    fleet: Fleet<Tracked>,
    correlator: Correlator,
    metrics: Metrics,
    gone: Gone,
}

/// How much there is of everything.
#[derive(Debug, PartialEq, Eq)]
struct Extent {
    series: usize,
    shown: usize,
    processes: usize,
    masters: usize,
    identified: usize,
    correlated: usize,
    tracked: usize,
}

impl Watch {
    fn new(host: &Host) -> Self {
        Self {
            fleet: scanned(host, Selection::default()),
            correlator: Correlator::new("host".into(), QUIET, false),
            metrics: Metrics::new(),
            gone: Gone::default(),
        }
    }

    fn extent(&self) -> Extent {
        let text = self.metrics.encode().expect("text");
        Extent {
            series: text.lines().filter(|line| line.contains("nginx=")).count(),
            shown: self.metrics.instances().len(),
            processes: self.fleet.processes.len(),
            masters: self.fleet.masters.len(),
            identified: self.fleet.identified.len(),
            correlated: self.correlator.kept_instances(),
            tracked: self.fleet.kernel().pids.len(),
        }
    }

    fn fact(&mut self, fact: Fact) {
        self.metrics.fact(&fact);
        for record in self.correlator.fact(fact) {
            self.metrics.record(&record);
        }
    }

    /// Hands on what the fleet has seen.
    fn hand_on(&mut self) {
        for fact in self.fleet.take_facts() {
            self.fact(fact);
        }
        for (instance, counts) in self.fleet.counts() {
            self.metrics.set_workers(&instance, counts);
        }
    }

    /// Forgets what is gone for long enough, as the agent does.
    fn forget_old(&mut self, now: Time, busy: bool) {
        for instance in self.gone.take_old(now, |_| busy) {
            self.fleet.forget_instance(&instance);
            self.fact(Fact {
                time: now,
                instance: instance.clone(),
                event: Event::Forgotten,
            });
            self.metrics.forget(&instance);
        }
    }

    /// A container comes, a worker of its nginx crashes, and it goes.
    fn turn(&mut self, host: &Host, number: u32, now: Time) {
        let master = 100 + number * 10;
        let (short, rest) = (format!("{number:012x}"), "0".repeat(52));
        host.process(master, 1, "nginx", MASTER, 500);
        host.process(master + 1, master, "nginx", WORKER, 500);
        host.put_in(master, &format!("/docker/{short}{rest}"));
        self.fleet.scan().expect("readable");
        let instance: Instance = name_of(&self.fleet, master).into();
        assert_eq!(*instance, *format!("{short}/run/x.pid"));
        self.hand_on();
        exit(&mut self.fleet, master + 1, 11);
        exit(&mut self.fleet, master, 9);
        for pid in [master, master + 1] {
            // The kernel half does so by itself when a process ends.
            self.fleet.kernel_mut().untrack(pid);
            host.gone(pid);
        }
        fs::remove_dir_all(host.folder.path().join(format!("files{master}"))).expect("removed");
        self.hand_on();
        assert!(self.correlator.has_open(&instance));
        self.gone.add(instance, now);
    }
}

#[test]
fn two_thousand_containers_that_come_and_go_leave_nothing_behind() {
    let host = Host::new();
    host.nginx(10);
    let mut watch = Watch::new(&host);
    watch.hand_on();
    let before = watch.extent();
    let mut most = 0;
    for number in 0..2_000 {
        let now = Time(u64::from(number) * 100_000);
        watch.turn(&host, number, now);
        watch.forget_old(now, true);
        most = most.max(watch.metrics.instances().len());
    }
    // Those that are gone and have an incident, and the one that stays.
    assert_eq!(most, 129);
    watch.forget_old(Time(u64::MAX), false);
    assert_eq!(watch.extent(), before);
}
