//! Incidents: how many there were, and which are open.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use super::{labels::OfCause, series::Series};
use crate::correlator::{Cause, Incident, State};

pub(super) struct Incidents {
    opened: Series<OfCause, Counter>,
    active: Series<OfCause, Gauge>,
    /// The ids of those that are open.
    open: Mutex<HashMap<OfCause, HashSet<String>>>,
}

impl Incidents {
    pub(super) fn new(r: &mut Registry) -> Self {
        let new = Self {
            opened: Series::new(Counter::default),
            active: Series::new(Gauge::default),
            open: Mutex::default(),
        };
        new.opened
            .register(r, "nginx_incidents", "Incidents opened");
        new.active
            .register(r, "nginx_incident_active", "1 while an incident is open");
        new
    }

    pub(super) fn begin(&self, nginx: &str) {
        for cause in Cause::ALL {
            self.opened.of(&labels(nginx, cause));
            self.active.of(&labels(nginx, cause));
        }
    }

    pub(super) fn forget(&self, nginx: &str) {
        self.opened.forget(nginx);
        self.active.forget(nginx);
    }

    pub(super) fn said(&self, nginx: &str, incident: &Incident) {
        let labels = labels(nginx, incident.cause);
        // Several of one cause may be open, each about another upstream.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = open.entry(labels.clone()).or_default();
        if incident.state == State::Closed {
            ids.remove(&incident.id);
        } else {
            ids.insert(incident.id.clone());
        }
        let any = !ids.is_empty();
        if !any {
            open.remove(&labels);
        }
        drop(open);
        if incident.state == State::Opened {
            self.opened.of(&labels).inc();
            self.active.of(&labels).set(1);
        } else if let Some(active) = self.active.get(&labels) {
            // An incident may outlive the series of its instance: nobody would end new ones.
            active.set(i64::from(any));
        }
    }
}

fn labels(nginx: &str, cause: Cause) -> OfCause {
    OfCause {
        nginx: nginx.to_owned(),
        cause: cause.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::{clock::Time, correlator::Confidence};

    #[test]
    fn the_end_of_an_incident_brings_no_series_back() {
        let mut registry = Registry::default();
        let incidents = Incidents::new(&mut registry);
        let in_state = |state| Incident {
            id: "1".into(),
            state,
            cause: Cause::WorkerCrash,
            detail: None,
            upstream: None,
            confidence: Confidence::Confirmed,
            complete: true,
            responses: std::collections::BTreeMap::new(),
            lost_requests: None,
            opened_at: Time::now(),
            closed_at: None,
            summary: String::new(),
            evidence: Vec::new(),
            advice: Vec::new(),
        };
        let series = || {
            let mut text = String::new();
            encode(&mut text, &registry).expect("text");
            text.lines()
                .filter(|line| line.contains("nginx=\"a\""))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        incidents.said("a", &in_state(State::Opened));
        assert!(
            series()
                .iter()
                .any(|line| line.starts_with("nginx_incident_active") && line.ends_with(" 1"))
        );
        incidents.forget("a");
        for state in [State::Updated, State::Closed] {
            incidents.said("a", &in_state(state));
            assert_eq!(series(), [""; 0]);
        }
    }
}
