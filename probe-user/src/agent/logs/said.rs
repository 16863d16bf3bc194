//! What is said of logs, once each.

use std::collections::{BTreeMap, HashSet};

use super::Kind;
use crate::{facts::Instance, follow::PositionsError};

/// What was said.
#[derive(Default)]
pub(super) struct Said {
    problems: BTreeMap<Instance, Vec<String>>,
    idle: HashSet<Kind>,
    unsaved: bool,
}

impl Said {
    /// Logs that are not followed, of every instance there is.
    pub(super) fn problems(&mut self, mut problems: BTreeMap<Instance, Vec<String>>) {
        for (instance, problems) in &mut problems {
            problems.sort();
            problems.dedup();
            let said = self.problems.get(instance).map(Vec::as_slice);
            let said = said.unwrap_or_default();
            for problem in problems.iter().filter(|problem| !said.contains(problem)) {
                log::warn!("{instance}: {problem}; what it holds is not counted");
            }
        }
        self.problems = problems;
    }

    /// Why no log of this kind is followed; `None` when one is.
    pub(super) fn idle(&mut self, kind: Kind, why: Option<&str>) {
        let Some(why) = why else {
            self.idle.remove(&kind);
            return;
        };
        if self.idle.insert(kind) {
            let kind = kind.as_str();
            log::warn!("no {kind} log is followed: {why}; --{kind}-log names one");
        }
    }

    /// How far logs were read could be kept, or not.
    pub(super) fn saved(&mut self, saved: Result<(), PositionsError>) {
        let before = std::mem::replace(&mut self.unsaved, saved.is_err());
        match saved {
            Err(problem) if !before => log::warn!("{problem}"),
            Ok(()) if before => log::info!("how far logs are read is kept from now on"),
            _ => {}
        }
    }
}
