//! A metric of which each nginx has series of its own, that can be ended together.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeMetric},
    metrics::{TypedMetric, family::Family},
    registry::Registry,
};

use super::labels::OfInstance;

/// A family whose label sets are known by instance: the library cannot remove what it does not
/// name one by one.
#[derive(Clone, Debug)]
pub(super) struct Series<L, M> {
    family: Family<L, M, fn() -> M>,
    known: Arc<Mutex<HashMap<String, HashSet<L>>>>,
}

impl<L, M> Series<L, M>
where
    L: OfInstance + EncodeLabelSet + Clone + Debug + Eq + Hash + Send + Sync + 'static,
    M: TypedMetric + EncodeMetric + Clone + Debug + Send + Sync + 'static,
{
    /// No series yet; a new one is made by `begin`.
    pub(super) fn new(begin: fn() -> M) -> Self {
        Self {
            family: Family::new_with_constructor(begin),
            known: Arc::default(),
        }
    }

    /// Shows it under this name. A counter's name is given without its `_total`.
    pub(super) fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.family.clone());
    }

    /// The series with these labels, begun if it is not there.
    pub(super) fn of(&self, labels: &L) -> M {
        if let Some(metric) = self.get(labels) {
            return metric;
        }
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(labels.nginx().to_owned())
            .or_default()
            .insert(labels.clone());
        self.family.get_or_create_owned(labels)
    }

    /// The series with these labels, if it was begun.
    pub(super) fn get(&self, labels: &L) -> Option<M> {
        self.family.get(labels).map(|metric| metric.clone())
    }

    /// Ends every series of an instance.
    pub(super) fn forget(&self, nginx: &str) {
        let labels = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(nginx);
        for labels in labels.into_iter().flatten() {
            self.family.remove(&labels);
        }
    }
}
