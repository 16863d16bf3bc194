//! What is true of a scenario: which failures there were, and what may be said of each.

use std::time::SystemTime;

use super::mode::Mode;

/// What may be said of a failure.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    causes: Vec<&'static str>,
    less: Vec<(Mode, &'static str)>,
    untold: Vec<Mode>,
}

/// This cause and no other.
pub(super) fn is(cause: &'static str) -> Verdict {
    Verdict {
        causes: vec![cause],
        less: Vec::new(),
        untold: Vec::new(),
    }
}

impl From<&'static str> for Verdict {
    fn from(cause: &'static str) -> Self {
        is(cause)
    }
}

impl Verdict {
    /// Another cause is as true.
    pub(super) fn or(mut self, cause: &'static str) -> Self {
        self.causes.push(cause);
        self
    }

    /// In these modes nobody can know better than this.
    pub(super) fn or_in(mut self, modes: &[Mode], cause: &'static str) -> Self {
        self.less.extend(modes.iter().map(|mode| (*mode, cause)));
        self
    }

    /// In these modes it cannot be seen, so that nothing need be said of it.
    pub(super) fn or_untold_in(mut self, modes: &[Mode]) -> Self {
        self.untold.extend(modes);
        self
    }

    /// The causes that may be said, the best first.
    pub(super) fn allowed(&self, mode: Mode) -> Vec<&'static str> {
        let less = self.less.iter().filter(|(of, _)| *of == mode);
        let causes = self.causes.iter().copied();
        causes.chain(less.map(|(_, cause)| *cause)).collect()
    }

    pub(super) fn may_be_untold(&self, mode: Mode) -> bool {
        self.untold.contains(&mode)
    }
}

/// Failures of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Answers with this status.
    Responses(u16),
    /// Workers that died for this reason.
    Deaths(&'static str),
    /// Requests that a draining worker cut off.
    Lost,
    /// Something that lasts: an incident is opened.
    State,
}

/// Failures of one kind and one cause.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) kind: Kind,
    pub(super) verdict: Verdict,
    pub(super) count: u64,
    /// The paths that were asked for, where records must name them; others may be others' too.
    pub(super) paths: Vec<String>,
    /// When the first of them was noticed by whoever suffered it.
    pub(super) first: SystemTime,
}

/// All failures of a scenario.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) classes: Vec<Class>,
}

impl Truth {
    /// Adds failures.
    pub(super) fn add(&mut self, class: Class) {
        let same = self.classes.iter_mut().find(|known| {
            known.kind == class.kind
                && known.verdict.causes == class.verdict.causes
                && known.verdict.less == class.verdict.less
        });
        match same {
            Some(known) => {
                known.count += class.count;
                known.paths.extend(class.paths);
                known.first = known.first.min(class.first);
            }
            None => self.classes.push(class),
        }
    }

    /// How many failed.
    pub(super) fn failed(&self) -> u64 {
        self.classes.iter().map(|class| class.count).sum()
    }
}
