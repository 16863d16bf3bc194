//! Programs behind nginx that died, and the answers that they spoiled.
//!
//! A process dies before the kernel closes its sockets, and only then does nginx fail: its death comes
//! first. One that tidies up before it exits closes its sockets first, so an answer whose upstream
//! failed waits a moment for a death. Answers are told in their order: those behind it wait too.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    Cause, Confidence, Correlator, Evidence, Verdict, apart,
    incident::Evidenced,
    summary::{of_memory, seen},
};
use crate::{
    backends::{BackendExit, BackendServes},
    clock::Time,
    facts::{Instance, Reason},
    records::Body,
};

/// An answer fails at most this long after the death that is its reason. Measured on Linux 6.18: 0.6 to
/// 7 ms with php-fpm, uWSGI and node; 30 to 50 ms when the process had a gigabyte to give back, which
/// newer kernels have it do before they close its sockets.
const AFTER: Duration = Duration::from_millis(500);
/// And at most this long before it, when the process closed its sockets by itself. Not seen of those
/// three.
const BEFORE: Duration = Duration::from_millis(100);
/// Answers that wait at once.
const MAX_HELD: usize = 1_024;
/// Deaths that are remembered of one address.
const MAX_DEATHS: usize = 16;
/// Addresses that are remembered.
const MAX_ADDRESSES: usize = 4_096;
/// Records of ends in one second, of one nginx.
const MAX_TOLD: u64 = 32;

/// What is known of programs behind nginx.
#[derive(Default)]
pub(super) struct Backends {
    served: HashMap<(Instance, Arc<str>), Backend>,
    held: VecDeque<Verdict>,
    told: HashMap<Instance, Told>,
    deaths: u64,
}

/// What listens at one address.
#[derive(Default)]
struct Backend {
    /// When something was told of it last.
    told: Time,
    deaths: VecDeque<Death>,
    /// The end of its first process, until it is known to listen again.
    down: Option<Death>,
}

#[derive(Clone)]
struct Death {
    time: Time,
    evidence: Vec<Evidence>,
    number: u64,
}

/// Whether a death explains an answer.
enum Explained<'a> {
    By(&'a Death),
    /// None that is known; one may still come.
    NotYet,
    /// There can be none.
    Otherwise,
}

/// Records of the current second.
#[derive(Default)]
struct Told {
    since: Time,
    count: u64,
    omitted: u64,
}

impl Backends {
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// Lets go of what is known of one nginx's programs.
    pub(super) fn forget(&mut self, instance: &Instance) {
        self.told.remove(instance);
        self.served.retain(|(of, _), _| of != instance);
    }

    /// Answers that wait.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// The last answer of that cause that waits.
    pub(super) fn last_held(&mut self, instance: &Instance, cause: Cause) -> Option<&mut Verdict> {
        let mut held = self.held.iter_mut().rev();
        held.find(|held| held.instance == *instance && held.cause == cause)
    }

    /// Whether a death explains an answer.
    fn explain(&self, held: &Verdict) -> Explained<'_> {
        let key = held.upstream.as_deref().map(Arc::from);
        let Some(backend) = key.and_then(|key| self.served.get(&(held.instance.clone(), key)))
        else {
            return Explained::Otherwise;
        };
        let death = match held.cause {
            // Nobody listens: what else has died does not matter.
            Cause::UpstreamRefused => backend.down.as_ref(),
            Cause::UpstreamTimeout | Cause::UpstreamClosed => {
                let near = backend.deaths.iter();
                let near = near.filter(|death| held.time.since(death.time) <= AFTER);
                near.min_by_key(|death| apart(death.time, held.time))
            }
            _ => return Explained::Otherwise,
        };
        let death = death.filter(|death| death.time.since(held.time) <= BEFORE);
        death.map_or(Explained::NotYet, Explained::By)
    }

    /// What is known of an address, of which something is told now. One more than there is room for
    /// takes the place of that of which nothing was told for longest.
    fn backend(&mut self, time: Time, instance: &Instance, key: &Arc<str>) -> &mut Backend {
        let key = (instance.clone(), Arc::clone(key));
        if self.served.len() >= MAX_ADDRESSES && !self.served.contains_key(&key) {
            let oldest = self.served.iter().min_by_key(|(_, backend)| backend.told);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.served.remove(&oldest);
            }
        }
        let backend = self.served.entry(key).or_default();
        backend.told = backend.told.max(time);
        backend
    }

    fn death(&mut self, time: Time, exit: &BackendExit) -> Death {
        self.deaths += 1;
        Death {
            time,
            evidence: of_exit(exit),
            number: self.deaths,
        }
    }

    /// Whether one more end has a record of its own; if it has, how many before it had none.
    fn may_tell(&mut self, time: Time, instance: &Instance) -> Option<u64> {
        let second = Duration::from_secs(1);
        if self.told.len() >= MAX_ADDRESSES {
            self.told.retain(|_, told| time.since(told.since) < second);
        }
        let told = self.told.entry(instance.clone()).or_default();
        if time.since(told.since) >= second {
            (told.since, told.count) = (time, 0);
        }
        told.count += 1;
        if told.count > MAX_TOLD {
            told.omitted += 1;
            return None;
        }
        Some(std::mem::take(&mut told.omitted))
    }

    /// Whether that death was not used yet; it is from now on.
    fn first_use(&mut self, instance: &Instance, number: u64) -> bool {
        let mut first = false;
        for ((of, _), backend) in &mut self.served {
            let deaths = backend.deaths.iter_mut().chain(&mut backend.down);
            for death in deaths.filter(|death| of == instance && death.number == number) {
                first |= !death.evidence.is_empty();
                death.evidence.clear();
            }
        }
        first
    }
}

