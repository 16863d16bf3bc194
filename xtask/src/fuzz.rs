//! `cargo xtask fuzz`: feeds every parser of hostile input with what nobody thought of.
//!
//! The targets are in `tests/fuzz`. What is made here is in `target/fuzz`: inputs found worth
//! keeping in `corpus`, those that show a fault in `found`, and a log of each run.

mod seeds;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nginx_probe_tests::processes::{Signal, signal};
use procfs::process::Process;

use crate::inner;

/// Between two looks at how much processor time a target had.
const LOOK: Duration = Duration::from_millis(200);

/// An input may take two seconds and 512 MB. The longest configurations and lines that are of use
/// are well below 70,000 bytes.
const LIMITS: [&str; 3] = ["-timeout=2", "-rss_limit_mb=512", "-max_len=70000"];

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seconds of processor time for each target
    #[arg(long, value_name = "N", default_value_t = 600)]
    seconds: u64,
    /// Run only these targets
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// `cargo xtask fuzz`.
pub(crate) fn run(repo: &Path, args: &Args) -> Result<()> {
    let all = targets(repo)?;
    if let Some(unknown) = args.targets.iter().find(|name| !all.contains(name)) {
        bail!(
            "no target is called {unknown}; there are: {}",
            all.join(", ")
        );
    }
    let chosen = all
        .iter()
        .filter(|name| args.targets.is_empty() || args.targets.contains(name));
    build(repo)?;
    let scratch = Scratch::make()?;
    let mut found = Vec::new();
    for name in chosen {
        let end = fuzz(repo, name, args.seconds, &scratch)?;
        println!("{name:<14} {end}");
        if end.fault {
            found.push(name.as_str());
        }
    }
    ensure!(
        found.is_empty(),
        "faults in {}: the inputs are in target/fuzz/found; `{} INPUT` shows one again",
        found.join(", "),
        program(repo, "TARGET").display()
    );
    Ok(())
}

