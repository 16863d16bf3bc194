//! `diagnose`: attaches, watches for a while, and says on one page what is wrong and why.

mod latency;
mod page;
mod report;
mod text;
mod vitals;
mod ways;

use std::{
    cell::Cell,
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{interval, sleep},
};

use self::report::Report;
use crate::{
    agent,
    clock::Time,
    options::DiagnoseOptions,
    sinks::{console::Output, messages, metrics::Metrics},
    snapshot::{Snapshot, whole},
};

/// How often the progress is shown.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// Watches for a while and writes the report; whether all is well.
///
/// # Errors
/// When the agent cannot look: there is no nginx, the probes lack a privilege, or standard output
/// cannot be written.
pub async fn run(options: &DiagnoseOptions) -> anyhow::Result<bool> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shown = io::stderr().is_terminal();
    let (tell, told) = tokio::sync::oneshot::channel::<Arc<Metrics>>();
    // Attaching takes a while, in which not all is seen.
    let (since, lasted) = (Cell::new(Time::now()), Cell::new(Duration::ZERO));
    let begun = |metrics: &Arc<Metrics>| {
        if !shown {
            let duration = humantime::format_duration(options.duration);
            messages::say(&format!("nginx-probe: watching for {duration} …\n"));
        }
        // Nobody listens only when the end has come already.
        let _ = tell.send(Arc::clone(metrics));
        since.set(Time::now());
    };
    let end = async {
        let Ok(metrics) = told.await else {
            return;
        };
        let started = Instant::now();
        let mut tick = interval(SHOW_EVERY);
        let over = sleep(options.duration);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => break,
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = tick.tick(), if shown => progress(&metrics, started.elapsed(), options.duration),
            }
        }
        lasted.set(started.elapsed());
    };
    let watched = agent::watch(&options.run(), begun, end).await;
    if shown {
        messages::say("\r\x1b[K");
    }
    let report = Report::of(watched?, options.host(), since.get(), lasted.get());
    if report.nginx.is_empty() {
        let what = match &*options.watch.pid_file {
            [] => "no nginx was found".to_owned(),
            [file, ..] => format!("{} named no running nginx", file.display()),
        };
        bail!(
            "{what} in {:.0} s: start it, or name its pid file with --pid-file; nginx-probe doctor \
             says what the agent sees",
            report.seconds
        );
    }
    if report.saw_nothing() {
        bail!(
            "no response could be seen: requests are not followed in the kernel, and no access log \
             is read; run as root, or name a log with --access-log; nginx-probe doctor says more"
        );
    }
    let text = match options.output {
        Output::Json => serde_json::to_string(&report)? + "\n",
        Output::Text => text::text(&report, io::stdout().is_terminal()),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(report.healthy)
}

/// One line that is written over and over.
fn progress(metrics: &Metrics, elapsed: Duration, all: Duration) {
    let Ok(text) = metrics.encode() else {
        return;
    };
    let now = Snapshot::parse(&text);
    let failed = whole(now.total("nginx_http_error_responses_total"));
    let incidents = whole(now.total("nginx_incidents_total"));
    messages::say(&format!(
        "\r\x1b[Kwatching, {} of {} s: {failed} failed responses, {incidents} incidents \
         (Ctrl-C ends it with a report)",
        elapsed.as_secs(),
        all.as_secs()
    ));
}
