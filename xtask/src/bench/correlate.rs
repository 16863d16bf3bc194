//! How many facts the correlator takes a second, the memory that it keeps, and what recording and
//! replaying them takes.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::command::command;
use serde_json::Value;

use super::figures::{Sorted, Table, figure};
use super::usage::Memory;
use crate::build::target_folder;
use crate::inner;

const ROUNDS: u32 = 3;
const LEAST_FACTS: f64 = 200_000.0;
const LIMIT_MIB: f64 = 32.0;
/// For whoever gives the facts, in milliseconds: a batch is 20 ms of them.
const LIMIT_BATCH_MS: f64 = 20.0;

pub(super) fn measure(repo: &Path) -> Result<Vec<Table>> {
    let folder = tempfile::Builder::new()
        .prefix("nginx-probe-bench-")
        .tempdir()
        .context("making a folder for the recording")?;
    eprintln!("building what gives the facts, and giving them in {ROUNDS} rounds …");
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let recording = folder.path().join(round.to_string());
        rounds.push(Round::run(repo, &recording)?);
        std::fs::remove_file(&recording)?;
    }
    let of = |name: &str| -> Result<Sorted> {
        let values: Result<Vec<f64>> = rounds.iter().map(|round| round.figure(name)).collect();
        Ok(Sorted::new(values?))
    };
    let mut table = Table::new(
        "correlate: answers, lines and messages of 64 routes and 200 clients, medians of three rounds",
    );
    table.row("facts", format!("{:.0}", of("facts")?.median()));
    table.row("failed answers", format!("{:.0}", of("failed")?.median()));
    table.row("counted", format!("{:.0}", of("counted")?.median()));
    let speed = of("facts_per_s")?.median();
    table.row("facts a second of processor time", figure(speed, ""));
    table.at_least("the same, times 200,000", speed / LEAST_FACTS, 1.0);
    let most = of("added_mib")?.max();
    table.below("resident memory added, most", most, LIMIT_MIB, "MiB");
    let mut recorded = Table::new("correlate: a recording of a million facts");
    let bytes = of("bytes_per_fact")?.median();
    recorded.row("bytes a fact", figure(bytes, ""));
    let speed = of("recorded_per_s")?.median();
    recorded.row("recorded a second of processor time", figure(speed, ""));
    recorded.at_least("the same, times 200,000", speed / LEAST_FACTS, 1.0);
    let slowest = of("slowest_batch_ms")?.median();
    recorded.below("the slowest 4,000 facts", slowest, LIMIT_BATCH_MS, "ms");
    let replayed = Sorted::new(rounds.iter().map(|round| round.replayed_per_s));
    let what = "replayed a second, reading and writing included";
    recorded.row(what, figure(replayed.median(), ""));
    let resident = Sorted::new(rounds.iter().map(|round| round.replay_mib));
    let what = "replay, resident at most";
    recorded.row(what, figure(resident.max(), "MiB"));
    Ok(vec![table, recorded])
}

struct Round {
    figures: Value,
    replayed_per_s: f64,
    replay_mib: f64,
}

impl Round {
    fn run(repo: &Path, recording: &Path) -> Result<Self> {
        let output = inner::host_cargo(repo)
            .args(["bench", "--quiet", "--package", "nginx-probe"])
            .arg("--target-dir")
            .arg(target_folder(repo))
            .args(["--bench", "correlate", "--", "--recording"])
            .arg(recording)
            .stderr(Stdio::inherit())
            .output()
            .context("starting cargo")?;
        ensure!(output.status.success(), "the benchmark failed, see above");
        let figures: Value = serde_json::from_slice(&output.stdout).context("its figures")?;
        let mut child = command()?
            .args(["replay", "--output", "json"])
            .arg(recording)
            .stdin(Stdio::null())
            .stdout(File::create("/dev/null")?)
            .spawn()
            .context("starting the replay")?;
        let (began, mut peak) = (Instant::now(), 0.0_f64);
        let status = loop {
            // A process that is ending has no memory.
            if let Ok(memory) = Memory::of(child.id()) {
                peak = peak.max(memory.peak);
            }
            if let Some(status) = child.try_wait()? {
                break status;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        };
        let elapsed = began.elapsed();
        ensure!(status.success(), "the replay ended with {status}");
        let mut round = Self {
            figures,
            replayed_per_s: 0.0,
            replay_mib: peak,
        };
        round.replayed_per_s = round.figure("recorded")? / elapsed.as_secs_f64();
        Ok(round)
    }

    fn figure(&self, name: &str) -> Result<f64> {
        let value = self.figures[name].as_f64();
        value.with_context(|| format!("no {name} in {}", self.figures))
    }
}
