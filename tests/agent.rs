//! The agent itself under bad conditions: it says in one clear line what is wrong, and never panics.

#[path = "agent/readers.rs"]
mod readers;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::command::{Finished, binary, command, finish, isolated};
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::{self};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, require_root};
use nginx_probe_tests::records::{is_exit, pid, wait_agreement};
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn without_privileges_it_says_which_it_needs() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let (_folder, mut command) = as_nobody("exec \"$@\"")?;
    command.args([
        "run",
        "--output",
        "json",
        "--listen",
        "none",
        "--journal",
        "none",
    ]);
    let finished = finish(command.arg("--pid-file").arg(nginx.pid_file()), DEADLINE)?;
    ensure_refused(&finished, &["root", "CAP_BPF", "privilege"])
}

#[test]
fn doctor_without_privileges_under_hidepid_still_reports() -> Result<()> {
    // A new instance of /proc: remounting the present one would hide processes from the whole host.
    let (_folder, mut command) = as_nobody("mount -t proc -o hidepid=2 proc /proc && exec \"$@\"")?;
    let finished = finish(command.args(["doctor", "--output", "json"]), DEADLINE)?;
    ensure_orderly(&finished)?;
    ensure!(
        matches!(finished.code, Some(1 | 2)),
        "something is wrong here: {finished:?}"
    );
    let report: Value = serde_json::from_str(&finished.stdout).context("doctor's JSON")?;
    ensure!(mentions(&report, "lifecycle"), "{report:#}");
    Ok(())
}

#[test]
fn a_listen_address_that_is_taken_is_named() -> Result<()> {
    require_root()?;
    let nginx = Nginx::builder().start()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let mut command = command()?;
    command.args(["run", "--journal", "none", "--listen", &address]);
    let finished = finish(command.arg("--pid-file").arg(nginx.pid_file()), DEADLINE)?;
    ensure_refused(&finished, &[&address])
}

/// The agent as a `.socket` unit starts it: descriptor 3 is a socket that others opened.
fn handed(socket: &impl AsFd) -> Result<Command> {
    let socket = socket.as_fd();
    rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::empty())?;
    let mut command = isolated(Command::new("bash"));
    let script = format!(
        "exec 3<&{}; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"",
        socket.as_raw_fd()
    );
    command.args(["-c", &script, "bash"]).arg(binary()?);
    command.args([
        "run",
        "--listen",
        "none",
        "--journal",
        "none",
        "--state",
        "none",
    ]);
    Ok(command)
}

#[test]
fn a_socket_that_was_handed_over_is_served() -> Result<()> {
    require_root()?;
    let socket = TcpListener::bind("127.0.0.1:0")?;
    let port = socket.local_addr()?.port();
    let mut agent = handed(&socket)?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let served = until_true("the agent's answer", DEADLINE, || {
        ensure!(agent.try_wait()?.is_none(), "it ended");
        Ok(http::get_text(port, "/healthz").is_ok_and(|(status, _)| status == 200))
    });
    agent.kill()?;
    agent.wait()?;
    served
}

#[test]
fn what_is_handed_over_and_no_tcp_socket_is_named() -> Result<()> {
    require_root()?;
    let folder = tempfile::tempdir()?;
    let socket = UnixListener::bind(folder.path().join("socket"))?;
    let finished = finish(&mut handed(&socket)?, DEADLINE)?;
    ensure_refused(&finished, &["handed over", "ListenStream="])
}

#[test]
fn an_access_log_that_is_missing_or_a_folder_is_named() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let folder = tempfile::tempdir()?;
    for path in [folder.path().join("missing.log"), folder.path().to_owned()] {
        let pid_file = nginx.pid_file();
        let arguments = [
            "--pid-file".as_ref(),
            pid_file.as_os_str(),
            "--access-log".as_ref(),
            path.as_os_str(),
        ];
        let mut agent = Agent::spawn(arguments)?;
        let name = path.to_string_lossy().into_owned();
        agent.wait_stderr(&format!("a line about {name}"), |line| line.contains(&name))?;
        ensure!(!agent.told().contains("panicked"), "{}", agent.told());
    }
    Ok(())
}

#[test]
fn it_waits_for_an_nginx_that_is_not_there_yet() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    nginx.quit()?;
    ensure!(!nginx.pid_file().exists(), "nginx left its pid file");
    ensure_found_later(&mut nginx)
}

#[test]
fn a_stale_pid_file_is_not_followed() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    nginx.quit()?;
    // A live process that is no nginx: this test.
    fs::write(nginx.pid_file(), format!("{}\n", std::process::id()))?;
    ensure_found_later(&mut nginx)
}

