//! Evidence and incidents in words.

mod answer;

pub(super) use self::answer::of_answer;
use super::{Cause, Evidence, Incident, down, stalls};
use crate::{
    access_log::how::How,
    clock::Time,
    errnos::Failure,
    error_log,
    facts::{
        Dropped, Logged, MasterExit, Memory, Noted, Reason, Reload, Sender, Sources, WorkerExit,
    },
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
        Reason::Graceful if exit.detail.is_some() => {
            "a draining worker's worker_shutdown_timeout was over: it cut its requests off"
                .to_owned()
        }
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
    // The first process of a pid namespace leaves nothing.
    let left = match exit.orphans {
        0 => String::new(),
        orphans => format!(", {orphans} workers left behind"),
    };
    let what = format!("master {} ended {how}{left}", exit.pid);
    vec![seen("lifecycle", what)]
}

pub(super) fn of_failed_reload(reload: &Reload) -> Vec<Evidence> {
    if reload.detail.is_some() {
        let what = format!(
            "nginx -s reload failed by itself and sent no signal; generation {} serves on",
            reload.generation
        );
        return vec![seen("lifecycle", what)];
    }
    let what = format!(
        "the master took SIGHUP and started no worker; generation {} serves on",
        reload.generation
    );
    vec![seen("lifecycle", what)]
}

/// What the error log says of it.
pub(super) fn of_refused_config(message: &str) -> Evidence {
    seen("error_log", message.to_owned())
}

/// What a line of the access log says.
pub(super) fn of_line(logged: &Logged) -> Evidence {
    let Logged { status, how, .. } = logged;
    let upstream = logged.upstream.as_deref();
    let means = match (how, upstream) {
        (How::Untold, _) => String::new(),
        (_, Some(upstream)) if *how != How::Nginx => format!(": {}, {upstream}", how.means()),
        _ => format!(": {}", how.means()),
    };
    seen("access_log", format!("HTTP {status} logged{means}"))
}

/// What the error log says of an answer.
pub(super) fn of_note(note: &Noted) -> Evidence {
    let errno = note
        .errno
        .map_or_else(String::new, |errno| format!(": {errno}"));
    let about = match (&note.upstream, &note.file) {
        (_, Some(file)) => format!(", {}", without_number(file)),
        (Some(upstream), None) => format!(", {upstream}"),
        (None, None) => String::new(),
    };
    let means = if *note.class == error_log::OTHER {
        "a message that is in no class"
    } else {
        note.class.means
    };
    let rule = note
        .rule
        .as_ref()
        .map_or_else(String::new, |rule| format!(" ({rule})"));
    let what = format!("[{}] {means}{rule}{errno}{about}", note.level.name());
    Evidence {
        sample: note.words.clone(),
        ..seen("error_log", what)
    }
}

/// What the configuration says.
pub(super) fn of_place(place: &str, status: u16) -> Evidence {
    seen("config", format!("{place} may answer with {status}"))
}

/// The same of a place where a script answers.
pub(super) fn of_script(status: u16) -> Evidence {
    seen(
        "config",
        format!("a script answers there, and may do so with {status}"),
    )
}

/// Why the cause of an answer is not known; nothing where every source had its say.
pub(super) fn of_unknown(sources: Sources) -> Option<Evidence> {
    if sources == Sources::default() {
        return None;
    }
    let mut missing = Vec::new();
    if !sources.requests {
        missing.push("requests are not followed in the kernel");
    }
    if !sources.access_log {
        missing.push("no access log is read");
    } else if !sources.upstream_status {
        missing.push("the access log's format has no $upstream_status");
    }
    if !sources.error_log && !sources.messages {
        missing.push("no error log is read");
    }
    let what = match missing.split_last() {
        None => return None,
        Some((one, [])) => (*one).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    };
    Some(seen("agent", format!("not known: {what}")))
}

/// A call that failed.
pub(super) fn of_failure(failure: &Failure) -> Evidence {
    Evidence {
        count: failure.count,
        ..seen("errnos", format!("{}: {}", failure.call, failure.errno))
    }
}

