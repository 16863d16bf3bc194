//! Deaths and answers in every order.

use super::*;
use crate::{
    correlator::Failed,
    facts::{Event, Fact, Sender},
    records::Record,
    requests::{Answer, Attempt, End},
};

const START: Time = Time(1_700_000_000_000_000);
const SOCKET: &str = "unix:/run/php.sock";

fn at(milliseconds: u64) -> Time {
    START.plus(Duration::from_millis(milliseconds))
}

fn fact(milliseconds: u64, event: Event) -> Fact {
    Fact {
        time: at(milliseconds),
        instance: "/run/nginx.pid".into(),
        event,
    }
}

fn answer(milliseconds: u64, upstream: &str, end: End) -> Fact {
    let answer = Answer {
        pid: 7,
        status: Some(502),
        attempts: vec![Attempt::Ended(end)],
        upstream: Some(upstream.to_owned()),
        made: Some(502),
        ..Answer::default()
    };
    fact(milliseconds, Event::Answer(Box::new(answer)))
}

fn closed(milliseconds: u64) -> Fact {
    answer(milliseconds, SOCKET, End::Closed)
}

fn refused(milliseconds: u64) -> Fact {
    answer(milliseconds, SOCKET, End::Error("ECONNREFUSED"))
}

fn serves(milliseconds: u64) -> Fact {
    let key = SOCKET.into();
    fact(milliseconds, Event::BackendServes(BackendServes { key }))
}

fn exit(milliseconds: u64, reason: Reason, leader: bool) -> Fact {
    let exit = BackendExit {
        pid: 9,
        backend: "php-fpm8.2".to_owned(),
        address: SOCKET.to_owned(),
        reason,
        signal: (reason == Reason::Killed).then_some("SIGKILL"),
        exit_code: (reason == Reason::Graceful).then_some(0),
        core_dumped: false,
        sender: (reason == Reason::Killed).then(|| Sender {
            pid: 3,
            uid: 0,
            comm: "kill".to_owned(),
        }),
        memory: None,
        crash: None,
        omitted: 0,
        keys: vec![SOCKET.into()],
        leader,
    };
    fact(milliseconds, Event::BackendExit(Box::new(exit)))
}

struct Run {
    correlator: Correlator,
    records: Vec<Record>,
}

impl Run {
    fn of(facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut correlator = Correlator::new("host".into(), Duration::from_mins(1), false);
        let mut records = Vec::new();
        for fact in facts {
            records.extend(correlator.fact(fact));
        }
        Self {
            correlator,
            records,
        }
    }

    fn tick(mut self, milliseconds: u64) -> Self {
        self.records.extend(self.correlator.tick(at(milliseconds)));
        self
    }

    fn causes(&mut self) -> Vec<Cause> {
        let failures = self.correlator.take_failures().into_iter();
        failures
            .flat_map(|Failed { cause, count, .. }| (0..count).map(move |_| cause))
            .collect()
    }

    fn kinds(&self) -> Vec<String> {
        let records = self.records.iter().map(|record| {
            let json = serde_json::to_value(record).expect("a record is JSON");
            json["type"].as_str().unwrap_or_default().to_owned()
        });
        records.collect()
    }
}

#[test]
fn a_death_explains_what_fails_just_after_it() {
    let mut run = Run::of([serves(0), exit(1_000, Reason::Killed, false), closed(1_002)]);
    assert_eq!(run.causes(), [Cause::BackendCrash]);
    assert_eq!(run.kinds(), ["backend_exit", "incident"]);
    let text = run.records[1].to_json_line().expect("JSON");
    let death = "php-fpm8.2 behind unix:/run/php.sock was killed: SIGKILL from kill (uid 0)";
    assert!(
        text.contains(&format!("1 failed response: {death}")),
        "{text}"
    );
    assert!(run.correlator.backends.is_idle());
}

#[test]
fn a_death_that_is_told_late_explains_it_too() {
    for death in [1_000, 1_004, 1_090] {
        let mut run = Run::of([serves(0), closed(1_002)]);
        assert_eq!((run.causes(), run.records.len()), (vec![], 0));
        assert!(!run.correlator.is_idle());
        run = run.tick(1_100);
        run.records
            .extend(run.correlator.fact(exit(death, Reason::Crash, false)));
        assert_eq!(run.causes(), [Cause::BackendCrash], "{death}");
    }
}

