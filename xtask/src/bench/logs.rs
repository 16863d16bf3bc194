//! `nginx-probe logs` beside what else counts the lines of a log: mawk and mtail.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::command::command;
use nix::sys::resource::{UsageWho, getrusage};
use tempfile::TempDir;

use super::figures::{Pairs, Sorted, Table, figure};
use super::made_log::write_log;
use super::peers::Peers;
use super::usage::Memory;

const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 1024 * MIB;
/// mtail is given less: it would take minutes.
const SIZE_FOR_MTAIL: u64 = 24 * MIB;
/// How often the log goes through a pipe, one after the other.
const THROUGH_PIPE: u64 = 5;
const ROUNDS: u32 = 5;

const LEAST_TIMES_MAWK: f64 = 3.0;
const LEAST_TIMES_MTAIL: f64 = 40.0;
const LEAST_TIMES_ONE_THREAD: f64 = 1.5;
const LIMIT_PEAK_MIB: f64 = 32.0;

const MAWK: &str = "{ c[$9]++ } END { for (k in c) print k, c[k] }";
const MTAIL: &str = "counter responses by code\n\
                     /\" (?P<code>\\d{3}) \\d+ \"/ {\n  responses[$code]++\n}\n";

pub(super) fn measure() -> Result<Vec<Table>> {
    let peers = Peers::find()?;
    let folder = tempfile::Builder::new()
        .prefix("nginx-probe-bench-")
        .tempdir()
        .context("making a folder for the logs")?;
    eprintln!("writing a log of {} MiB …", SIZE / MIB);
    let log = folder.path().join("access.log");
    let lines = write_log(&log, SIZE)?;
    eprintln!("counting it in {ROUNDS} rounds, each way in turn …");
    Ok(vec![speed(&peers, &folder, &log, lines)?, memory(&log)?])
}

fn speed(peers: &Peers, folder: &TempDir, log: &Path, lines: u64) -> Result<Table> {
    let part = folder.path().join("part.log");
    let size = fs::metadata(log)?.len();
    let part_size = copy_part(log, &part, SIZE_FOR_MTAIL)?;
    fs::write(folder.path().join("status.mtail"), MTAIL)?;

    let (mut mawk, mut mtail, mut both) = (Pairs::default(), Pairs::default(), Pairs::default());
    for _ in 0..ROUNDS {
        let theirs = run(Command::new(&peers.mawk).arg(MAWK).arg(log))?;
        let ours = run(&mut logs(&["--threads", "1"], log)?)?;
        let all = run(&mut logs(&[], log)?)?;
        let slowest = run(&mut peers.mtail(folder.path(), &part))?;
        ensure!(
            mawk_counts(&theirs.stdout) == our_counts(&ours.stdout)?,
            "mawk and nginx-probe count differently:\n{}\n{}",
            theirs.stdout,
            ours.stdout
        );
        mawk.push(rate(size, theirs.cpu), rate(size, ours.cpu));
        // It is free to use every processor too.
        mtail.push(rate(part_size, slowest.elapsed), rate(size, all.elapsed));
        both.push(rate(size, ours.elapsed), rate(size, all.elapsed));
    }

    let mut table = Table::new("logs: a combined log of 1 GiB, medians of five rounds");
    table.row("lines", lines.to_string());
    let speed = |table: &mut Table, what: &str, rates: Sorted| {
        table.row(what, figure(rates.median(), "MiB/s"));
    };
    speed(
        &mut table,
        "mawk '{c[$9]++}', of processor time",
        mawk.without(),
    );
    speed(
        &mut table,
        "mtail, one expression, as time goes",
        mtail.without(),
    );
    speed(
        &mut table,
        "logs, one thread, of processor time",
        mawk.with(),
    );
    speed(&mut table, "logs, one thread, as time goes", both.without());
    speed(
        &mut table,
        "logs, every processor, as time goes",
        both.with(),
    );
    let one = "one thread, times mawk's speed";
    table.at_least(one, mawk.ratios().median(), LEAST_TIMES_MAWK);
    let all = "every processor, times mtail's speed";
    table.at_least(all, mtail.ratios().median(), LEAST_TIMES_MTAIL);
    let all = "every processor, times one thread's speed";
    table.at_least(all, both.ratios().median(), LEAST_TIMES_ONE_THREAD);
    Ok(table)
}

