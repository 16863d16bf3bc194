//! Records say who an instance is, after its death too, and nothing is kept of what is forgotten.

use std::time::Duration;

use super::*;
use crate::{
    clock::Time,
    container::Container,
    facts::{Event, Fact, MasterExit, Reason, Sources},
};

fn fact(instance: &str, event: Event) -> Fact {
    Fact {
        time: Time(1_000_000),
        instance: instance.into(),
        event,
    }
}

fn identity(name: &str) -> Event {
    let container = Container {
        name: Some(name.to_owned()),
        ..Container::default()
    };
    Event::Identity(Arc::new(Identity {
        container: Some(container),
        unit: None,
    }))
}

fn died() -> Event {
    Event::MasterExit(MasterExit {
        pid: 7,
        reason: Reason::Killed,
        signal: None,
        exit_code: None,
        sender: None,
        orphans: 0,
        detail: None,
    })
}

#[test]
fn a_death_is_told_with_its_container_and_others_without() {
    let mut correlator = Correlator::new("host".into(), Duration::from_secs(1), false);
    correlator.fact(fact("web/a", identity("web")));
    let mut records = correlator.fact(fact("web/a", died()));
    // What becomes of its workers is waited for.
    records.extend(correlator.tick(Time(1_000_000).plus(Duration::from_secs(4))));
    assert!(correlator.has_open(&"web/a".into()));
    let closed = correlator.fact(fact("web/a", Event::Forgotten));
    assert!(!records.is_empty() && !closed.is_empty());
    for record in records.iter().chain(&closed) {
        let line = record.to_json_line().expect("JSON");
        assert!(
            line.contains(r#""container":{"id":null,"name":"web""#),
            "{line}"
        );
        assert!(line.contains(r#""unit":null"#), "{line}");
    }
    assert_eq!(correlator.kept_instances(), 0, "its incident is closed");
    assert!(correlator.tick(Time(60_000_000)).is_empty());
    for record in correlator.fact(fact("/plain", died())) {
        let line = record.to_json_line().expect("JSON");
        assert!(line.contains(r#""container":null,"unit":null"#), "{line}");
    }
}

#[test]
fn ten_thousand_that_come_and_go_leave_nothing() {
    let mut correlator = Correlator::new("host".into(), Duration::from_secs(1), false);
    for number in 0..10_000 {
        let name = format!("web-{number}/a");
        correlator.fact(fact(&name, identity(&name)));
        correlator.fact(fact(&name, Event::Sources(Sources::default())));
        assert_eq!(correlator.kept_instances(), 1, "{number}");
        correlator.fact(fact(&name, Event::Forgotten));
    }
    assert_eq!(correlator.kept_instances(), 0);
}