#[test]
fn doctor_lists_the_sources() -> Result<()> {
    require_root()?;
    let mut command = command()?;
    let finished = finish(command.args(["doctor", "--output", "json"]), DEADLINE)?;
    ensure_orderly(&finished)?;
    ensure!(
        matches!(finished.code, Some(0 | 1)),
        "root can look: {finished:?}"
    );
    let report: Value = serde_json::from_str(&finished.stdout).context("doctor's JSON")?;
    for source in ["lifecycle", "signals", "oom", "access_log"] {
        ensure!(mentions(&report, source), "no {source} in {report:#}");
    }
    Ok(())
}

#[test]
fn the_listener_answers() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    assert_eq!(agent.healthz()?, 200);
    assert_eq!(http::get_text(agent.port(), "/")?.0, 200);
    assert_eq!(http::get_text(agent.port(), "/nowhere")?.0, 404);
    let metrics = agent.metrics()?;
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    for name in ["nginx_workers", "nginx_probe_build_info"] {
        assert!(
            agent.sample(name, &[])?.is_some(),
            "no {name} in:\n{metrics}"
        );
    }
    agent.wait_count("nginx_probe_source_up", &[("source", "lifecycle")], 1)?;
    agent.stop().map(|_| ())
}

#[test]
fn both_signals_end_it_in_order() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    for signal in [Signal::INT, Signal::TERM] {
        Agent::watch(&nginx)?.stop_by(signal)?;
    }
    Ok(())
}

#[test]
fn the_journal_keeps_the_death_after_the_agent() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let _ = nginx.cause(Fault::Abort);
    let exit = agent.wait_for("the crash", |r| is_exit(r, "crash"))?;
    let journal = fs::read_to_string(agent.journal());
    agent.stop()?;
    let kept = journal?.lines().any(|line| {
        serde_json::from_str(line).is_ok_and(|record: Value| pid(&record) == pid(&exit))
    });
    ensure!(kept, "the journal has no record of {exit}");
    Ok(())
}

/// Starts the agent while the nginx is stopped: it says so, and finds the nginx once it is started.
fn ensure_found_later(nginx: &mut Nginx) -> Result<()> {
    require_root()?;
    let pid_file = nginx.pid_file();
    let mut agent = Agent::spawn(["--pid-file".as_ref(), pid_file.as_os_str()])?;
    let name = pid_file.to_string_lossy().into_owned();
    agent.wait_stderr(&format!("a line about {name}"), |line| line.contains(&name))?;
    nginx.start_again()?;
    agent.wait_ready()?;
    agent.wait_count("nginx_workers", &[("nginx", &name)], 2)?;
    let _ = nginx.cause(Fault::Segv);
    agent.wait_for("the crash", |r| is_exit(r, "crash"))?;
    wait_agreement(&agent, nginx)?;
    agent.stop().map(|_| ())
}

/// A command that runs the shell text `before` in a mount namespace of its own with, as its
/// arguments, the agent run as nobody. The folder holds a copy of the agent that nobody may read.
fn as_nobody(before: &str) -> Result<(TempDir, Command)> {
    require_root()?;
    let folder = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o755))
        .tempdir()?;
    let copy = folder.path().join("nginx-probe");
    fs::copy(binary()?, &copy).context("copying the agent")?;
    fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
    let mut command = isolated(Command::new("unshare"));
    command.args(["--mount", "sh", "-c", before, "sh"]);
    command
        .args([
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ])
        .arg(copy);
    command.current_dir(Path::new("/"));
    Ok((folder, command))
}

/// It ended with a failure, and one line of standard error says one of `words`.
fn ensure_refused(finished: &Finished, words: &[&str]) -> Result<()> {
    ensure_orderly(finished)?;
    ensure!(finished.code != Some(0), "this ought to fail: {finished:?}");
    let said = finished
        .stderr
        .lines()
        .any(|line| words.iter().any(|word| line.contains(word)));
    ensure!(said, "no line says any of {words:?}: {finished:?}");
    Ok(())
}

/// It ended by itself, without a panic.
fn ensure_orderly(finished: &Finished) -> Result<()> {
    ensure!(finished.code.is_some(), "it died of a signal: {finished:?}");
    let panicked =
        finished.stderr.contains("panicked") || finished.stderr.contains("RUST_BACKTRACE");
    ensure!(!panicked, "it panicked: {finished:?}");
    Ok(())
}

/// Whether any string of the JSON value is this one.
fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| mentions(item, name)),
        Value::Object(members) => members
            .iter()
            .any(|(key, item)| key == name || mentions(item, name)),
        _ => false,
    }
}