fn memory(log: &Path) -> Result<Table> {
    let mut table = Table::new("logs: the most memory it ever holds (VmHWM)");
    let mut child = quiet(&mut logs(&[], log)?)?;
    let peak = peak(&mut child)?;
    table.below("a file of 1 GiB", peak, LIMIT_PEAK_MIB, "MiB");
    table.below(
        "5 GiB through a pipe",
        through_pipe(log)?,
        LIMIT_PEAK_MIB,
        "MiB",
    );
    Ok(table)
}

fn through_pipe(log: &Path) -> Result<f64> {
    let mut cat = Command::new("cat");
    for _ in 0..THROUGH_PIPE {
        cat.arg(log);
    }
    let mut cat = cat.stdout(Stdio::piped()).spawn().context("starting cat")?;
    let pipe = cat.stdout.take().context("cat has no output")?;
    let mut child = quiet(logs(&[], Path::new("-"))?.stdin(pipe))?;
    let peak = peak(&mut child)?;
    ensure!(cat.wait()?.success(), "cat failed");
    Ok(peak)
}

fn quiet(command: &mut Command) -> Result<Child> {
    let child = command.stdout(Stdio::null()).spawn();
    child.with_context(|| format!("starting {command:?}"))
}

/// The most memory of a process until it ends, in MiB.
fn peak(child: &mut Child) -> Result<f64> {
    let mut peak = f64::NAN;
    loop {
        // A process that is ending has none.
        if let Ok(memory) = Memory::of(child.id()) {
            peak = peak.max(memory.peak);
        }
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "nginx-probe logs ended with {status}");
            return Ok(peak);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn logs(options: &[&str], log: &Path) -> Result<Command> {
    let mut command = command()?;
    command
        .args(["logs", "--output", "json"])
        .args(options)
        .arg(log);
    Ok(command)
}

/// What a command took and wrote.
struct Run {
    elapsed: Duration,
    cpu: Duration,
    stdout: String,
}

/// Runs a command to its end. No other child of ours may end meanwhile.
fn run(command: &mut Command) -> Result<Run> {
    let (before, began) = (children()?, Instant::now());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {command:?}"))?;
    let mut stdout = String::new();
    let mut pipe = child.stdout.take().context("it has no output")?;
    pipe.read_to_string(&mut stdout)
        .context("reading its output")?;
    let status = child.wait()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(Run {
        elapsed: began.elapsed(),
        cpu: children()?.saturating_sub(before),
        stdout,
    })
}

/// Processor time of all children that ended.
fn children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")?;
    let mut sum = Duration::ZERO;
    for time in [usage.user_time(), usage.system_time()] {
        sum += Duration::from_secs(u64::try_from(time.tv_sec())?)
            + Duration::from_micros(u64::try_from(time.tv_usec())?);
    }
    Ok(sum)
}

/// In MiB a second.
#[allow(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / MIB as f64 / time.as_secs_f64()
}

fn mawk_counts(stdout: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (status, count) = line.split_once(' ')?;
        Some((status.to_owned(), count.parse().ok()?))
    };
    stdout.lines().filter_map(pair).collect()
}

fn our_counts(stdout: &str) -> Result<BTreeMap<String, u64>> {
    let report: serde_json::Value = serde_json::from_str(stdout)?;
    let responses = report["access"]["responses"].as_object();
    let responses = responses.context("the report has no responses")?;
    let pair = |(status, count): (&String, &serde_json::Value)| {
        Ok((status.clone(), count.as_u64().context("a count")?))
    };
    responses.iter().map(pair).collect()
}

/// The beginning of a file, to the end of a line; its size.
fn copy_part(from: &Path, to: &Path, size: u64) -> Result<u64> {
    let mut part = Vec::new();
    File::open(from)?.take(size).read_to_end(&mut part)?;
    let end = part
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    part.truncate(end);
    fs::write(to, &part)?;
    Ok(u64::try_from(part.len())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_with_a_line() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (log, part) = (folder.path().join("log"), folder.path().join("part"));
        fs::write(&log, "one\ntwo\nthree\n")?;
        assert_eq!(copy_part(&log, &part, 10)?, 8);
        assert_eq!(fs::read_to_string(part)?, "one\ntwo\n");
        Ok(())
    }

    #[test]
    fn counts_of_both_are_read() -> Result<()> {
        let ours = our_counts(r#"{"access":{"responses":{"200":3,"500":1}}}"#)?;
        assert_eq!(mawk_counts("500 1\n200 3\n"), ours);
        assert!(our_counts("{}").is_err());
        Ok(())
    }
}
