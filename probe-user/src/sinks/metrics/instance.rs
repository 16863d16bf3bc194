//! The series of one nginx: begun at zero, and ended when it is gone for good.

use super::{
    Metrics, Seen, USUAL_EXITS, USUAL_FAILURES,
    labels::{OfCause, OfExit, OfFailure, OfNginx, OfReload, OfResponse},
    reload_result,
};
use crate::{
    correlator::Cause,
    facts::{Reason, ReloadResult, Role},
};

impl Metrics {
    /// Starts an instance's counters at zero, so that an alert sees the first increase.
    pub(super) fn know(&self, nginx: &str) {
        let Ok(mut known) = self.known.lock() else {
            return;
        };
        if known.contains_key(nginx) {
            return;
        }
        known.insert(nginx.to_owned(), Seen::default());
        for cause in Cause::ALL.map(Cause::as_str) {
            let labels = OfCause {
                nginx: nginx.to_owned(),
                cause,
            };
            drop(self.incidents.get_or_create(&labels));
            drop(self.incident_active.get_or_create(&labels));
            for code in USUAL_FAILURES {
                let labels = OfFailure {
                    nginx: nginx.to_owned(),
                    code,
                    cause,
                };
                drop(self.error_responses.get_or_create(&labels));
            }
        }
        for result in [ReloadResult::Ok, ReloadResult::Failed].map(reload_result) {
            drop(self.reloads.get_or_create(&OfReload {
                nginx: nginx.to_owned(),
                result,
            }));
        }
        for (reason, signal) in USUAL_EXITS {
            let (role, reason) = (Role::Worker.as_str(), reason.as_str());
            let labels = OfExit {
                nginx: nginx.to_owned(),
                role,
                reason,
                signal,
            };
            drop(self.worker_exits.get_or_create(&labels));
        }
    }

    /// Removes every series of an instance. A host on which containers come and go would gather
    /// them without end. When the instance comes back its counters begin at zero, as after a
    /// restart of the agent.
    pub fn forget(&self, nginx: &str) {
        let seen = self.known.lock().ok();
        let seen = seen.and_then(|mut known| known.remove(nginx));
        let mut seen = seen.unwrap_or_default();
        seen.codes.extend(USUAL_FAILURES);
        seen.signals.extend(USUAL_EXITS.map(|(_, signal)| signal));

        let nginx = nginx.to_owned();
        for code in seen.codes {
            for cause in Cause::ALL.map(Cause::as_str) {
                let nginx = nginx.clone();
                self.error_responses
                    .remove(&OfFailure { nginx, code, cause });
            }
            self.responses.remove(&OfResponse {
                nginx: nginx.clone(),
                code,
                seen_by: "log",
            });
        }
        for signal in seen.signals {
            for role in Role::ALL.map(Role::as_str) {
                for reason in Reason::ALL.map(Reason::as_str) {
                    self.worker_exits.remove(&OfExit {
                        nginx: nginx.clone(),
                        role,
                        reason,
                        signal,
                    });
                }
            }
        }
        for result in [ReloadResult::Ok, ReloadResult::Failed].map(reload_result) {
            let nginx = nginx.clone();
            self.reloads.remove(&OfReload { nginx, result });
        }
        for cause in Cause::ALL.map(Cause::as_str) {
            let nginx = nginx.clone();
            let labels = OfCause { nginx, cause };
            self.incidents.remove(&labels);
            self.incident_active.remove(&labels);
        }
        let labels = OfNginx { nginx };
        self.workers.remove(&labels);
        self.workers_draining.remove(&labels);
        self.workers_configured.remove(&labels);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        clock::Time,
        facts::{Event, Fact, Reload},
        fleet::Counts,
    };

    fn fact(nginx: &str, event: Event) -> Fact {
        Fact {
            time: Time::now(),
            instance: nginx.into(),
            event,
        }
    }

    #[test]
    fn nothing_is_left_of_one_and_all_of_the_other() {
        let metrics = Metrics::new();
        let empty = metrics.encode().expect("text").lines().count();
        let use_all = |nginx: &str| {
            metrics.set_workers(nginx, Counts::default());
            metrics.set_configured(nginx, 4);
            let codes = BTreeMap::from([(200, 7), (500, 1), (507, 2), (999, 1)]);
            metrics.fact(&fact(nginx, Event::Responses(codes)));
            let (result, generation) = (ReloadResult::Failed, 1);
            let reload = Reload { result, generation };
            metrics.fact(&fact(nginx, Event::Reload(reload)));
            metrics.see(nginx, |seen| seen.signals.insert("SIGTRAP"));
            let labels = OfExit {
                nginx: nginx.to_owned(),
                role: Role::CacheLoader.as_str(),
                reason: Reason::Crash.as_str(),
                signal: "SIGTRAP",
            };
            metrics.worker_exits.get_or_create(&labels).inc();
        };
        use_all("pid:1");
        use_all("pid:2");
        let of = |nginx: &str| {
            let text = metrics.encode().expect("text");
            let label = format!("nginx=\"{nginx}\"");
            text.lines().filter(|line| line.contains(&label)).count()
        };
        let each = of("pid:1");
        assert!(each > 100 && of("pid:2") == each);
        metrics.forget("pid:1");
        assert_eq!((of("pid:1"), of("pid:2")), (0, each));
        metrics.forget("pid:2");
        metrics.forget("never seen");
        let left = metrics.encode().expect("text").lines().count();
        assert_eq!(left, empty);

        use_all("pid:1");
        assert_eq!(of("pid:1"), each, "it may come back");
    }
}
