//! Which processes are an nginx's own, and their end.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Nginx;
use crate::ns;
use crate::processes::{self, Seen, Signal, signal};
use crate::wait::{DEADLINE, until, until_true};

impl Nginx {
    /// The master's process id as we see it: after an upgrade the new master's.
    pub fn master(&self) -> Result<u32> {
        if let Some(child) = self.child.as_ref().filter(|_| self.builder.own_namespaces) {
            return ns::first_process(child.id())?.context("unshare has no child");
        }
        let path = self.pid_file();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        text.trim()
            .parse()
            .with_context(|| format!("{} holds {text:?}", path.display()))
    }

    /// The master's live workers in order, draining ones too, without cache processes.
    pub fn workers(&self) -> Result<Vec<u32>> {
        Ok(workers_of_master(self.master()?))
    }

    /// The master's workers that take new connections, in order.
    pub fn serving(&self) -> Result<Vec<u32>> {
        Ok(workers_of(self.master()?, |title| {
            title.trim_end() == WORKER
        }))
    }

    /// Waits until as many workers serve as are configured, and gives them.
    pub fn wait_serving(&self) -> Result<Vec<u32>> {
        let count = usize::from(self.builder.workers);
        until(&format!("{count} serving workers"), DEADLINE, || {
            Ok(Some(self.serving()?).filter(|workers| workers.len() == count))
        })
    }

    /// Every live process of this nginx, whoever is its parent now.
    #[must_use]
    pub fn members(&self) -> Vec<Seen> {
        let Some(group) = self.group.or_else(|| self.group_by_title()) else {
            return Vec::new();
        };
        // The start time keeps apart a stranger who was given an old number anew.
        processes::find(|seen| seen.group == group && seen.started >= self.since)
    }

    /// For a daemon whose start went wrong before its pid file was read.
    fn group_by_title(&self) -> Option<u32> {
        let prefix = self.prefix.path().to_string_lossy();
        let ours = |title: &str| title.starts_with(MASTER) && title.contains(&*prefix);
        processes::find(|seen| ours(&seen.title))
            .first()
            .map(|seen| seen.group)
    }

    pub(crate) fn end_members(&self) -> Result<()> {
        until_true("the end of nginx", Duration::from_secs(5), || {
            let members = self.members();
            for seen in &members {
                signal(seen.pid, Signal::KILL)?;
            }
            Ok(members.is_empty())
        })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let gone = self.end_members();
        if let Err(error) = gone {
            eprintln!("{error:#}");
        }
        if let Some(child) = self.child.as_mut() {
            let _ = child.wait();
        }
    }
}

/// The live workers of the master with this process id, draining ones too, in order.
#[must_use]
pub fn workers_of_master(master: u32) -> Vec<u32> {
    workers_of(master, |title| title.starts_with(WORKER))
}

/// How the title of a master begins.
pub(super) const MASTER: &str = "nginx: master process";
const WORKER: &str = "nginx: worker process";

fn workers_of(master: u32, wanted: impl Fn(&str) -> bool) -> Vec<u32> {
    let mut workers: Vec<u32> = processes::children(master)
        .into_iter()
        .filter(|seen| wanted(&seen.title))
        .map(|seen| seen.pid)
        .collect();
    workers.sort_unstable();
    workers
}