/// A connection that was dropped.
pub(super) fn of_dropped(dropped: &Dropped) -> Evidence {
    let why = if dropped.for_memory {
        ", no memory"
    } else {
        ""
    };
    let what = format!("connection accepted and closed unserved{why}");
    Evidence {
        count: dropped.count,
        ..seen("accept", what)
    }
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
        Cause::WorkerShutdown => {
            let lost = incident.lost_requests.unwrap_or_default();
            let requests = number(lost, "request");
            format!(
                "{requests} cut off by worker_shutdown_timeout, in {}",
                number(deaths, "draining worker")
            )
        }
        Cause::MasterDied => {
            let how = incident.evidence.first().map(|piece| piece.what.as_str());
            format!(
                "{}; nothing replaces or reloads workers now",
                how.unwrap_or("the master is gone")
            )
        }
        Cause::WorkerHung => stalls::of_hangs(incident),
        Cause::BacklogOverflow => stalls::of_overflows(incident),
        Cause::NginxDown => down::of_down(incident),
        Cause::ReloadFailed => {
            let why = incident
                .evidence
                .iter()
                .rfind(|piece| piece.source == "error_log");
            match (why, incident.detail) {
                // It may as well have found no pid file.
                (None, Some(_)) => "nginx -s reload failed before it sent a signal: the old \
                                    configuration serves on"
                    .to_owned(),
                (why, _) => {
                    let why = why.map_or_else(String::new, |piece| format!(" ({})", piece.what));
                    format!("a new configuration was refused{why}: the old one serves on")
                }
            }
        }
        cause => {
            let failed: u64 = incident.responses.values().sum();
            let without = failed == 0;
            let failed = match cause {
                Cause::UpstreamMasked => number(failed, "response"),
                _ => number(failed, "failed response"),
            };
            // What tells of connections tells of no response.
            let of_response = |piece: &&Evidence| !matches!(piece.source, "accept" | "errnos");
            let pieces = &incident.evidence;
            let first = if without {
                pieces.first()
            } else {
                pieces.iter().find(of_response)
            };
            match first {
                // What leaves no response: a connection that was dropped, or not taken.
                Some(first) if without => format!("{} × {}", first.count, first.what),
                Some(first) if cause != Cause::Unknown => format!("{failed}: {}", first.what),
                _ => match pieces.iter().find_map(|piece| piece.sample.as_ref()) {
                    Some(words) => format!("{failed}, of which nginx says: {words}"),
                    None => format!("{failed} that no evidence explains"),
                },
            }
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
    const GIB: u64 = 1024 * MIB;
    if bytes >= GIB {
        format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB)
    } else if bytes >= MIB {
        format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB)
    } else {
        format!("{} KiB", bytes / 1024)
    }
}

/// A file's name; of a temporary one, to which nginx gives a number of ten digits (`%010uA`), the
/// folder of all of them.
pub(super) fn without_number(file: &str) -> &str {
    const DIGITS: usize = 10;
    /// Of folders that are named by the number's last digits (`levels` of `client_body_temp_path`).
    const MOST_OF_LEVEL: usize = 3;
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let Some((mut folder, name)) = file.rsplit_once('/') else {
        return file;
    };
    if name.len() != DIGITS || !is_number(name) {
        return file;
    }
    while let Some((above, name)) = folder.rsplit_once('/')
        && (1..=MOST_OF_LEVEL).contains(&name.len())
        && is_number(name)
    {
        folder = above;
    }
    folder
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

pub(super) fn seen(source: &'static str, what: String) -> Evidence {
    Evidence {
        time: Time::default(),
        source,
        what,
        count: 1,
        sample: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_files_are_named_by_their_folder() {
        for (file, folder) in [
            ("/var/lib/nginx/body/0000000012", "/var/lib/nginx/body"),
            (
                "/var/lib/nginx/proxy/2/01/0000000012",
                "/var/lib/nginx/proxy",
            ),
            ("/srv/2024/page", "/srv/2024/page"),
            ("/srv/2024/12", "/srv/2024/12"),
            ("0000000012", "0000000012"),
            ("/0000000012", ""),
        ] {
            assert_eq!(without_number(file), folder);
        }
    }
}