impl Correlator {
    pub(super) fn backend_serves(&mut self, time: Time, instance: &Instance, new: &BackendServes) {
        let backend = self.backends.backend(time, instance, &new.key);
        backend.down = backend.down.take().filter(|death| death.time > time);
    }

    pub(super) fn backend_exit(&mut self, time: Time, instance: &Instance, mut exit: BackendExit) {
        let death = (exit.reason != Reason::Graceful).then(|| self.backends.death(time, &exit));
        for key in &exit.keys {
            let backend = self.backends.backend(time, instance, key);
            if let Some(death) = &death {
                if backend.deaths.len() >= MAX_DEATHS {
                    backend.deaths.pop_front();
                }
                backend.deaths.push_back(death.clone());
            }
            if exit.leader {
                backend.down.clone_from(&death);
            }
        }
        if let Some(omitted) = self.backends.may_tell(time, instance) {
            exit.omitted = omitted;
            self.say(time, instance, Body::BackendExit(Box::new(exit)));
        }
        self.release(time);
    }

    /// Tells of an answer, now or when it is known why.
    pub(super) fn hold(&mut self, verdict: Verdict) {
        self.backends.held.push_back(verdict);
        self.release(self.now);
    }

    /// Tells of the answers that need not wait, or have waited long enough.
    pub(super) fn release(&mut self, now: Time) {
        while let Some(first) = self.backends.held.front() {
            let over = now.since(first.time) > BEFORE || self.backends.held.len() > MAX_HELD;
            let death = match self.backends.explain(first) {
                Explained::By(death) => Some(death.clone()),
                Explained::NotYet if !over => return,
                Explained::NotYet | Explained::Otherwise => None,
            };
            if let Some(first) = self.backends.held.pop_front() {
                self.decided(first, death);
            }
        }
    }

    fn decided(&mut self, verdict: Verdict, death: Option<Death>) {
        let Verdict {
            time,
            instance,
            code,
            cause,
            confidence,
            upstream,
            pieces,
            subjects,
            detail,
            response,
            ..
        } = verdict;
        let mut new = Evidenced {
            confidence: Some(confidence),
            subjects,
            detail,
            ..Evidenced::default()
        };
        let mut cause = cause;
        if let Some(mut death) = death {
            // Each death is evidence once, whatever it spoiled.
            if self.backends.first_use(&instance, death.number) {
                new.pieces.append(&mut death.evidence);
            }
            cause = Cause::BackendCrash;
            new.confidence = Some(Confidence::Confirmed);
        }
        self.failed(&instance, code, cause, 1);
        new.pieces.extend(pieces);
        new.responses.insert(code, 1);
        if cause == Cause::Unknown {
            self.unexplained(time, &instance, code, 1);
        }
        self.evidence_about(time, &instance, cause, upstream.as_deref(), new);
        if let Some(mut response) = response {
            response.cause = cause;
            self.say(time, &instance, Body::Response(response));
        }
    }
}

/// What a death is evidence of, without what would make each one different.
fn of_exit(exit: &BackendExit) -> Vec<Evidence> {
    let signal = exit.signal.unwrap_or("a signal");
    let how = match exit.reason {
        Reason::Crash => format!("crashed: {signal}"),
        Reason::OomKill => "was ended by the OOM killer".to_owned(),
        Reason::Killed => {
            // Children of a pool are killed in numbers, by as many processes.
            let sender = exit.sender.as_ref();
            let by = sender.map(|sender| format!(" from {} (uid {})", sender.comm, sender.uid));
            format!("was killed: {signal}{}", by.unwrap_or_default())
        }
        Reason::Graceful | Reason::ErrorExit => {
            format!("failed: exit code {}", exit.exit_code.unwrap_or_default())
        }
    };
    let what = format!("{} behind {} {how}", exit.backend, exit.address);
    let mut evidence = vec![seen("backends", what)];
    if let Some(crash) = &exit.crash
        && let Some(first) = crash.stack.first()
    {
        let place = crash.symbol.as_ref().map_or_else(
            || first.place(),
            |function| format!("{function} ({})", first.place()),
        );
        evidence.push(seen("signals", format!("in {place}")));
    }
    if let Some(memory) = &exit.memory {
        evidence.push(seen("oom", of_memory(memory)));
    }
    evidence
}

#[cfg(test)]
mod tests;
