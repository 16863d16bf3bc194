//! A process turns out to be a master: which nginx it is, and what is kept of it.

use std::io;

use super::{Fleet, Track, master::Master, place::Place, process::Kind};
use crate::{
    clock::boot_ns_now,
    config,
    crash::Mappings,
    facts::{Event, Upgrade},
    named,
};

/// A new master that nobody asked for is looked at again for so long, in case its pid file is
/// still to be written: Debian's nginx has the parent write it after the fork.
const PID_FILE_NS: u64 = 5_000_000_000;

impl<T: Track> Fleet<T> {
    /// A process has called itself a master.
    pub(super) fn promote(&mut self, pid: u32) {
        let Some(process) = self.processes.get(&pid) else {
            return;
        };
        let (parent, started_ns) = (process.parent, process.started_ns);
        let config = config::Master::of_process(self.proc.root(), pid);
        let readable = config.as_ref().ok();
        // What a followed master starts in its own place is followed too.
        if !self.masters.contains_key(&parent) && !self.wants(pid, readable) {
            if !self.is_young(pid, PID_FILE_NS) {
                self.forget(pid);
            }
            return;
        }
        warn_of(pid, &config);
        let config = config.ok();
        let identity = self.naming.identity(&self.proc, pid);
        let root = config.as_ref().map(|config| &*config.root);
        let place = Place::of(&self.proc, pid, root);
        let (instance, generation) = match self.masters.get(&parent) {
            Some(old) => (old.instance.clone(), old.generation + 1),
            None => self.name(pid, config.as_ref(), &identity, Some(&place)),
        };
        if let Some(process) = self.processes.get_mut(&pid) {
            process.kind = Kind::Master(instance.clone());
            process.look = None;
        }
        self.identify(started_ns, &instance, &identity);
        let mut master = Master::new(pid, instance.clone(), generation);
        master.config = config;
        master.identity = identity;
        master.read_ns = boot_ns_now();
        master.inner_pid = self.proc.inner_pid(pid).unwrap_or(pid);
        master.is_init = master.inner_pid == 1;
        master.place = place;
        self.ends.remove(&instance);
        let upgrade = self.masters.contains_key(&parent).then_some(Upgrade {
            old_master: parent,
            new_master: pid,
            generation,
        });
        self.masters.insert(pid, master);
        self.kernel.take(pid);
        self.keep_mappings(pid);
        self.version += 1;
        if let Some(upgrade) = upgrade {
            self.fact(started_ns, &instance, Event::Upgrade(upgrade));
        }
        self.adopt(pid, &instance, generation);
    }

    fn wants(&self, pid: u32, config: Option<&config::Master>) -> bool {
        if self.selection.wants(pid) {
            return true;
        }
        // A master in a container has written the process id that it has there. Many have the
        // same one, so it must be the very file.
        let Some(inner) = self.proc.inner_pid(pid).filter(|inner| *inner != pid) else {
            return false;
        };
        let own_file = config.and_then(|config| config.root.id_of(&config.settings.pid_path));
        own_file.is_some()
            && self.selection.pid_files_of(inner).any(|file| {
                let stat = named::stat(self.proc.root(), file);
                stat.map(|stat| (stat.st_dev, stat.st_ino)) == own_file
            })
    }

    pub(super) fn read_again(&mut self, pid: u32) {
        let config = config::Master::of_process(self.proc.root(), pid);
        warn_of(pid, &config);
        if let Some(master) = self.masters.get_mut(&pid) {
            master.stale = config.is_err();
            master.config = config.ok().or_else(|| master.config.take());
            master.read_ns = boot_ns_now();
            self.version += 1;
        }
        self.keep_mappings(pid);
    }

    fn keep_mappings(&mut self, pid: u32) {
        if let Some(master) = self.masters.get_mut(&pid)
            && let Ok(mappings) = Mappings::read(self.proc.root(), pid)
        {
            master.mappings = Some(mappings);
        }
    }
}

/// Says what of a followed master's configuration could not be read.
fn warn_of(pid: u32, config: &io::Result<config::Master>) {
    match config {
        Ok(config) => {
            for warning in &config.settings.warnings {
                log::warn!("the configuration of master {pid}: {warning}");
            }
        }
        Err(error) => {
            log::warn!("cannot look at master {pid}: {error}; run as root or with CAP_SYS_PTRACE");
        }
    }
}
