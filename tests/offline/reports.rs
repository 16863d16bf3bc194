//! Running the command and reading its report.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::command::{Finished, command, finish};
use serde_json::Value;

pub const LIMIT: Duration = Duration::from_mins(1);

/// `nginx-probe logs` with these arguments, to its end.
pub fn logs<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Finished> {
    finish(command()?.arg("logs").args(arguments), LIMIT)
}

/// Its report of these files, which must all be read.
pub fn report<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Value> {
    let mut command = command()?;
    command.args(["logs", "--output", "json"]).args(arguments);
    let finished = finish(&mut command, LIMIT)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    ensure!(finished.stderr.is_empty(), "{finished:?}");
    read(&finished.stdout)
}

/// Its report, with these arguments, of what it is given on standard input.
pub fn report_of_stdin(arguments: &[&str], input: &[u8]) -> Result<Value> {
    let mut child = command()?
        .args(["logs", "--output", "json"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut pipe = child.stdin.take().context("no standard input")?;
    pipe.write_all(input)?;
    drop(pipe);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    read(&String::from_utf8(output.stdout)?)
}

/// One record on one line, with what every record has.
pub fn read(stdout: &str) -> Result<Value> {
    ensure!(stdout.lines().count() == 1, "{stdout}");
    let report: Value = serde_json::from_str(stdout)?;
    ensure!(report["type"] == "log_report" && report["time"].is_string());
    ensure!(report.get("instance").is_some() && report.get("host").is_some());
    Ok(report)
}

/// `how`, `cause` and count of each kind of failure, in order of their names.
pub fn kinds(report: &Value) -> Vec<(String, String, u64)> {
    let kinds = report["access"]["failures"].as_array();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut kinds: Vec<_> = kinds
        .into_iter()
        .flatten()
        .map(|kind| {
            (
                text(&kind["how"]),
                text(&kind["cause"]),
                kind["count"].as_u64().unwrap_or(0),
            )
        })
        .collect();
    kinds.sort();
    kinds
}
