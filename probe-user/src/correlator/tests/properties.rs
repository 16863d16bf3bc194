//! Whoever tells of an answer first, and how late the others do, changes neither its cause nor the
//! count.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::{Event, Fact, QUIET, START, at};
use crate::{
    access_log::how::How,
    clock::Time,
    correlator::Correlator,
    error_log::{Level, named},
    facts::{Logged, Noted, Returns, Sources},
    requests::{Answer, Attempt, End, RequestLine},
};

/// What fails on each route, always the same.
const ROUTES: u8 = 5;
/// Less than the correlator waits for the sources that follow the first, 300 ms.
const LATEST: u64 = 250;

/// One failed answer, and who tells of it.
#[derive(Clone, Debug)]
struct Failed {
    /// Milliseconds.
    time: u64,
    route: u8,
    client: u8,
    kernel: bool,
    access_log: bool,
    /// Others of other clients ask for the same.
    alike: bool,
}

impl Failed {
    fn status(&self) -> u16 {
        match self.route {
            0 | 2 => 500,
            1 => 502,
            3 => 503,
            _ => 504,
        }
    }

    fn request(&self) -> RequestLine {
        RequestLine {
            method: "GET".to_owned(),
            path: format!(
                "/route{}/{}",
                self.route,
                if self.alike { 0 } else { self.client }
            ),
            cut: false,
        }
    }

    fn client(&self) -> String {
        format!("192.0.2.{}", self.client)
    }

    fn attempt(&self) -> Option<Attempt> {
        match self.route {
            0 => Some(Attempt::Status(500)),
            1 => Some(Attempt::Ended(End::Error("ECONNREFUSED"))),
            4 => Some(Attempt::Ended(End::GaveUp)),
            _ => None,
        }
    }

    fn answer(&self) -> Event {
        let attempt = self.attempt();
        Event::Answer(Box::new(Answer {
            pid: 7,
            status: Some(self.status()),
            attempts: attempt.into_iter().collect(),
            upstream: attempt.map(|_| "10.0.0.1:80".to_owned()),
            protocol: attempt.map(|_| "http"),
            request: Some(self.request()),
            client: Some(format!("{}:40000", self.client())),
            made: (self.route == 2).then_some(500),
            ..Answer::default()
        }))
    }

    fn line(&self) -> Event {
        Event::Logged(Box::new(Logged {
            status: self.status(),
            how: match self.route {
                0 => How::Upstream,
                1 => How::NoConnection,
                4 => How::TimedOut,
                _ => How::Nginx,
            },
            upstream_status: self.attempt().iter().map(|one| one.status()).collect(),
            upstream: self.attempt().map(|_| "10.0.0.1:80".to_owned()),
            request: Some(self.request()),
            as_sent: true,
            client: Some(self.client()),
            connection: None,
            pid: None,
            count: 1,
        }))
    }

    fn note(&self) -> Option<Event> {
        let class = match self.route {
            1 => "connect_refused",
            2 => "rewrite_cycle",
            _ => return None,
        };
        Some(Event::Noted(Box::new(Noted {
            class: named(class).expect("a class"),
            level: Level::Error,
            errno: None,
            pid: 7,
            connection: None,
            request: Some(self.request()),
            client: Some(self.client()),
            upstream: None,
            file: None,
            subrequest: None,
            words: None,
            rule: None,
        })))
    }
}

fn failed() -> impl Strategy<Value = Failed> {
    (0..2_000_u64, 0..ROUTES, 0..4_u8, 1..4_u8).prop_map(|(time, route, client, told)| Failed {
        time,
        route,
        client,
        kernel: told & 1 != 0,
        access_log: told & 2 != 0,
        alike: true,
    })
}

fn some_failed() -> impl Strategy<Value = Vec<Failed>> {
    vec(failed(), 1..40).prop_map(|mut all| {
        all.sort_by_key(|one| one.time);
        all
    })
}

/// How late each of a source's facts is. A source keeps its order.
fn delays() -> impl Strategy<Value = [Vec<u64>; 3]> {
    [0, 1, 2].map(|_| vec(0..LATEST, 40))
}

