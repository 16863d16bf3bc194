//! nginx as systemd runs it: a configuration that is refused, and all of nginx down.

use anyhow::Result;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::metrics;
use nginx_probe_tests::records::{is_exit, opens};
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::Value;

use super::host::{Host, INSTANCE, NGINX, outcome, run, show, wait_state};
use super::journal;
use super::report::Report;

/// What nginx knows no directive of.
const WRONG: &str = "no_such_directive on;";
/// nginx's memory, of which the fault takes more.
const MEMORY: &str = "MemoryMax=160M";

/// `systemctl reload` with a configuration that nginx refuses: the master never hears of it.
pub(super) fn reload(host: &mut Host, report: &mut Report) -> Result<()> {
    let mark = journal::mark();
    host.write_site(WRONG)?;
    let reloaded = outcome("systemctl", &["reload", NGINX])?;
    report.check(
        "systemd says that the reload failed",
        reloaded.code != Some(0),
        "it says nothing",
    );
    report.check(
        "the old configuration serves",
        host.wait_served().is_ok(),
        "",
    );
    let told = journal::wait(mark, "an incident", |r| opens(r, "reload_failed"));
    let detail = told.as_ref().ok().map(|told| &told["detail"]);
    report.check(
        "the refused configuration is an incident, refused_before_signal",
        detail.is_some_and(|detail| detail == "refused_before_signal"),
        in_words(&told),
    );
    host.write_site("")?;
    run("systemctl", &["reload", NGINX])?;
    host.wait_served()?;
    settle(host, report)
}

/// `systemctl restart` with such a configuration: nginx is down.
pub(super) fn restart(host: &mut Host, report: &mut Report) -> Result<()> {
    let mark = journal::mark();
    host.write_site(WRONG)?;
    let restarted = outcome("systemctl", &["restart", NGINX])?;
    report.check(
        "systemd says that the restart failed",
        restarted.code != Some(0),
        "it says nothing",
    );
    let told = journal::wait(mark, "an incident", |r| opens(r, "nginx_down"));
    let detail = told.as_ref().ok().map(|told| &told["detail"]);
    report.check(
        "nginx is down for a failed start",
        detail.is_some_and(|detail| detail == "failed_start"),
        in_words(&told),
    );
    report.check(
        "what nginx said of its configuration is told",
        told.as_ref()
            .is_ok_and(|told| told.to_string().contains("no_such_directive")),
        in_words(&told),
    );
    is_up(host, report, false);
    host.write_site("")?;
    run("systemctl", &["start", NGINX])?;
    host.wait_served()?;
    is_up(host, report, true);
    settle(host, report)
}

/// A worker that takes more memory than the unit has: systemd stops all of nginx.
pub(super) fn oom(host: &mut Host, report: &mut Report) -> Result<()> {
    let mark = journal::mark();
    run("systemctl", &["set-property", "--runtime", NGINX, MEMORY])?;
    host.get(Fault::EatMemory.path());
    wait_state(NGINX, "failed")?;
    report.equal(
        "systemd's result of nginx",
        &"oom-kill".to_owned(),
        &show(NGINX, "Result")?,
    );
    let exit = journal::wait(mark, "the record of the death", |r| is_exit(r, "oom_kill"))?;
    report.equal(
        "whose memory limit it was",
        &Some("cgroup"),
        &exit["memory"]["scope"].as_str(),
    );
    report.equal(
        "the limit",
        &Some(160 << 20),
        &exit["memory"]["limit_bytes"].as_u64(),
    );
    let killed = journal::wait(mark, "an incident", |r| opens(r, "worker_oom_kill"));
    report.check("the kill is an incident", killed.is_ok(), in_words(&killed));
    let down = journal::wait(mark, "an incident", |r| opens(r, "nginx_down"));
    report.check(
        "that nginx is down is an incident",
        down.is_ok(),
        in_words(&down),
    );
    let advice = down
        .map(|down| down["advice"].to_string())
        .unwrap_or_default();
    report.check(
        "OOMPolicy=continue is advised",
        advice.contains("OOMPolicy=continue"),
        advice,
    );
    is_up(host, report, false);
    run("systemctl", &["revert", NGINX])?;
    run("systemctl", &["start", NGINX])?;
    host.wait_served()?;
    is_up(host, report, true);
    settle(host, report)
}

/// Compares `nginx_up`.
fn is_up(host: &Host, report: &mut Report, up: bool) {
    let mut seen = None;
    let waited = until_true("nginx_up", DEADLINE, || {
        let labels = [("nginx", INSTANCE)];
        seen = metrics::sum(&host.metrics()?, "nginx_up", &labels);
        Ok(seen.map(|seen| seen > 0.5) == Some(up))
    });
    let what = format!("nginx_up is {}", u8::from(up));
    report.check(&what, waited.is_ok(), format!("{seen:?}"));
}

/// What no part of this file may have counted: an answer. Then the counts are taken as they are.
fn settle(host: &mut Host, report: &mut Report) -> Result<()> {
    let before = host.counted().responses();
    host.take_counts()?;
    report.equal("failed answers", &before, &host.counted().responses());
    Ok(())
}

fn in_words(told: &Result<Value>) -> String {
    match told {
        Ok(told) => told.to_string(),
        Err(error) => format!("{error:#}"),
    }
}
