//! What is watched of each nginx, which decides what can be known of its failures.

use std::{collections::HashMap, sync::Arc};

use super::Agent;
use crate::{
    clock::Time,
    config::Settings,
    facts::{Event, Fact, Instance, Returns, Sources},
};

/// What was said last, so that it is said when it changes.
#[derive(Default)]
pub(super) struct Told {
    said: HashMap<Instance, (Sources, Arc<Returns>)>,
}

impl Told {
    /// Those of whose responses nothing tells: the kernel half follows no requests, and no access
    /// log is read.
    pub(super) fn unseen(&self) -> Vec<Instance> {
        let unseen = |sources: &Sources| !sources.requests && !sources.access_log;
        let said = self.said.iter();
        said.filter(|(_, (sources, _))| unseen(sources))
            .map(|(instance, _)| instance.clone())
            .collect()
    }
}

impl Agent {
    /// Says what is watched, where that has changed; with `read_again` the configuration may have.
    pub(super) fn say_watched(&mut self, read_again: bool) {
        let requests = self.fleet.kernel().loaded();
        let requests = requests.is_some_and(|kernel| kernel.way().is_some());
        if let Some(logs) = &mut self.logs {
            logs.read_alone(!requests);
        }
        let mut now: HashMap<Instance, (Sources, Arc<Returns>)> = HashMap::new();
        for (pid, instance, config) in self.fleet.masters() {
            let settings = config.map(|config| &config.settings);
            let errors = settings.is_some_and(logs_errors);
            let logs = self.logs.as_ref();
            let answers = logs.and_then(|logs| logs.reads_answers(instance));
            let messages = self.error_path.as_ref();
            let sources = Sources {
                requests,
                messages: errors && messages.is_some_and(|path| path.sees_messages(pid)),
                access_log: answers.is_some(),
                upstream_status: answers.unwrap_or(false),
                error_log: errors && logs.is_some_and(|logs| logs.reads_errors(instance)),
            };
            let known = self.told.said.get(instance).filter(|_| !read_again);
            let returns = known.map(|(_, returns)| Arc::clone(returns));
            let returns =
                returns.unwrap_or_else(|| Arc::new(settings.map(Returns::of).unwrap_or_default()));
            // Of two masters of one instance, during an upgrade, the last one counts.
            now.insert(instance.clone(), (sources, returns));
        }
        let mut facts = Vec::new();
        for (instance, (sources, returns)) in now {
            let before = self.told.said.get(&instance);
            let mut say = |event| {
                facts.push(Fact {
                    time: Time::now(),
                    instance: instance.clone(),
                    event,
                });
            };
            if before.is_none_or(|(before, _)| *before != sources) {
                say(Event::Sources(sources));
            }
            if before.is_none_or(|(_, before)| *before != returns) {
                say(Event::Returns(Arc::clone(&returns)));
            }
            self.told.said.insert(instance, (sources, returns));
        }
        // The same facts in the same order, whatever the table's.
        facts.sort_by(|a, b| a.instance.cmp(&b.instance));
        for fact in facts {
            self.fact(fact);
        }
        let masters: Vec<_> = self
            .fleet
            .masters()
            .map(|(_, name, _)| name.clone())
            .collect();
        self.told
            .said
            .retain(|instance, _| masters.contains(instance));
    }
}

/// Whether nginx writes down why it fails: at these levels it says so each time.
fn logs_errors(settings: &Settings) -> bool {
    let mut levels = settings.error_logs.iter().map(|log| &*log.level);
    levels.all(|level| !matches!(level, "emerg" | "alert" | "crit"))
}
