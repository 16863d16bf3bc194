//! Workers that die while nginx lives on.

use std::process;

use anyhow::{Context, Result, ensure};
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::Answer;
use nginx_probe_tests::processes::{Signal, signal, wait_gone};
use nginx_probe_tests::records::is_exit;
use nginx_probe_tests::wait::DEADLINE;

use super::host::Host;
use super::journal;
use super::report::Report;

/// SIGKILL to a worker, from this process.
pub(super) fn kill(host: &mut Host, report: &mut Report) -> Result<()> {
    let mark = journal::mark();
    let worker = *host.workers()?.first().context("nginx has no worker")?;
    signal(worker, Signal::KILL)?;
    wait_gone(worker, DEADLINE)?;
    host.wait_served()?;
    host.expect(
        report,
        &[
            ("exit worker killed SIGKILL", 1),
            ("incident worker_killed", 1),
        ],
    )?;
    let exit = journal::wait(mark, "the record of the death", |r| is_exit(r, "killed"))?;
    report.equal(
        "the process that sent the signal",
        &Some(u64::from(process::id())),
        &exit["sender"]["pid"].as_u64(),
    );
    report.equal("who died", &Some(u64::from(worker)), &exit["pid"].as_u64());
    Ok(())
}

/// A null pointer inside nginx's own code.
pub(super) fn crash(host: &mut Host, report: &mut Report) -> Result<()> {
    let mark = journal::mark();
    let answer = host.get(Fault::Segv.path());
    ensure!(matches!(answer, Answer::Broken(_)), "answered {answer:?}");
    host.wait_served()?;
    host.expect(
        report,
        &[
            ("exit worker crash SIGSEGV", 1),
            ("incident worker_crash", 1),
        ],
    )?;
    let exit = journal::wait(mark, "the record of the crash", |r| is_exit(r, "crash"))?;
    let module = exit["crash"]["module"].as_str().unwrap_or_default();
    report.check(
        "where it crashed",
        module.ends_with("nginx"),
        &exit["crash"],
    );
    let lost = exit["lost_requests"].as_array();
    let path = lost.and_then(|lost| lost.first()).map(|lost| &lost["path"]);
    report.check(
        "the request that was lost",
        lost.is_some_and(|lost| lost.len() == 1)
            && path.is_some_and(|path| path == Fault::Segv.path()),
        &exit["lost_requests"],
    );
    Ok(())
}
