//! A journal on a disk that is full for a while.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nginx_probe::clock::Time;
use nginx_probe::facts::{Reload, ReloadResult};
use nginx_probe::records::{Body, Record};
use nginx_probe::sinks::journal::{Journal, Limits};
use nginx_probe::sinks::metrics::Metrics;
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http;
use nginx_probe_tests::mounted::Mounted;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::require_root;
use nginx_probe_tests::records::is_exit;
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::Value;

const LARGE: Limits = Limits {
    size: 64 << 20,
    keep: 4,
};

fn record(n: u32) -> Record {
    let (result, generation) = (ReloadResult::Ok, n);
    let body = Body::Reload(Reload {
        result,
        generation,
        detail: None,
    });
    Record::new(Time::now(), "/run/nginx.pid".into(), "host".into(), body)
}

/// The numbers of the records in a file; an error when a line that is none is not a torn one.
fn numbers(journal: &Path) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for line in fs::read_to_string(journal)?.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(value) => numbers.extend(value["generation"].as_u64()),
            Err(error) => ensure!(error.is_eof(), "more than a torn line: {line}"),
        }
    }
    Ok(numbers)
}

/// Fills what is left of the disk to the last byte.
fn fill(at: &Path) -> Result<()> {
    use std::io::Write as _;
    let mut file = fs::File::create(at)?;
    while file.write(&[b'x'; 512]).is_ok_and(|count| count > 0) {}
    Ok(())
}

#[test]
fn what_finds_no_room_is_counted_and_spoils_nothing() -> Result<()> {
    require_root()?;
    let folder = tempfile::tempdir()?;
    let _mounted = Mounted::tmpfs(folder.path(), "64k")?;
    let (journal, filler) = (folder.path().join("journal"), folder.path().join("filler"));
    let (metrics, mut n) = (Metrics::new(), 0);
    let lost = metrics.journal_lost();
    let mut open = Journal::open(&journal, LARGE, metrics.journal_lost())?;
    for round in 1..=3 {
        fill(&filler)?;
        let before = lost.get();
        while lost.get() < before + 5 {
            n += 1;
            open.append(&record(n));
            ensure!(n < 10_000, "the disk is not full");
        }
        fs::remove_file(&filler)?;
        for _ in 0..5 {
            n += 1;
            open.append(&record(n));
        }
        ensure!(
            lost.get() == before + 5,
            "round {round}: there is room again"
        );
        let found = numbers(&journal)?;
        ensure!(found.is_sorted(), "{found:?}");
        let whole = u64::from(n) - lost.get();
        ensure!(found.len() as u64 == whole, "{} of {whole}", found.len());
        ensure!(found.last() == Some(&n.into()), "{found:?}");
    }
    Ok(())
}

#[test]
fn rotation_makes_room_on_a_full_disk() -> Result<()> {
    require_root()?;
    let folder = tempfile::tempdir()?;
    let _mounted = Mounted::tmpfs(folder.path(), "64k")?;
    let journal = folder.path().join("journal");
    let (size, keep) = (8 << 10, 2);
    let metrics = Metrics::new();
    let mut open = Journal::open(&journal, Limits { size, keep }, metrics.journal_lost())?;
    for n in 0..2000 {
        open.append(&record(n));
    }
    ensure!(metrics.journal_lost().get() == 0);
    ensure!(numbers(&journal)?.last() == Some(&1999));
    Ok(())
}

#[test]
fn an_agent_starts_on_a_full_disk_and_goes_on() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let folder = tempfile::tempdir()?;
    let _mounted = Mounted::tmpfs(folder.path(), "32k")?;
    let (journal, filler) = (folder.path().join("journal"), folder.path().join("filler"));
    fill(&filler)?;
    let pid_file = nginx.pid_file();
    let mut agent = Agent::start([
        "--pid-file".as_ref(),
        pid_file.as_os_str(),
        "--journal".as_ref(),
        journal.as_os_str(),
    ])?;
    let lost = "nginx_probe_journal_records_lost_total";
    let _ = nginx.cause(Fault::Abort);
    agent.wait_for("the crash", |r| is_exit(r, "crash"))?;
    agent.wait_sample(lost, &[], |count| count > 0.5)?;
    let name = journal.display().to_string();
    let warned = |line: &str| line.contains(&name) && line.contains("No space left");
    agent.wait_stderr("a warning", warned)?;
    ensure!(http::get(agent.port(), "/healthz") == http::Answer::Status(200));

    fs::remove_file(&filler).context("making room")?;
    nginx.wait_serving()?;
    let _ = nginx.cause(Fault::Exit);
    until_true("a death in the journal", DEADLINE, || {
        Ok(fs::read_to_string(&journal)?.contains("\"error_exit\""))
    })?;
    agent.wait_stderr("the end of it", |line| line.contains("takes records again"))?;
    let said = agent.told();
    ensure!(said.matches("No space left").count() == 1, "once: {said}");
    agent.stop().map(|_| ())
}
