//! Connections as nginx itself counts them, read in the memory that its processes share.
//!
//! Where requests are followed by sockets, nobody sees a connection that is taken. nginx counts each
//! one, and each that it goes on with (`ngx_event_accept.c`): the difference was dropped. These are
//! the counters that `stub_status` shows, and builds with that module export where they are.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::Path,
};

use crate::crash::{Mapping, Mappings, variable_offsets};

/// Pointers to the counters.
const VARIABLES: [&str; 2] = ["ngx_stat_accepted", "ngx_stat_handled"];

/// Why the counters of a master cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// The master's files or memory cannot be read.
    #[error("cannot read its memory: {0}")]
    Unreadable(#[from] io::Error),
    /// It was built without `stub_status`, or names nothing.
    #[error("it does not name its counters of connections")]
    NoSymbol,
}

/// Connections since the master's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken from a listener.
    pub accepted: u64,
    /// Of these, not closed at once.
    pub handled: u64,
}

/// Where one nginx counts.
#[derive(Debug)]
pub struct Counters {
    memory: File,
    /// Addresses of the counters, the same in all its processes.
    accepted: u64,
    handled: u64,
}

impl Counters {
    /// Finds the counters of a master.
    ///
    /// # Errors
    /// When they cannot be read or do not exist.
    pub fn find(proc_root: &Path, master: u32) -> Result<Self, Missing> {
        let folder = proc_root.join(master.to_string());
        let binary = File::open(folder.join("exe"))?;
        let [accepted, handled] = variable_offsets(&binary, VARIABLES)?;
        let (Some(accepted), Some(handled)) = (accepted, handled) else {
            return Err(Missing::NoSymbol);
        };
        let mappings = Mappings::read(proc_root, master)?;
        let base = base_of(&mappings, binary.metadata()?.ino()).ok_or(Missing::NoSymbol)?;
        let memory = File::open(folder.join("mem"))?;
        let pointer = |at: u64| word(&memory, base.wrapping_add(at));
        let (accepted, handled) = (pointer(accepted)?, pointer(handled)?);
        let counters = Self {
            memory,
            accepted,
            handled,
        };
        counters.read()?;
        Ok(counters)
    }

    /// Reads them.
    ///
    /// # Errors
    /// When the master is gone.
    pub fn read(&self) -> io::Result<Counts> {
        // In this order none is ahead of what it is a part of for long: what is accepted in between
        // is counted by the next look.
        let accepted = word(&self.memory, self.accepted)?;
        let handled = word(&self.memory, self.handled)?.min(accepted);
        Ok(Counts { accepted, handled })
    }
}

/// Where a file is in memory.
fn base_of(mappings: &Mappings, inode: u64) -> Option<u64> {
    let mut of_file = mappings.iter().filter(|mapping| mapping.inode == inode);
    of_file.next().map(Mapping::base)
}

fn word(memory: &File, address: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    memory.read_exact_at(&mut bytes, address)?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_the_counters_is_told() {
        // The test itself is no nginx.
        let found = Counters::find(Path::new("/proc"), std::process::id());
        assert!(matches!(found, Err(Missing::NoSymbol)), "{found:?}");
    }

    #[test]
    fn a_process_that_is_gone_is_told() {
        let found = Counters::find(Path::new("/proc"), u32::MAX);
        assert!(matches!(found, Err(Missing::Unreadable(_))), "{found:?}");
    }
}
