//! What an incident is about, by name, so that advice can name it.

use std::collections::BTreeMap;

/// Names of one kind that are kept.
const MAX_NAMES: usize = 3;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// An upstream's address.
    Upstream,
    /// A protocol as `response` records name it.
    Protocol,
    /// A file.
    File,
    /// A method and a path.
    Request,
    /// A place of the configuration.
    Place,
    /// A process that sent a signal.
    Sender,
    /// A class of messages of the error log.
    Class,
    /// A rule of a firewall.
    Rule,
    /// A module of nginx.
    Module,
    /// How a process ended, as records name it.
    Reason,
    /// An upstream's address that could not even be connected to in time.
    Unconnected,
}

/// The first few names of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subjects {
    names: BTreeMap<Subject, Vec<String>>,
}

impl Subjects {
    pub(super) fn add(&mut self, subject: Subject, name: &str) {
        let names = self.names.entry(subject).or_default();
        if names.len() < MAX_NAMES && names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
    }

    pub(super) fn with(mut self, subject: Subject, name: Option<&str>) -> Self {
        if let Some(name) = name {
            self.add(subject, name);
        }
        self
    }

    /// Takes those of another.
    pub(super) fn merge(&mut self, other: Self) {
        for (subject, names) in other.names {
            for name in names {
                self.add(subject, &name);
            }
        }
    }

    /// All that are known, as `a, b and c`; else what may stand for them.
    pub(super) fn or(&self, subject: Subject, otherwise: &str) -> String {
        match self.names.get(&subject).map(Vec::as_slice) {
            Some([others @ .., last]) if !others.is_empty() => {
                format!("{} and {last}", others.join(", "))
            }
            Some([one]) => one.clone(),
            _ => otherwise.to_owned(),
        }
    }

    /// Whether there is one of that kind.
    pub(super) fn any(&self, subject: Subject) -> bool {
        self.names.contains_key(&subject)
    }

    pub(super) fn has(&self, subject: Subject, name: &str) -> bool {
        let names = self.names.get(&subject);
        names.is_some_and(|names| names.iter().any(|known| known == name))
    }
}
