//! Commands: the agent's binary, and running what ought to end by itself.

use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::wait::until;

/// The agent's binary: `NGINX_PROBE_BIN`, else the workspace's release build.
pub fn binary() -> Result<PathBuf> {
    present(env::var_os("NGINX_PROBE_BIN").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/nginx-probe"),
        PathBuf::from,
    ))
}

fn present(path: PathBuf) -> Result<PathBuf> {
    ensure!(
        path.is_file(),
        "there is no agent at {}: run `cargo xtask build`, or set NGINX_PROBE_BIN",
        path.display()
    );
    Ok(path)
}

/// The agent's command, without any setting from our own environment.
pub fn command() -> Result<Command> {
    Ok(isolated(Command::new(binary()?)))
}

/// `command` without the environment variables that set the agent's flags.
#[must_use]
pub fn isolated(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("NGINX_PROBE_") {
            command.env_remove(name);
        }
    }
    command
}

/// What a command wrote that ended by itself.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status; none when it died of a signal.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a command that ought to end by itself, and kills it when it has not after `limit`.
pub fn finish(command: &mut Command, limit: Duration) -> Result<Finished> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.with_context(|| format!("starting {command:?}"))?;
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let ended = until(&format!("the end of {command:?}"), limit, || {
        Ok(child.try_wait()?)
    });
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |thread: Option<JoinHandle<String>>| {
        thread
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    let status = ended.with_context(|| format!("it wrote:\n{stdout}\n{stderr}"))?;
    Ok(Finished {
        code: status.code(),
        stdout,
        stderr,
    })
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is worth showing all the same.
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_does_not_end_is_killed_and_shown() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo here I hang; exec sleep 60"]);
        let error = finish(&mut command, Duration::from_millis(300)).map_err(|e| format!("{e:?}"));
        assert!(error.is_err_and(|text| text.contains("here I hang")));
    }

    #[test]
    fn a_missing_agent_is_said_at_once() {
        let error = present("/nonexistent/nginx-probe".into()).map_err(|e| e.to_string());
        assert!(error.is_err_and(|text| text.contains("no agent at /nonexistent/nginx-probe")));
    }
}
