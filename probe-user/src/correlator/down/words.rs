//! What is said of an nginx that serves no more.

use crate::{
    correlator::{
        Evidence, Incident,
        subjects::{Subject, Subjects},
        summary,
    },
    facts::{Down, FailedStart, Task, detail},
};

pub(super) fn of_failed(failed: &FailedStart) -> String {
    let program = match failed.task {
        Task::Serve => "nginx, started anew,",
        Task::Test if failed.managed => "nginx -t, with which the service manager begins a start,",
        Task::Test => "nginx -t",
        Task::Unknown => "an nginx that was started",
    };
    match (failed.signal, failed.exit_code) {
        (Some(signal), _) => format!("{program} was ended by {signal}"),
        (None, code) => format!(
            "{program} ended with exit code {}",
            code.unwrap_or_default()
        ),
    }
}

pub(super) fn of_oom_policy(signal: &str, after_ms: u64, down: &Down) -> String {
    let sender = down.stop.as_ref().and_then(|stop| stop.sender.as_ref());
    format!(
        "master {} was told to end by {signal}{}, {after_ms} ms after the OOM killer chose one of its \
         processes",
        down.master,
        summary::from(sender)
    )
}

/// The one line of an incident that is down.
pub(in crate::correlator) fn of_down(incident: &Incident) -> String {
    let first = incident.evidence.first();
    let first = first.map_or("its processes are gone", |piece| piece.what.as_str());
    let why = incident
        .evidence
        .iter()
        .rfind(|piece| piece.source == "error_log");
    let why = why.map_or_else(String::new, |piece| format!(" ({})", piece.what));
    match incident.detail {
        Some(detail::FAILED_START) => {
            // The last of them.
            let failed = |piece: &&Evidence| piece.source == "lifecycle";
            let failed = incident.evidence.iter().rfind(failed);
            let failed = failed.map_or("its new start failed", |piece| piece.what.as_str());
            format!("nginx serves no more: {failed}{why}")
        }
        Some(detail::OOM_POLICY) => {
            "nginx serves no more: its service manager stopped all of it after one OOM kill"
                .to_owned()
        }
        _ => format!("nginx serves no more: {first}{why}"),
    }
}

/// What to do about an instance that is down.
pub(in crate::correlator) fn advice(of: &Subjects) -> Vec<String> {
    let mut advice = Vec::new();
    if of.has(Subject::Reason, detail::FAILED_START) {
        advice.extend([
            "run nginx -t, mend what it names, and start nginx",
            "under systemd, systemctl status nginx and journalctl -u nginx have what the start wrote",
        ]);
    }
    if of.has(Subject::Reason, detail::OOM_POLICY) {
        advice.extend([
            "start nginx; OOMPolicy=continue in its unit (systemctl edit nginx) lets the master replace \
             a worker that the kernel killed, Restart=on-failure starts nginx again",
            "raise the unit's MemoryMax, or lower what workers use: the kill itself is worker_oom_kill",
        ]);
    }
    if advice.is_empty() {
        advice.extend([
            "start nginx; Restart=on-failure in its unit (systemctl edit nginx), or the restart policy \
             of its container, does it the next time",
            "ask whoever runs the sender that the evidence names; a master that crashed leaves its \
             signal there",
        ]);
    }
    advice.into_iter().map(str::to_owned).collect()
}
