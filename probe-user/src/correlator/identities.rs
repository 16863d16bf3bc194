//! Who each instance is, from when it is first seen until nobody asks any more: records of its death
//! say it too, when the container and its control group are gone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Correlator, MAX_INSTANCES};
use crate::{container::Identity, facts::Instance};

/// The containers and units of instances.
#[derive(Default)]
pub(super) struct Identities {
    known: HashMap<Instance, Arc<Identity>>,
    /// Instances that are gone, of which an incident is still open.
    leaving: HashSet<Instance>,
}

impl Identities {
    /// An instance runs there from now on.
    pub(super) fn set(&mut self, instance: Instance, identity: Arc<Identity>) {
        self.leaving.remove(&instance);
        if self.known.len() < MAX_INSTANCES || self.known.contains_key(&instance) {
            self.known.insert(instance, identity);
        }
    }

    /// Where an instance runs or ran last; nothing in it where that was never said.
    pub(super) fn of(&self, instance: &Instance) -> Arc<Identity> {
        self.known.get(instance).cloned().unwrap_or_default()
    }
}

impl Correlator {
    /// Lets go of what was kept of an instance that is gone. Who it was stays until its incidents
    /// are closed.
    pub(super) fn forget(&mut self, instance: &Instance) {
        self.sources.remove(instance);
        self.returns.remove(instance);
        self.refused.remove(instance);
        self.recent.forget(instance);
        self.backends.forget(instance);
        if self.identities.known.contains_key(instance) {
            self.identities.leaving.insert(instance.clone());
            self.forget_if_gone(instance);
        }
    }

    /// An incident was closed: the last that asked for an instance that is gone, maybe.
    pub(super) fn forget_if_gone(&mut self, instance: &Instance) {
        if self.identities.leaving.contains(instance)
            && !self.open.keys().any(|(open, _)| open == instance)
        {
            self.identities.leaving.remove(instance);
            self.identities.known.remove(instance);
        }
    }
}

#[cfg(test)]
impl Correlator {
    /// Instances that anything is kept of.
    pub(super) fn kept_instances(&self) -> usize {
        let known = self.identities.known.keys();
        let all = known.chain(self.sources.keys()).chain(self.returns.keys());
        all.collect::<HashSet<_>>().len()
    }
}

#[cfg(test)]
mod tests;
