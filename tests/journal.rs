//! The journal of a real agent, and what `nginx-probe incidents` says of it afterwards.

#[path = "journal/full_disk.rs"]
mod full_disk;

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::command::{Finished, binary, command, finish, isolated};
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, require_root, signal};
use nginx_probe_tests::records::{is, is_exit, opens, pid};
use nginx_probe_tests::wait::DEADLINE;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn an_incident_is_shown_after_the_agents_end() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let (folder, agent) = watch(&nginx, &[])?;
    let journal = folder.path().join("journal.jsonl");
    let _ = nginx.cause(Fault::Segv);
    let exit = agent.wait_for("the crash", |r| is_exit(r, "crash"))?;
    let opened = agent.wait_for("the incident", |r| opens(r, "worker_crash"))?;
    let id = opened["id"].as_str().context("its id")?.to_owned();

    let running = incidents(&journal, &[])?;
    ensure!(!running.stdout.contains("left open"), "{running:?}");
    ensure!(running.stdout.contains("  open  "), "{running:?}");
    agent.stop()?;

    let list = incidents(&journal, &["--since", "24h"])?;
    ensure!(list.code == Some(0), "{list:?}");
    let line = list.stdout.lines().find(|line| line.starts_with(&id));
    let line = line.with_context(|| format!("{id} in {list:?}"))?;
    ensure!(
        line.contains("left open") && line.contains("worker_crash"),
        "{list:?}"
    );
    let fits = |line: &str| line.chars().count() <= 80;
    ensure!(list.stdout.lines().all(fits), "{list:?}");
    ensure!(
        list.stdout
            .contains("1 worker crashed in ngx_http_free_request"),
        "{list:?}"
    );

    let half = id.get(..id.len() - 1).unwrap_or(&id);
    let one = incidents(&journal, &[half])?;
    ensure!(one.code == Some(0), "{one:?}");
    let worker = pid(&exit).context("its pid")?;
    for words in [
        &format!("worker {worker} crashed: SIGSEGV"),
        "1 × a worker ended by SIGSEGV  (lifecycle)",
        "in ngx_http_free_request",
        "nobody saw the end",
        "→ ",
        &nginx.pid_file().display().to_string(),
    ] {
        ensure!(one.stdout.contains(words), "{words} in {}", one.stdout);
    }

    let json = incidents(&journal, &["--output", "json", &id])?;
    let object: Value = serde_json::from_str(&json.stdout).context("one object")?;
    ensure!(
        object["id"] == id.as_str() && object["left_open"] == true,
        "{object}"
    );
    let records = object["records"].as_array().context("records")?;
    ensure!(records.contains(&exit), "{object}");
    Ok(())
}

#[test]
fn an_incident_that_is_over_has_its_duration() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let (folder, agent) = watch(&nginx, &["--incident-quiet", "300ms"])?;
    let journal = folder.path().join("journal.jsonl");
    let worker = *nginx.workers()?.first().context("a worker")?;
    signal(worker, Signal::KILL)?;
    let closed = agent.wait_for("the incident's end", |r| {
        is(r, "incident") && r["state"] == "closed"
    })?;
    let list = incidents(&journal, &["--cause", "worker_killed", "--output", "json"])?;
    let listed: Value = serde_json::from_str(&list.stdout).context("one line")?;
    ensure!(listed == closed, "as in the journal: {list:?}");
    let text = incidents(&journal, &[])?.stdout;
    ensure!(text.contains("< 1s") && !text.contains("open:"), "{text}");
    let none = incidents(&journal, &["--cause", "fd_exhaustion"])?;
    ensure!(
        none.code == Some(0) && none.stdout.lines().count() == 1,
        "{none:?}"
    );
    ensure!(none.stdout.starts_with("no incident "), "{none:?}");
    agent.stop().map(|_| ())
}

#[test]
fn a_second_agent_on_one_journal_is_refused() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let (folder, agent) = watch(&nginx, &[])?;
    let journal = folder.path().join("journal.jsonl");
    let mut second = command()?;
    second.args(["run", "--listen", "none", "--state", "none", "--journal"]);
    let finished = finish(second.arg(&journal), DEADLINE)?;
    ensure!(finished.code == Some(2), "{finished:?}");
    let words = format!("another agent (process {}) writes it", agent.pid());
    ensure!(finished.stderr.contains(&words), "{finished:?}");
    ensure!(
        finished.stderr.contains(&journal.display().to_string()),
        "{finished:?}"
    );
    agent.kill9()?;

    // Killed, and free at once.
    let pid_file = nginx.pid_file();
    let arguments = [
        "--pid-file".as_ref(),
        pid_file.as_os_str(),
        "--journal".as_ref(),
        journal.as_os_str(),
    ];
    Agent::start(arguments)?.stop().map(|_| ())
}