/// Causes of the answers, by status and cause.
type Counts = BTreeMap<(u16, &'static str), u64>;

/// What a correlator says that is given what the sources tell of these, each so late.
fn counts(all: &[Failed], delays: &[Vec<u64>; 3], notes: bool) -> Counts {
    let mut facts: Vec<(u64, Fact)> = Vec::new();
    for (source, delays) in delays.iter().enumerate() {
        let mut last = 0;
        for (one, delay) in all.iter().zip(delays) {
            let event = match source {
                0 => one.kernel.then(|| one.answer()),
                1 => one.access_log.then(|| one.line()),
                _ => one.note().filter(|_| notes),
            };
            let Some(event) = event else {
                continue;
            };
            last = (one.time + delay).max(last);
            // The kernel tells when it happened, a log is taken to tell of now.
            let time = if source == 0 { one.time } else { last };
            let instance = "/run/nginx.pid".into();
            let time = at(time);
            facts.push((
                last,
                Fact {
                    time,
                    instance,
                    event,
                },
            ));
        }
    }
    facts.sort_by_key(|(given, _)| *given);
    run(facts)
}

fn run(facts: Vec<(u64, Fact)>) -> Counts {
    let mut correlator = Correlator::new("host".into(), QUIET, false);
    let instance: crate::facts::Instance = "/run/nginx.pid".into();
    let returns: Returns = serde_json::from_value(json!({"servers": [{
        "everywhere": [],
        "locations": [{"kind": "prefix", "pattern": "/route3", "codes": [503]}],
    }]}))
    .expect("what a configuration returns");
    let sources = Sources {
        requests: true,
        messages: true,
        access_log: true,
        upstream_status: true,
        error_log: true,
    };
    for event in [Event::Sources(sources), Event::Returns(returns.into())] {
        correlator.fact(Fact {
            time: START,
            instance: instance.clone(),
            event,
        });
    }
    let mut ticked = 0;
    for (given, fact) in facts {
        while ticked + 100 <= given {
            ticked += 100;
            correlator.tick(at(ticked));
        }
        correlator.fact(fact);
    }
    correlator.finish(Time(at(ticked).0 + 10_000_000));
    let mut counts = Counts::new();
    for failed in correlator.take_failures() {
        *counts
            .entry((failed.code, failed.cause.as_str()))
            .or_default() += failed.count;
    }
    counts
}

fn expected(all: &[Failed]) -> Counts {
    let mut counts = Counts::new();
    for one in all {
        let cause = match one.route {
            0 => "upstream_response",
            1 => "upstream_refused",
            2 => "redirect_cycle",
            3 => "config_response",
            _ => "upstream_timeout",
        };
        *counts.entry((one.status(), cause)).or_default() += 1;
    }
    counts
}

/// Every source tells of each.
fn told_by_all(mut all: Vec<Failed>) -> Vec<Failed> {
    for one in &mut all {
        (one.kernel, one.access_log) = (true, true);
    }
    all
}

proptest! {
    #[test]
    fn who_tells_late_changes_nothing(all in some_failed(), delays in delays()) {
        let all = told_by_all(all);
        prop_assert_eq!(counts(&all, &delays, true), expected(&all));
    }

    #[test]
    fn what_two_sources_tell_counts_once(all in some_failed(), delays in delays()) {
        let both = told_by_all(all.clone());
        for kernel in [false, true] {
            let mut alone = both.clone();
            for one in &mut alone {
                (one.kernel, one.access_log) = (kernel, !kernel);
            }
            prop_assert_eq!(counts(&alone, &delays, true), counts(&both, &delays, true));
        }
    }

    /// A log that is buffered tells of an answer long after its cause was decided.
    #[test]
    fn a_line_may_come_much_later(
        all in some_failed(),
        soon in delays(),
        late in vec(1_000..20_000_u64, 40),
    ) {
        let all = told_by_all(all);
        let [kernel, _, notes] = soon;
        prop_assert_eq!(counts(&all, &[kernel, late, notes], true), expected(&all));
    }

    /// A source sees all of a route and client or nothing, and no two clients ask for the same: what
    /// two sources tell of two answers that look alike cannot be told from one, and the client's
    /// address may be another one in the log (`realip`).
    #[test]
    fn each_counts_once_whoever_tells(all in some_failed(), delays in delays(), notes: bool) {
        let all: Vec<_> = all
            .into_iter()
            .map(|mut one| {
                let told = (one.route * 3 + one.client) % 3;
                (one.kernel, one.access_log) = (told != 0, told != 1);
                one.alike = false;
                one
            })
            .collect();
        let counted: u64 = counts(&all, &delays, notes).values().sum();
        prop_assert_eq!(counted, u64::try_from(all.len()).expect("few"));
    }
}
