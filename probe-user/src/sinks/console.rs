//! Records on standard output, for a person or for a program.

use std::{fmt::Write as _, io, time::Duration};

pub use super::form::Output;
use super::{form::Form, printable::Printable, queue::Queue};
use crate::{
    backends::BackendExit,
    correlator::{Incident, State, from, of_memory},
    facts::{Crash, MasterExit, Reason, Reload, ReloadResult, Role, WorkerExit},
    records::{Body, Record, Response},
};

/// Calls of a crash that are shown; the journal has all.
const SHOWN_FRAMES: usize = 8;
/// Lost requests that are shown of a death.
const SHOWN_REQUESTS: usize = 5;
/// Addresses below this are those of a null pointer and a field's offset.
const NULL_PAGE: u64 = 4096;
/// How long the agent's end waits for a reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Standard output.
#[derive(Debug)]
pub struct Console {
    form: Form,
    queue: Queue,
}

impl Console {
    /// Writes so. Nothing that is done here waits for the reader but [`Self::finish`].
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(output: Output) -> io::Result<Self> {
        Ok(Self {
            form: Form::new(output),
            queue: Queue::start("standard output", io::stdout())?,
        })
    }

    /// Queues a record.
    pub fn write(&mut self, record: &Record) {
        if let Some(text) = self.form.write(record) {
            self.queue.put(text);
        }
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.queue.is_gone()
    }

    /// Waits a moment for the last records to be written, and says how many were not.
    pub fn finish(&mut self) {
        let left = self.queue.finish(LAST_WORDS);
        if left > 0 && !self.is_gone() {
            log::warn!("standard output is not read: {left} records are missing there");
        }
    }
}

/// A record as lines for a person, the last with its newline. `named` tells which nginx it is about.
#[must_use]
pub fn text(record: &Record, named: bool) -> String {
    let time = record.time.to_string();
    // `2026-01-02T03:04:05.678901Z`: the time of day to the millisecond is what a reader compares.
    let mut out = Page(Printable(String::new()));
    let _ = write!(out, "{}  ", time.get(11..23).unwrap_or(&time));
    if named {
        let _ = write!(out, "{}  ", record.instance);
    }
    match &record.body {
        Body::WorkerStart(start) => {
            let (role, generation) = (role(start.role), start.generation);
            let _ = write!(
                out,
                "{role} {} started (generation {generation})",
                start.pid
            );
            out.end();
        }
        Body::WorkerExit(exit) => worker_exit(&mut out, exit),
        Body::BackendExit(exit) => backend_exit(&mut out, exit),
        Body::MasterExit(exit) => master_exit(&mut out, exit),
        Body::Reload(reload) => {
            let _ = out.write_str(&reloaded(reload));
            out.end();
        }
        Body::Upgrade(upgrade) => {
            let (old, new) = (upgrade.old_master, upgrade.new_master);
            let _ = write!(out, "binary upgrade: master {old} has started master {new}");
            out.end();
        }
        Body::Incident(report) => incident(&mut out, report),
        Body::Response(failed) => response(&mut out, failed),
    }
    out.0.0
}

fn response(out: &mut Page, failed: &Response) {
    let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    let (method, path) = (part(&failed.method), part(&failed.path));
    let _ = write!(
        out,
        "HTTP {}  {method} {path}  {}",
        failed.status,
        failed.cause.as_str()
    );
    if let Some(upstream) = &failed.upstream {
        let statuses: Vec<_> = failed
            .upstream_status
            .iter()
            .map(|status| status.map_or_else(|| "-".to_owned(), |status| status.to_string()))
            .collect();
        let _ = write!(out, "  upstream {upstream}: {}", statuses.join(", "));
    }
    out.end();
}

fn backend_exit(out: &mut Page, exit: &BackendExit) {
    let how = ended(exit.reason, exit.signal, exit.exit_code);
    let sender = from(exit.sender.as_ref());
    let (name, pid, address) = (&exit.backend, exit.pid, &exit.address);
    let _ = write!(out, "backend {name} (pid {pid}, {address}) {how}{sender}");
    if exit.core_dumped {
        let _ = out.write_str(", core dumped");
    }
    if exit.omitted > 0 {
        let _ = write!(out, "; {} more before it", exit.omitted);
    }
    out.end();
    if let Some(crash) = &exit.crash {
        stack(out, crash);
    }
    if let Some(memory) = &exit.memory {
        let _ = write!(out, "    {}", of_memory(memory));
        out.end();
    }
}

fn worker_exit(out: &mut Page, exit: &WorkerExit) {
    let how = ended(exit.reason, exit.signal, exit.exit_code);
    let sender = from(exit.sender.as_ref());
    let _ = write!(out, "{} {} {how}{sender}", role(exit.role), exit.pid);
    let core = if exit.core_dumped {
        ", core dumped"
    } else {
        ""
    };
    let _ = write!(out, ", {:.1} s old{core}", exit.uptime_s);
    out.end();
    if let Some(crash) = &exit.crash {
        stack(out, crash);
    }
    if let Some(memory) = &exit.memory {
        let _ = write!(out, "    {}", of_memory(memory));
        out.end();
    }
    lost(out, exit);
}