#[test]
fn a_small_journal_is_rotated_and_read_as_one() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let limits = ["--journal-size", "4KiB", "--journal-keep", "50"];
    let (folder, agent) = watch(&nginx, &limits)?;
    let journal = folder.path().join("journal.jsonl");
    for n in 1..=8 {
        let _ = nginx.cause(Fault::Segv);
        agent.wait_until("one crash more", DEADLINE, |records| {
            (records.iter().filter(|r| is_exit(r, "crash")).count() >= n).then_some(())
        })?;
        nginx.wait_serving()?;
    }
    let told = agent.stop()?;
    ensure!(
        folder.path().join("journal.jsonl.2").exists(),
        "rotated more than once"
    );
    let names = (1..=50)
        .rev()
        .map(|n| folder.path().join(format!("journal.jsonl.{n}")));
    let mut kept = Vec::new();
    for name in names.chain([journal.clone()]).filter(|name| name.exists()) {
        let text = fs::read_to_string(&name)?;
        for line in text.lines() {
            kept.push(serde_json::from_str::<Value>(line).context("a whole line")?);
        }
    }
    ensure!(kept == told, "each record once, in order: {kept:#?}");
    let list = incidents(&journal, &["--output", "json"])?;
    ensure!(
        list.stdout.lines().count() == 1,
        "one incident of all deaths: {list:?}"
    );
    Ok(())
}

#[test]
fn whoever_may_read_the_journal_needs_no_privilege() -> Result<()> {
    require_root()?;
    let folder = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o755))
        .tempdir()?;
    let copy = folder.path().join("nginx-probe");
    fs::copy(binary()?, &copy).context("copying the agent")?;
    fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
    let journal = folder.path().join("journal");
    let as_nobody = |journal: &Path| {
        let mut command = isolated(Command::new("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&copy).args(["incidents", "--journal"]);
        finish(command.arg(journal).current_dir("/"), DEADLINE)
    };

    let finished = as_nobody(&journal)?;
    ensure!(finished.code == Some(2), "{finished:?}");
    ensure!(finished.stderr.contains("No such file"), "{finished:?}");
    fs::write(&journal, "")?;
    fs::set_permissions(&journal, Permissions::from_mode(0o640))?;
    let finished = as_nobody(&journal)?;
    ensure!(finished.code == Some(2), "{finished:?}");
    ensure!(
        finished.stderr.contains("Permission denied"),
        "{finished:?}"
    );
    fs::set_permissions(&journal, Permissions::from_mode(0o644))?;
    let finished = as_nobody(&journal)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    ensure!(
        finished.stdout.starts_with("no incident is in the journal"),
        "{finished:?}"
    );
    Ok(())
}

#[test]
fn completions_know_it() -> Result<()> {
    let finished = finish(command()?.args(["completions", "bash"]), DEADLINE)?;
    for word in ["incidents", "--since", "worker_oom_kill", "--journal-keep"] {
        ensure!(finished.stdout.contains(word), "{word}");
    }
    Ok(())
}

/// An agent whose journal is in a folder that outlives it.
fn watch(nginx: &Nginx, more: &[&str]) -> Result<(TempDir, Agent)> {
    let folder = tempfile::tempdir()?;
    let (pid_file, journal) = (nginx.pid_file(), folder.path().join("journal.jsonl"));
    let mut arguments = vec!["--pid-file".as_ref(), pid_file.as_os_str()];
    arguments.extend(["--journal".as_ref(), journal.as_os_str()]);
    arguments.extend(more.iter().map(OsStr::new));
    let agent = Agent::start(arguments)?;
    Ok((folder, agent))
}

/// `nginx-probe incidents` of that journal.
fn incidents(journal: &Path, arguments: &[&str]) -> Result<Finished> {
    let mut command = command()?;
    command.args(["incidents", "--journal"]).arg(journal);
    finish(command.args(arguments), DEADLINE)
}
