//! The vital signs of an nginx against their limits.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    correlator::size,
    error_log,
    snapshot::{Labels, Snapshot, whole},
    thresholds::{FULL_CONNECTIONS, FULL_FILES, ORDINARY_ERRORS, SEVERE},
};

/// Per cent of a limit from which on it is as good as reached.
const FULL: f64 = 95.0;

const MEMORY: &str = "memory of all workers";
const MESSAGES: &str = "nginx_error_log_messages_total";

/// One vital sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vital {
    /// What is measured.
    pub name: &'static str,
    /// What it is.
    pub value: String,
    /// What it may be, where there is a limit.
    pub limit: Option<String>,
    /// What is told beside it.
    pub note: Option<String>,
    /// Whether that is as it should be.
    pub ok: bool,
    /// What it is made of, where that says more.
    pub parts: Vec<String>,
}

/// What is shown for one nginx.
#[must_use]
pub fn of(before: &Snapshot, after: &Snapshot, nginx: &str, seconds: f64) -> Vec<Vital> {
    let now = |name: &str| after.sum(name, nginx, |_| true);
    let more = |name: &str| {
        let was = before.sum(name, nginx, |_| true).unwrap_or(0.0);
        Some((now(name)? - was).max(0.0))
    };
    let mut vitals = Vec::new();
    let mut left_of_memory = None;
    let mut add = |name, value: String, limit: Option<String>, ok| {
        vitals.push(Vital {
            name,
            value,
            limit,
            note: None,
            ok,
            parts: Vec::new(),
        });
    };
    if let Some(workers) = now("nginx_workers") {
        let configured = now("nginx_workers_configured");
        let ok = configured.is_none_or(|configured| workers >= configured);
        add("workers", count(workers), configured.map(count), ok);
    }
    for (name, used, most, full) in [
        (
            "open files of the fullest worker",
            "nginx_worker_open_fds",
            "nginx_worker_max_fds",
            FULL_FILES,
        ),
        (
            "connections of the fullest worker",
            "nginx_worker_connections",
            "nginx_worker_max_connections",
            FULL_CONNECTIONS,
        ),
    ] {
        if let Some((value, limit)) = after.fullest(used, most, nginx) {
            let ok = value < limit * full;
            add(name, count(value), Some(count(limit)), ok);
        }
    }
    if let (Some(accepted), Some(handled)) = (
        more("nginx_connections_accepted"),
        more("nginx_connections_handled"),
    ) {
        let unhandled = (accepted - handled).max(0.0);
        add(
            "accepted and not handled",
            count(unhandled),
            None,
            unhandled < 0.5,
        );
    }
    if let Some(dropped) = more("nginx_accepts_dropped_total") {
        add(
            "accepted and dropped unserved",
            count(dropped),
            None,
            dropped < 0.5,
        );
    }
    if let Some(stalled) = more("nginx_accept_stalled_seconds_total") {
        let value = format!("{stalled:.1} s");
        add(
            "no accepting, for want of descriptors",
            value,
            None,
            stalled < 0.05,
        );
    }
    if let Some((labels, length)) = after.most("nginx_listen_queue_length", nginx) {
        let same = |one: &Labels| one.get("listener") == labels.get("listener");
        let limit = after.sum("nginx_listen_queue_limit", nginx, same);
        let ok = limit.is_none_or(|limit| length < limit * FULL / 100.0);
        add("longest listen queue", count(length), limit.map(count), ok);
    }
    if let Some(memory) = now("nginx_worker_resident_memory_bytes") {
        let free = after.value("nginx_probe_host_memory_available_bytes");
        let total = after.value("nginx_probe_host_memory_bytes");
        let ok = free
            .zip(total)
            .is_none_or(|(free, total)| free > total * (100.0 - FULL) / 100.0);
        let left = free.map(|free| format!("({} left on the host)", size(whole(free))));
        add(MEMORY, size(whole(memory)), None, ok);
        left_of_memory = left;
    }
    if let Some(memory) = vitals.iter_mut().find(|one| one.name == MEMORY) {
        memory.note = left_of_memory;
    }
    vitals.extend(messages(before, after, nginx, seconds));
    vitals
}

