//! The files read for earlier crashes, so that a worker crashing in a loop costs little.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::elf::Module;
use super::mappings::Mapping;
use super::open::{self, Stamp};

/// Files kept.
const MAX_MODULES: usize = 16;
/// Memory of all files kept, in bytes.
const MAX_BYTES: usize = 12 << 20;

/// Files, to be forgotten by use.
#[derive(Debug, Default)]
pub(super) struct Modules {
    entries: Vec<Entry>,
    uses: u64,
}

/// A file, known by the device and inode of its mapping.
#[derive(Debug)]
struct Entry {
    device: (u32, u32),
    inode: u64,
    stamp: Stamp,
    /// Absent for a file that could not be used, so that it is not read again at every crash.
    module: Option<Arc<Module>>,
    last_use: u64,
    used_at: Instant,
}

impl Modules {
    /// The file of a mapping: the kept one, or read through one of `pids`.
    pub(super) fn get(
        &mut self,
        mapping: &Mapping,
        proc_root: &Path,
        pids: &[u32],
    ) -> Option<Arc<Module>> {
        self.uses += 1;
        let is_same = |e: &Entry| e.device == mapping.device && e.inode == mapping.inode;
        let kept = self.entries.iter().position(is_same);
        if let Some(entry) = kept.and_then(|at| self.entries.get_mut(at)) {
            let now = open::stamp(proc_root, pids, mapping);
            // With no process left to look through, the file is taken to be as it was.
            if now.is_none_or(|now| now == entry.stamp) {
                entry.last_use = self.uses;
                entry.used_at = Instant::now();
                return entry.module.clone();
            }
        }
        let (file, stamp) = open::open(proc_root, pids, mapping)?;
        if let Some(at) = kept {
            self.entries.swap_remove(at);
        }
        let module = Module::read(&file).ok().map(Arc::new);
        self.entries.push(Entry {
            device: mapping.device,
            inode: mapping.inode,
            stamp,
            module: module.clone(),
            last_use: self.uses,
            used_at: Instant::now(),
        });
        // The one just read stays even if it alone is too large: this stack needs it.
        while self.is_over() && self.entries.len() > 1 {
            self.evict_one();
        }
        module
    }

    /// Forgets those least recently used until the limits hold.
    pub(super) fn evict(&mut self) {
        while self.is_over() {
            self.evict_one();
        }
    }

    /// Forgets those not used for `idle`.
    pub(super) fn forget_idle(&mut self, idle: Duration) {
        self.entries.retain(|entry| entry.used_at.elapsed() < idle);
        self.entries.shrink_to_fit();
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.entries
            .iter()
            .filter_map(|e| e.module.as_ref())
            .map(|module| module.bytes())
            .sum()
    }

    fn is_over(&self) -> bool {
        self.entries.len() > MAX_MODULES || self.bytes() > MAX_BYTES
    }

    fn evict_one(&mut self) {
        let oldest = self
            .entries
            .iter()
            .enumerate()
            .min_by_key(|(_, entry)| entry.last_use);
        if let Some(at) = oldest.map(|(at, _)| at) {
            self.entries.swap_remove(at);
        }
    }
}
