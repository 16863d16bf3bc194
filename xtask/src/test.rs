//! `cargo xtask test`: every check there is, in the order of their cost.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::build;
use crate::inner;
use crate::kernel_half;
use crate::setup::{self, Ready};
use crate::tidy;

const END_TO_END: &str = "nginx-probe-tests";
/// How long the end of the output may come after the end of cargo.
const LEFT_BEHIND: Duration = Duration::from_secs(5);

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the end-to-end tests, which need root
    #[arg(long)]
    host_only: bool,
    /// Run the tests this many times, to find those that fail sometimes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Run only tests whose name contains one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

/// `cargo xtask test`.
pub(crate) fn run(repo: &Path, args: &Args) -> Result<()> {
    if !args.host_only && !rustix::process::geteuid().is_root() {
        bail!(
            "the end-to-end tests load programs into the kernel, which needs root: run this as \
             root, or leave them out with `cargo xtask test --host-only`"
        );
    }
    let ready = setup::ensure()?;
    let mut parts = Parts::default();
    let mut tests = Tests::default();

    parts.run("format", || {
        succeed(inner::host_cargo(repo).args(["fmt", "--check"]))?;
        let fuzz = ["fmt", "--check", "--manifest-path", "tests/fuzz/Cargo.toml"];
        succeed(inner::host_cargo(repo).args(fuzz))
    })?;
    parts.run("tidy", || tidy::run(repo))?;
    parts.run("kernel half", || {
        if !kernel_half::lint(repo, &ready)? {
            println!("rustup's way: built, not linted");
        }
        kernel_half::build(repo, &ready, false).map(drop)
    })?;
    parts.run("lints", || succeed(&mut clippy(repo)))?;
    if !args.host_only {
        parts.run("agent", || build::agent(repo, false).map(drop))?;
    }
    for round in 1..=args.repeat {
        let name = |part: &str| match args.repeat {
            1 => part.to_owned(),
            of => format!("{part}, round {round} of {of}"),
        };
        parts.run(&name("host tests"), || {
            let which = ["--workspace", "--exclude", END_TO_END];
            tests.run(&mut test(repo, &ready, &which, &args.filters))
        })?;
        if !args.host_only {
            parts.run(&name("end-to-end tests"), || {
                tests.run(&mut test(
                    repo,
                    &ready,
                    &["--package", END_TO_END],
                    &args.filters,
                ))
            })?;
        }
    }

    if !args.filters.is_empty() && tests.passed == 0 {
        bail!("no test has {} in its name", args.filters.join(" or "));
    }
    println!(
        "\nall passed: {}; {} tests{} in {:.0} s",
        parts.passed.join(", "),
        tests.passed,
        if tests.ignored == 0 {
            String::new()
        } else {
            format!(" ({} ignored)", tests.ignored)
        },
        parts.started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn clippy(repo: &Path) -> Command {
    let mut cargo = inner::host_cargo(repo);
    cargo
        .args(["clippy", "--workspace", "--all-targets", "--target-dir"])
        .arg(build::target_folder(repo))
        .args(["--", "-D", "warnings"]);
    cargo
}

fn test(repo: &Path, ready: &Ready, which: &[&str], filters: &[String]) -> Command {
    let mut cargo = inner::host_cargo(repo);
    cargo
        .args(["test", "--no-fail-fast", "--target-dir"])
        .arg(build::target_folder(repo))
        .args(which)
        .arg("--")
        .args(filters)
        .env("NGINX_PROBE_TOOLS", ready.tools.folder());
    cargo
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().context("starting cargo")?;
    if !status.success() {
        bail!("the reason is above ({status})");
    }
    Ok(())
}

/// The parts of a run so far.
struct Parts {
    started: Instant,
    passed: Vec<String>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            passed: Vec::new(),
        }
    }
}

impl Parts {
    fn run(&mut self, name: &str, part: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n== {name}");
        let started = Instant::now();
        part().with_context(|| {
            let seconds = started.elapsed().as_secs_f64();
            match self.passed.as_slice() {
                [] => format!("{name} failed after {seconds:.0} s"),
                passed => format!(
                    "{name} failed after {seconds:.0} s (passed before: {})",
                    passed.join(", ")
                ),
            }
        })?;
        self.passed.push(name.to_owned());
        Ok(())
    }
}

/// Counts of tests over all runs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tests {
    passed: u64,
    ignored: u64,
}

impl Tests {
    /// Runs `cargo test`, passing on all it says.
    fn run(&mut self, cargo: &mut Command) -> Result<()> {
        let mut child = cargo
            .stdout(Stdio::piped())
            .spawn()
            .context("starting cargo")?;
        let stdout = child.stdout.take().context("no pipe to cargo")?;
        let (sender, counted) = mpsc::channel();
        thread::spawn(move || sender.send(pass_on(stdout)));
        let status = child.wait().context("waiting for cargo")?;
        let counted = counted.recv_timeout(LEFT_BEHIND);
        if !status.success() {
            bail!("the reason is above ({status})");
        }
        let counted = counted.context("a test left a process behind that holds its output")??;
        self.passed += counted.passed;
        self.ignored += counted.ignored;
        Ok(())
    }

    /// Takes a line such as `test result: ok. 4 passed; 0 failed; 1 ignored; …`.
    fn count(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        for part in result.split(['.', ';']) {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// Passes on what cargo writes and counts the tests in it.
fn pass_on(stdout: ChildStdout) -> std::io::Result<Tests> {
    let mut tests = Tests::default();
    let mut ours = std::io::stdout();
    for line in BufReader::new(stdout).split(b'\n') {
        let mut line = line?;
        tests.count(&String::from_utf8_lossy(&line));
        line.push(b'\n');
        ours.write_all(&line)?;
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_add_up_over_test_binaries() {
        let mut tests = Tests::default();
        let lines = "running 5 tests
test a ... ok
test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 38 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 1.50s";
        lines.lines().for_each(|line| tests.count(line));
        let expected = Tests {
            passed: 42,
            ignored: 1,
        };
        assert_eq!(tests, expected);
    }

    #[test]
    fn a_process_left_behind_by_a_test_is_an_error_not_a_hang() {
        let mut leaving = Command::new("sh");
        leaving.args(["-c", "sleep 20 &"]);
        let error = Tests::default().run(&mut leaving).unwrap_err();
        assert!(error.to_string().contains("left a process"), "{error}");
    }

    #[test]
    fn a_failed_part_names_itself_and_what_passed() {
        let mut parts = Parts::default();
        parts.run("format", || Ok(())).unwrap();
        let error = parts.run("lints", || bail!("a warning")).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.starts_with("lints failed after"), "{error}");
        assert!(error.contains("(passed before: format)"), "{error}");
        assert!(error.ends_with("a warning"), "{error}");
    }
}