/// What the error log says, by how bad it is.
fn messages(before: &Snapshot, after: &Snapshot, nginx: &str, seconds: f64) -> Vec<Vital> {
    let mut vitals = Vec::new();
    for (name, levels, limit) in [
        ("messages of emerg, alert, crit", SEVERE, 0.0),
        (
            "messages of level error",
            &["error"],
            f64::from(ORDINARY_ERRORS),
        ),
    ] {
        let at = |labels: &Labels| {
            labels
                .get("level")
                .is_some_and(|level| levels.contains(&&**level))
        };
        let was = before.sum(MESSAGES, nginx, at).unwrap_or(0.0);
        let more = (after.sum(MESSAGES, nginx, at).unwrap_or(0.0) - was).max(0.0);
        // Of less than a minute nothing is made out: a few are ordinary at any moment.
        let minutes = (seconds / 60.0).max(1.0);
        let ok = more <= limit * minutes;
        let usual = format!("(usual: at most {} a minute)", count(limit));
        vitals.push(Vital {
            name,
            value: count(more),
            limit: None,
            note: (!ok && limit > 0.0).then_some(usual),
            ok,
            parts: classes(before, after, nginx, levels),
        });
    }
    vitals
}

/// What messages of these levels say, the most frequent first.
fn classes(before: &Snapshot, after: &Snapshot, nginx: &str, levels: &[&str]) -> Vec<String> {
    const SHOWN: usize = 3;
    let mut more: BTreeMap<&str, f64> = BTreeMap::new();
    for (labels, now) in after.of(MESSAGES, nginx) {
        let (Some(level), Some(class)) = (labels.get("level"), labels.get("class")) else {
            continue;
        };
        if levels.contains(&&**level) {
            let was = before.sum(MESSAGES, nginx, |one| one == labels);
            *more.entry(class).or_default() += now - was.unwrap_or(0.0);
        }
    }
    let mut more: Vec<_> = more.into_iter().filter(|(_, more)| *more > 0.5).collect();
    more.sort_by(|a, b| b.1.total_cmp(&a.1));
    let means = |name: &str| {
        let class = error_log::classes().find(|class| class.name == name);
        class.map_or("something else", |class| class.means)
    };
    let shown = more.iter().take(SHOWN);
    let mut parts: Vec<String> = shown
        .map(|(class, more)| format!("{} × {}", count(*more), means(class)))
        .collect();
    if more.len() > SHOWN {
        let others: f64 = more.iter().skip(SHOWN).map(|(_, more)| more).sum();
        parts.push(format!("{} × others", count(others)));
    }
    parts
}

/// A whole number with a comma behind each thousand.
#[must_use]
pub fn count(value: f64) -> String {
    let digits = whole(value).to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0.0, 999.0, 1000.0, 1_234_567.4].map(count);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_fullest_worker_counts_and_a_limit_is_judged() {
        let text = "nginx_workers{nginx=\"n\"} 1\n\
                    nginx_workers_configured{nginx=\"n\"} 2\n\
                    nginx_worker_open_fds{nginx=\"n\",worker=\"0\"} 10\n\
                    nginx_worker_open_fds{nginx=\"n\",worker=\"1\"} 1000\n\
                    nginx_worker_max_fds{nginx=\"n\",worker=\"0\"} 10\n\
                    nginx_worker_max_fds{nginx=\"n\",worker=\"1\"} 20000\n\
                    nginx_error_log_messages_total{nginx=\"n\",level=\"crit\",class=\"x\"} 2\n";
        let after = Snapshot::parse(text);
        let vitals = of(&Snapshot::default(), &after, "n", 30.0);
        let wrong: Vec<_> = vitals.iter().filter(|one| !one.ok).collect();
        let shown: Vec<_> = wrong.iter().map(|one| (one.name, &*one.value)).collect();
        assert_eq!(
            shown,
            [
                ("workers", "1"),
                ("open files of the fullest worker", "10"),
                ("messages of emerg, alert, crit", "2"),
            ]
        );
    }
}