/// The requests that died with a worker.
fn lost(out: &mut Page, exit: &WorkerExit) {
    let (Some(total), Some(requests)) = (exit.lost_total, &exit.lost_requests) else {
        return;
    };
    for request in requests.iter().take(SHOWN_REQUESTS) {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
        let (method, path) = (part(&request.method), part(&request.path));
        let _ = write!(out, "    lost {method} {path}, {} ms old", request.age_ms);
        out.end();
    }
    let more = total.saturating_sub(SHOWN_REQUESTS as u64);
    if more > 0 {
        let _ = write!(out, "    … {more} more lost requests");
        out.end();
    }
}

fn stack(out: &mut Page, crash: &Crash) {
    if let Some(address) = &crash.address {
        let number = address
            .strip_prefix("0x")
            .and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let null = number.is_some_and(|number| number < NULL_PAGE);
        let what = if null { " (a null pointer)" } else { "" };
        let _ = write!(out, "    touched address {address}{what}");
        out.end();
    }
    for (n, frame) in crash.stack.iter().take(SHOWN_FRAMES).enumerate() {
        let word = if n == 0 { "in" } else { "by" };
        let guessed = if frame.guessed { "? " } else { "" };
        let _ = match &frame.symbol {
            Some(symbol) => write!(out, "    {word} {guessed}{symbol}  ({})", frame.place()),
            None => write!(out, "    {word} {guessed}({})", frame.place()),
        };
        out.end();
    }
    let more = crash.stack.len().saturating_sub(SHOWN_FRAMES);
    if more > 0 {
        let _ = write!(out, "    … {more} more in the journal");
        out.end();
    }
}

fn master_exit(out: &mut Page, exit: &MasterExit) {
    let how = ended(exit.reason, exit.signal, exit.exit_code);
    let _ = write!(
        out,
        "master {} {how}{}",
        exit.pid,
        from(exit.sender.as_ref())
    );
    if exit.orphans > 0 {
        let _ = write!(out, ", leaving {} processes behind", exit.orphans);
    }
    out.end();
}

fn reloaded(reload: &Reload) -> String {
    let generation = reload.generation;
    match reload.result {
        ReloadResult::Ok => {
            format!("reloaded: a new configuration serves (generation {generation})")
        }
        ReloadResult::Failed => format!(
            "reload refused: the old configuration serves on (generation {generation}); \
             nginx -t says why"
        ),
    }
}

fn incident(out: &mut Page, incident: &Incident) {
    let cause = incident.title();
    let (state, lasted) = match incident.state {
        State::Opened => ("INCIDENT", String::new()),
        State::Updated => ("incident goes on", String::new()),
        State::Closed => ("incident over", format!(" ({})", lasted(incident))),
    };
    let _ = write!(out, "{state}, {cause}: {}{lasted}", incident.summary);
    out.end();
    if !incident.complete {
        let _ =
            out.write_str("    records were lost, or a source is missing: there may be more to it");
        out.end();
    }
    match incident.state {
        State::Opened => {
            for advice in &incident.advice {
                let _ = write!(out, "    → {advice}");
                out.end();
            }
        }
        State::Updated => {}
        State::Closed => {
            for piece in &incident.evidence {
                let _ = write!(out, "    {:>4} × {}", piece.count, piece.what);
                out.end();
                if let Some(words) = &piece.sample {
                    let _ = write!(out, "           “{words}”");
                    out.end();
                }
            }
        }
    }
}

/// From the first evidence to the last.
fn lasted(incident: &Incident) -> String {
    let last = incident.evidence.iter().map(|piece| piece.time).max();
    let seconds = last.map_or(0, |last| last.since(incident.opened_at).as_secs());
    if seconds == 0 {
        "within a second".to_owned()
    } else {
        let lasted = Duration::from_secs(seconds);
        format!("lasted {}", humantime::format_duration(lasted))
    }
}

fn ended(reason: Reason, signal: Option<&str>, exit_code: Option<u8>) -> String {
    let signal = signal.unwrap_or("a signal");
    match reason {
        Reason::Crash => format!("crashed: {signal}"),
        Reason::OomKill => "was ended by the kernel's OOM killer".to_owned(),
        Reason::Killed => format!("was killed: {signal}"),
        Reason::Graceful => "ended gracefully".to_owned(),
        Reason::ErrorExit => format!("failed: exit code {}", exit_code.unwrap_or_default()),
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Master => "master",
        Role::Worker => "worker",
        Role::CacheManager => "cache manager",
        Role::CacheLoader => "cache loader",
        Role::Unknown => "process",
    }
}

/// Lines whose text others may have chosen: only [`Page::end`] ends one.
struct Page(Printable<String>);

impl Page {
    fn end(&mut self) {
        self.0.0.push('\n');
    }
}

impl std::fmt::Write for Page {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;

    #[test]
    fn hostile_names_neither_steer_the_terminal_nor_forge_lines() {
        let reload = Reload {
            result: ReloadResult::Ok,
            generation: 2,
            detail: None,
        };
        let name = "/run/\u{1b}]0;x\u{7}\n12:00  forged";
        let (time, host) = (Time::now(), String::new());
        let record = Record::new(time, name.into(), host, Body::Reload(reload));
        let shown = text(&record, true);
        assert_eq!(shown.lines().count(), 1, "{shown:?}");
        assert_eq!(shown.chars().filter(|c| c.is_control()).count(), 1);
        assert!(shown.contains("\\u{1b}]0;x") && shown.ends_with("(generation 2)\n"));
    }
}
