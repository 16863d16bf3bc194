//! The agent's JSON records, and how they compare with `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::agent::{Agent, is_count};
use crate::nginx::{Nginx, workers_of_master};
use crate::wait::{DEADLINE, until_true};

/// Whether the record is of this type.
#[must_use]
pub fn is(record: &Value, kind: &str) -> bool {
    record["type"] == kind
}

/// Whether the record is about this nginx.
#[must_use]
pub fn about(record: &Value, nginx: &Nginx) -> bool {
    record["instance"]
        .as_str()
        .is_some_and(|name| nginx.pid_file().as_os_str() == name)
}

/// Whether the record is the death of a worker (not of a cache process) for this reason.
#[must_use]
pub fn is_exit(record: &Value, reason: &str) -> bool {
    is(record, "worker_exit") && record["role"] == "worker" && record["reason"] == reason
}

/// Whether the record opens an incident with this cause.
#[must_use]
pub fn opens(record: &Value, cause: &str) -> bool {
    is(record, "incident") && record["state"] == "opened" && record["cause"] == cause
}

/// The record's `pid`.
#[must_use]
pub fn pid(record: &Value) -> Option<u32> {
    record["pid"]
        .as_u64()
        .and_then(|pid| u32::try_from(pid).ok())
}

/// What the records say of each worker: true for one that started last, false for one that ended last.
#[must_use]
pub fn workers(records: &[Value], nginx: &Nginx) -> BTreeMap<u32, bool> {
    let mut workers = BTreeMap::new();
    for record in records
        .iter()
        .filter(|r| about(r, nginx) && r["role"] == "worker")
    {
        let lives = is(record, "worker_start");
        if let Some(pid) = pid(record).filter(|_| lives || is(record, "worker_exit")) {
            workers.insert(pid, lives);
        }
    }
    workers
}

/// Waits until the agent's records and `nginx_workers` agree with the master's children in `/proc`.
///
/// A worker older than the agent need not have a start record, but no record may contradict `/proc`.
pub fn wait_agreement(agent: &Agent, nginx: &Nginx) -> Result<()> {
    let mut told = String::new();
    let agreed = until_true("records that agree with /proc", DEADLINE, || {
        let real: BTreeSet<u32> = nginx.workers()?.into_iter().collect();
        let recorded = workers(&agent.records(), nginx);
        let wrong: Vec<_> = recorded
            .iter()
            .filter(|&(pid, &lives)| real.contains(pid) != lives)
            .collect();
        let instance = nginx.pid_file();
        let counted = agent.sample("nginx_workers", &[("nginx", &instance.to_string_lossy())])?;
        told = format!("/proc has {real:?}; nginx_workers is {counted:?}; wrong: {wrong:?}");
        let expected = u32::try_from(real.len())?;
        Ok(wrong.is_empty() && counted.is_some_and(|count| is_count(count, expected)))
    });
    agent.explain(agreed.with_context(|| told))
}

/// Waits for the record of a worker's start.
pub fn wait_worker(agent: &Agent, nginx: &Nginx, worker: u32) -> Result<()> {
    let what = format!("the start of worker {worker}");
    agent
        .wait_for(&what, |r| {
            is(r, "worker_start") && about(r, nginx) && pid(r) == Some(worker)
        })
        .map(|_| ())
}

/// Watches `/proc` for the master's workers, as often as it can, until finished or dropped.
#[derive(Debug)]
pub struct Watch {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<BTreeSet<u32>>>,
}

impl Watch {
    /// Watches the children of `master`.
    #[must_use]
    pub fn start(master: u32) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let mut seen = BTreeSet::from_iter(workers_of_master(master));
        let thread = thread::spawn({
            let end = Arc::clone(&end);
            move || {
                loop {
                    // Read before the last look, so that this look is later than the end asked for.
                    let last = end.load(Ordering::Relaxed);
                    seen.extend(workers_of_master(master));
                    if last {
                        return seen;
                    }
                    thread::sleep(Duration::from_millis(3));
                }
            }
        });
        Self {
            end,
            thread: Some(thread),
        }
    }

    /// Every worker ever seen.
    pub fn finish(mut self) -> Result<BTreeSet<u32>> {
        self.join()
            .context("the thread that watches /proc panicked")
    }

    fn join(&mut self) -> Option<BTreeSet<u32>> {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.join();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::faults::Fault;

    #[test]
    fn the_last_record_of_a_worker_counts() -> Result<()> {
        let nginx = Nginx::builder().start()?;
        let instance = nginx.pid_file();
        let mine =
            |kind, pid, role| json!({"type": kind, "instance": instance, "pid": pid, "role": role});
        let records = [
            mine("worker_start", 5, "worker"),
            mine("worker_start", 6, "worker"),
            mine("worker_exit", 5, "worker"),
            mine("worker_start", 7, "cache_manager"),
            json!({"type": "worker_exit", "instance": "pid:1", "pid": 6, "role": "worker"}),
        ];
        assert_eq!(
            workers(&records, &nginx),
            BTreeMap::from([(5, false), (6, true)])
        );
        Ok(())
    }

    #[test]
    fn a_watch_sees_the_dead_and_the_living() -> Result<()> {
        let nginx = Nginx::builder().start()?;
        let before = nginx.workers()?;
        let watch = Watch::start(nginx.master()?);
        let mut expected: BTreeSet<u32> = before.iter().copied().collect();
        let _ = nginx.cause(Fault::Exit);
        until_true(
            "another worker",
            DEADLINE,
            || Ok(nginx.serving()? != before),
        )?;
        expected.extend(nginx.wait_serving()?);
        assert_eq!(watch.finish()?, expected);
        Ok(())
    }
}