/// The names of all targets.
fn targets(repo: &Path) -> Result<Vec<String>> {
    let folder = repo.join("tests/fuzz/targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

fn triple() -> String {
    format!("{}-unknown-linux-gnu", env::consts::ARCH)
}

fn program(repo: &Path, name: &str) -> PathBuf {
    let folder = repo.join("target/fuzz").join(triple());
    folder.join("release").join(name)
}

/// Builds all targets. Without a sanitizer of memory: the parsers have no unsafe code, runs are
/// twice as many, and the limit of memory is the agent's own use of it.
fn build(repo: &Path) -> Result<()> {
    let mut rustup = Command::new("rustup");
    inner::make_foreign(&mut rustup);
    let status = rustup
        .current_dir(repo)
        .args(["run", "nightly", "cargo", "fuzz", "build"])
        .args(["--fuzz-dir", "tests/fuzz", "--target-dir", "target/fuzz"])
        .args(["--sanitizer", "none", "--target", &triple()])
        .status()
        .context("starting rustup")?;
    ensure!(
        status.success(),
        "the targets were not built ({status}). They need a nightly compiler \
         (`rustup toolchain install nightly`), `cargo install cargo-fuzz --locked`, a C++ compiler \
         (`apt-get install g++`), and the kernel half (`cargo xtask build`)"
    );
    Ok(())
}

/// Runs a target until it had its time or found a fault that shows again.
fn fuzz(repo: &Path, name: &str, seconds: u64, scratch: &Scratch) -> Result<End> {
    let time = Duration::from_secs(seconds);
    let mut end = run_for(repo, name, time, scratch)?;
    while end.fault
        && let Some(input) = slow_input(repo, name)?
        && is_fast(repo, name, &input, scratch)?
    {
        // It did not take long, it waited long: for a processor.
        fs::remove_file(&input).with_context(|| format!("removing {}", input.display()))?;
        let rest = time.saturating_sub(end.used);
        end = end.and(&run_for(repo, name, rest, scratch)?);
    }
    Ok(end)
}

/// The input that took too long, by libFuzzer's clock.
fn slow_input(repo: &Path, name: &str) -> Result<Option<PathBuf>> {
    let folder = repo.join("target/fuzz/found");
    let begin = format!("{name}-timeout-");
    for entry in fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&begin) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Whether an input takes less than the limit when it is the only one.
fn is_fast(repo: &Path, name: &str, input: &Path, scratch: &Scratch) -> Result<bool> {
    let status = Command::new(program(repo, name))
        .arg(input)
        .args(LIMITS)
        .env("TMPDIR", &scratch.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("starting {name}"))?;
    Ok(status.success())
}

/// Runs a target once, until it had its time or found a fault.
fn run_for(repo: &Path, name: &str, time: Duration, scratch: &Scratch) -> Result<End> {
    let folder = repo.join("target/fuzz");
    let make = |inside: PathBuf| {
        let path = folder.join(inside);
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        anyhow::Ok(path)
    };
    let corpus = make(Path::new("corpus").join(name))?;
    let found = make("found".into())?;
    let seeds = make(Path::new("seeds").join(name))?;
    seeds::write(repo, name, &seeds)?;

    let log_path = folder.join(format!("{name}.log"));
    let log = File::create(&log_path).with_context(|| format!("making {}", log_path.display()))?;
    let mut command = Command::new(program(repo, name));
    command.arg(&corpus).arg(&seeds).args(LIMITS);
    command.arg(format!("-artifact_prefix={}/{name}-", found.display()));
    command.arg("-print_final_stats=1");
    let words = repo.join(format!("tests/fuzz/dictionaries/{name}.dict"));
    if words.exists() {
        command.arg(format!("-dict={}", words.display()));
    }
    let mut child = command
        .env("TMPDIR", &scratch.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    let used = wait(&mut child, time)?;
    let fault = !child.wait()?.success();
    let log = fs::read(&log_path).with_context(|| format!("reading {}", log_path.display()))?;
    Ok(End::of(&String::from_utf8_lossy(&log), used, fault))
}

/// Waits for the end of a target, and asks for it once it had its time. Gives the time it had.
fn wait(child: &mut Child, time: Duration) -> Result<Duration> {
    let mut used = Duration::ZERO;
    let mut asked = false;
    while child.try_wait()?.is_none() {
        thread::sleep(LOOK);
        used = processor_time(child.id()).unwrap_or(used);
        if used >= time && !asked {
            // libFuzzer ends in good order then.
            signal(child.id(), Signal::USR1)?;
            asked = true;
        }
    }
    Ok(used)
}

fn processor_time(pid: u32) -> Option<Duration> {
    let stat = Process::new(pid.try_into().ok()?).ok()?.stat().ok()?;
    let ticks = (stat.utime + stat.stime) * 1000 / procfs::ticks_per_second();
    (ticks > 0).then(|| Duration::from_millis(ticks))
}

/// How a target ended.
struct End {
    used: Duration,
    runs: u64,
    covered: u64,
    fault: bool,
}

impl End {
    /// This, and another run that went on from it.
    fn and(&self, next: &Self) -> Self {
        Self {
            used: self.used + next.used,
            runs: self.runs + next.runs,
            covered: next.covered.max(self.covered),
            fault: next.fault,
        }
    }

    /// Reads libFuzzer's log.
    fn of(log: &str, used: Duration, fault: bool) -> Self {
        let last = |label: &str| {
            let (_, rest) = log.rsplit_once(label)?;
            rest.split_whitespace().next()?.parse().ok()
        };
        Self {
            used,
            runs: last("stat::number_of_executed_units:").unwrap_or(0),
            covered: last(" cov:").unwrap_or(0),
            fault,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { runs, covered, .. } = self;
        let seconds = self.used.as_secs();
        let found = if self.fault {
            "FOUND A FAULT"
        } else {
            "nothing found"
        };
        write!(
            f,
            "{seconds:>5} s {runs:>11} runs {covered:>6} edges  {found}"
        )
    }
}

/// A folder in memory, for the files that targets write: they end without removing theirs.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            memory.into()
        } else {
            env::temp_dir()
        };
        let folder = folder.join(format!("nginx-probe-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is in memory or in the folder for temporary files: nothing depends on it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_is_read_from_its_log() {
        let log = "#2\tINITED cov: 7 ft: 9 corp: 1/1b\n\
            #65536\tpulse  cov: 1181 ft: 7610 corp: 3055/3601Kb lim: 15810 exec/s: 11320\n\
            ==7== INFO: libFuzzer: exiting as requested\n\
            stat::number_of_executed_units: 65537\nstat::peak_rss_mb:              37\n";
        let end = End::of(log, Duration::from_millis(600_200), false);
        assert_eq!(
            end.to_string(),
            "  600 s       65537 runs   1181 edges  nothing found"
        );
        let end = End::of("no libFuzzer", Duration::ZERO, true);
        assert!(end.to_string().ends_with("FOUND A FAULT"), "{end}");
    }

    #[test]
    fn a_target_ends_when_it_had_its_time() {
        let mut child = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let used = wait(&mut child, Duration::from_millis(100)).unwrap();
        assert!(used >= Duration::from_millis(100), "{used:?}");
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn every_target_is_in_the_manifest() {
        let repo = crate::repository();
        let manifest = fs::read_to_string(repo.join("tests/fuzz/Cargo.toml")).unwrap();
        for name in targets(&repo).unwrap() {
            assert!(
                manifest.contains(&format!("path = \"targets/{name}.rs\"")),
                "{name}"
            );
        }
    }
}