#[test]
fn without_a_death_the_upstream_has_closed() {
    let mut run = Run::of([serves(0), closed(1_000)]).tick(1_101);
    assert_eq!(run.causes(), [Cause::UpstreamClosed]);
    assert!(run.correlator.backends.is_idle());
    // One long before, one long after, a graceful one, one of nobody that is known.
    let mut run = Run::of([serves(0), exit(0, Reason::Killed, false), closed(501)]).tick(650);
    assert_eq!(run.causes(), [Cause::UpstreamClosed]);
    let mut run = Run::of([serves(0), closed(0), exit(101, Reason::Killed, false)]);
    assert_eq!(run.causes(), [Cause::UpstreamClosed]);
    let mut run = Run::of([serves(0), exit(1, Reason::Graceful, false), closed(2)]).tick(150);
    assert_eq!(run.causes(), [Cause::UpstreamClosed]);
    let mut run = Run::of([
        serves(0),
        exit(1, Reason::Killed, false),
        answer(2, "unix:/run/other.sock", End::Closed),
    ]);
    assert_eq!(run.causes(), [Cause::UpstreamClosed]);
}

#[test]
fn nobody_listens_until_somebody_does_again() {
    let begin = || [serves(0), exit(1_000, Reason::Crash, true), refused(1_001)];
    let mut run = Run::of(begin().into_iter().chain([refused(600_000)]));
    assert_eq!(run.causes(), [Cause::BackendCrash; 2]);
    let again = [serves(2_000), refused(3_000)];
    let mut run = Run::of(begin().into_iter().chain(again)).tick(4_000);
    assert_eq!(run.causes(), [Cause::BackendCrash, Cause::UpstreamRefused]);
    // A look that began before the death proves nothing.
    let mut run = Run::of(begin().into_iter().chain([serves(900), refused(3_000)]));
    assert_eq!(run.causes(), [Cause::BackendCrash; 2]);
    // Children that die do not close the door; a stop is no crash.
    let mut run = Run::of([serves(0), exit(1, Reason::Killed, false), refused(2)]).tick(150);
    assert_eq!(run.causes(), [Cause::UpstreamRefused]);
    let stop = [exit(2_000, Reason::Graceful, true), refused(2_001)];
    let mut run = Run::of(begin().into_iter().chain(stop)).tick(3_000);
    assert_eq!(run.causes(), [Cause::BackendCrash, Cause::UpstreamRefused]);
}

#[test]
fn answers_are_told_in_their_order() {
    let passed = answer(1_001, "10.0.0.1:80", End::Error("ECONNREFUSED"));
    let mut run = Run::of([serves(0), closed(1_000), passed]);
    assert_eq!(run.causes(), []);
    run = run.tick(1_200);
    assert_eq!(
        run.causes(),
        [Cause::UpstreamClosed, Cause::UpstreamRefused]
    );
}

#[test]
fn a_death_alone_is_no_incident_and_many_are_counted() {
    let deaths = (0..100).map(|n| exit(n, Reason::Crash, false));
    let run = Run::of(deaths.chain([exit(2_000, Reason::Crash, false)])).tick(5_000);
    assert_eq!(run.kinds(), ["backend_exit"; 33]);
    let last = run
        .records
        .last()
        .map(|last| last.to_json_line().expect("JSON"));
    assert!(last.is_some_and(|last| last.contains("\"omitted\":68")));
    assert!(run.correlator.is_idle());
}

#[test]
fn memory_is_bounded() {
    let mut run = Run::of((0..10_000).map(|n| {
        let key = format!("127.0.0.1:{n}").into();
        fact(n, Event::BackendServes(BackendServes { key }))
    }));
    assert_eq!(run.correlator.backends.served.len(), MAX_ADDRESSES);
    run = Run::of([serves(0)]);
    for _ in 0..3_000 {
        run.records.extend(run.correlator.fact(closed(1)));
    }
    assert_eq!(run.correlator.backends.held.len(), MAX_HELD);
}
