//! Evidence and incidents in words.

use super::{Cause, Evidence, Incident};
use crate::{
    clock::Time,
    facts::{MasterExit, Memory, Reason, Reload, Sender, WorkerExit},
};

/// What a worker's death is evidence of. The first piece counts the deaths.
pub(super) fn of_worker_exit(exit: &WorkerExit) -> Vec<Evidence> {
    let signal = exit.signal.unwrap_or("a signal");
    let what = match exit.reason {
        Reason::Crash => format!("{} ended by {signal}", process(exit)),
        Reason::OomKill => format!("{} ended by the OOM killer", process(exit)),
        Reason::Killed => format!(
            "{} ended by {signal}{}",
            process(exit),
            from(exit.sender.as_ref())
        ),
        Reason::Graceful | Reason::ErrorExit => {
            let code = exit.exit_code.unwrap_or_default();
            format!("{} ended with exit code {code}", process(exit))
        }
    };
    let mut evidence = vec![seen("lifecycle", what)];
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

pub(super) fn of_master_exit(exit: &MasterExit) -> Vec<Evidence> {
    let how = match (exit.signal, exit.exit_code) {
        (Some(signal), _) => format!("by {signal}{}", from(exit.sender.as_ref())),
        (None, code) => format!("with exit code {}", code.unwrap_or_default()),
    };
    let what = format!(
        "master {} ended {how}, {} workers left behind",
        exit.pid, exit.orphans
    );
    vec![seen("lifecycle", what)]
}

pub(super) fn of_failed_reload(reload: &Reload) -> Vec<Evidence> {
    let what = format!(
        "the master took SIGHUP and started no worker; generation {} serves on",
        reload.generation
    );
    vec![seen("lifecycle", what)]
}

pub(super) fn of_responses(code: u16, count: u64) -> Evidence {
    let mut evidence = seen("access_log", format!("HTTP {code} logged"));
    evidence.count = count;
    evidence
}

/// What the OOM killer saw.
pub(crate) fn of_memory(memory: &Memory) -> String {
    let resident = memory
        .rss_bytes
        .map_or_else(String::new, |bytes| format!("{} resident, ", size(bytes)));
    match (memory.scope, memory.limit_bytes) {
        (Some("cgroup"), Some(limit)) => {
            format!("{resident}its control group's limit is {}", size(limit))
        }
        (Some("cgroup"), None) => format!("{resident}its control group's limit was hit"),
        (Some(_), _) => format!("{resident}the whole machine was out of memory"),
        (None, _) => format!("{resident}whose limit is not known: the kernel log cannot be read"),
    }
}

/// The one line of an incident.
pub(super) fn of_incident(incident: &Incident) -> String {
    // Only the first piece of each death counts deaths; the rest says more of the same ones.
    let counted = |source| {
        incident
            .evidence
            .iter()
            .filter(|piece| piece.source == source)
            .map(|p| p.count)
            .sum::<u64>()
    };
    let deaths = counted("lifecycle");
    let workers = number(deaths, "worker");
    let mut places = incident
        .evidence
        .iter()
        .filter(|piece| piece.source == "signals");
    let place = match (places.next(), places.next()) {
        (Some(piece), None) if piece.count == deaths => format!(" {}", piece.what),
        (Some(piece), None) => format!(", {} of them {}", piece.count, piece.what),
        (Some(piece), Some(_)) => format!(" {}, and elsewhere", piece.what),
        (None, _) => String::new(),
    };
    match incident.cause {
        Cause::WorkerCrash => format!("{workers} crashed{place}"),
        Cause::WorkerOomKill => format!("{workers} ended by the OOM killer"),
        Cause::WorkerKilled => format!("{workers} killed"),
        Cause::MasterDied => {
            let how = incident.evidence.first().map(|piece| piece.what.as_str());
            format!(
                "{}; nothing replaces or reloads workers now",
                how.unwrap_or("the master is gone")
            )
        }
        Cause::ReloadFailed => "a new configuration was refused: the old one serves on".into(),
        _ => {
            let failed = number(incident.responses.values().sum(), "failed response");
            format!("{failed} that no evidence explains")
        }
    }
}

/// `1 worker`, `2 workers`.
fn number(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Bytes for a person.
pub(crate) fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes >= MIB {
        format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB)
    } else {
        format!("{} KiB", bytes / 1024)
    }
}

/// ` from kill (pid 7, uid 0)`, or nothing when no process sent it or nobody saw who.
pub(crate) fn from(sender: Option<&Sender>) -> String {
    sender.map_or_else(String::new, |sender| {
        format!(
            " from {} (pid {}, uid {})",
            sender.comm, sender.pid, sender.uid
        )
    })
}

fn process(exit: &WorkerExit) -> &'static str {
    match exit.role {
        crate::facts::Role::CacheManager => "the cache manager",
        crate::facts::Role::CacheLoader => "the cache loader",
        _ => "a worker",
    }
}

fn seen(source: &'static str, what: String) -> Evidence {
    Evidence {
        time: Time::default(),
        source,
        what,
        count: 1,
    }
}
