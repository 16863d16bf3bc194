//! Who each instance is, from when it is first seen until it is forgotten: records of its death say it
//! too, when the container and its control group are gone.

use std::{collections::HashMap, sync::Arc};

use super::{Correlator, MAX_INSTANCES};
use crate::{clock::Time, container::Identity, facts::Instance};

/// The containers and units of instances.
#[derive(Default)]
pub(super) struct Identities(HashMap<Instance, Arc<Identity>>);

impl Identities {
    /// An instance runs there from now on.
    pub(super) fn set(&mut self, instance: Instance, identity: Arc<Identity>) {
        if self.0.len() < MAX_INSTANCES || self.0.contains_key(&instance) {
            self.0.insert(instance, identity);
        }
    }

    /// Where an instance runs or ran last; nothing in it where that was never said.
    pub(super) fn of(&self, instance: &Instance) -> Arc<Identity> {
        self.0.get(instance).cloned().unwrap_or_default()
    }
}

impl Correlator {
    /// Lets go of what was kept of an instance that is gone for good, and closes its incidents:
    /// nothing more will be told of them.
    pub(super) fn forget(&mut self, time: Time, instance: &Instance) {
        let open = self.open.keys().filter(|key| key.instance == *instance);
        for key in open.cloned().collect::<Vec<_>>() {
            self.close(time, &key);
        }
        self.sources.remove(instance);
        self.returns.remove(instance);
        self.refused.remove(instance);
        self.recent.forget(instance);
        self.backends.forget(instance);
        self.ends.forget(instance);
        self.identities.0.remove(instance);
    }
}

#[cfg(test)]
impl Correlator {
    /// Instances that anything is kept of.
    pub(crate) fn kept_instances(&self) -> usize {
        let known = self.identities.0.keys();
        let known = known.chain(self.sources.keys()).chain(self.returns.keys());
        let known = known.chain(self.open.keys().map(|key| &key.instance));
        known.collect::<std::collections::HashSet<_>>().len()
    }
}

#[cfg(test)]
mod tests;
