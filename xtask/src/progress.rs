//! Numbered steps, and long commands whose progress is seen.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How many of a failed command's last lines are shown.
const TAIL: usize = 25;
/// Between two signs of life when standard error is not a terminal.
const QUIET: Duration = Duration::from_secs(10);
/// Between two redraws of the line on a terminal.
const REDRAW: Duration = Duration::from_millis(500);

/// Counts the steps of one task.
pub(crate) struct Steps {
    total: usize,
    done: usize,
}

impl Steps {
    /// A task of `total` steps.
    pub(crate) fn new(total: usize) -> Self {
        Self { total, done: 0 }
    }

    /// Does one step and prints its line: `[2/4] unpacking the compiler … 9.8 s`.
    pub(crate) fn step<T>(
        &mut self,
        title: &str,
        work: impl FnOnce(&Step) -> Result<T>,
    ) -> Result<T> {
        self.done += 1;
        let step = Step {
            label: format!("[{}/{}] {title} …", self.done, self.total),
            started: Instant::now(),
            terminal: io::stderr().is_terminal(),
        };
        step.redraw("");
        let result = work(&step);
        let end = if result.is_ok() { "" } else { " failed after" };
        step.line(&format!(
            "{end} {:.1} s",
            step.started.elapsed().as_secs_f64()
        ));
        result
    }

    /// Prints the line of a step that was already done.
    pub(crate) fn skip(&mut self, title: &str) {
        self.done += 1;
        eprintln!("[{}/{}] {title}: in place", self.done, self.total);
    }
}

/// One step under way.
pub(crate) struct Step {
    label: String,
    started: Instant,
    terminal: bool,
}

impl Step {
    /// Runs `command` to its end, showing elapsed time and its newest line of output.
    ///
    /// # Errors
    /// When it cannot be started or does not succeed; then with the last lines of its output.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        let program = command.get_program().to_string_lossy().into_owned();
        let (reader, writer) = io::pipe().context("making a pipe")?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().context("sharing a pipe")?)
            .stderr(writer);
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        // The command keeps its copies of the pipe's write end; without this the end of the
        // output would never be seen.
        command.stdout(Stdio::null()).stderr(Stdio::null());

        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                if sender
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    break;
                }
            }
        });
        let tail = self.follow(&lines, &mut child);
        let status = child
            .wait()
            .with_context(|| format!("waiting for {program}"))?;
        check(&program, status, &tail)
    }

    /// Takes lines until there are no more. A process that the command left behind may hold the
    /// pipe open: it is not waited for.
    fn follow(&self, lines: &mpsc::Receiver<String>, child: &mut Child) -> VecDeque<String> {
        let mut tail = VecDeque::with_capacity(TAIL);
        let mut said = Instant::now();
        loop {
            match lines.recv_timeout(REDRAW) {
                Ok(line) => {
                    if tail.len() == TAIL {
                        tail.pop_front();
                    }
                    tail.push_back(line);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                        return tail;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return tail,
            }
            let every = if self.terminal { REDRAW } else { QUIET };
            if said.elapsed() >= every {
                said = Instant::now();
                let newest = tail.back().map_or("", |line| line.trim());
                let elapsed = self.started.elapsed().as_secs();
                if self.terminal {
                    self.redraw(&format!(" {elapsed} s  {newest}"));
                } else {
                    self.line(&format!(" {elapsed} s  {newest}"));
                }
            }
        }
    }

    /// Replaces the line on a terminal; prints nothing elsewhere.
    fn redraw(&self, text: &str) {
        if self.terminal {
            // Without automatic wrapping, so that a long line stays one line.
            eprint!("\r\x1b[K\x1b[?7l{}{text}\x1b[?7h", self.label);
            let _ = io::stderr().flush();
        }
    }

    fn line(&self, text: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        eprintln!("{clear}{}{text}", self.label);
    }
}

/// Runs `command` to its end and gives what it wrote to standard output.
///
/// # Errors
/// When it cannot be started or does not succeed; then with the last lines of its output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {program}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<String> = stdout
        .lines()
        .chain(stderr.lines())
        .map(str::to_owned)
        .collect();
    let skipped = lines.len().saturating_sub(TAIL);
    check(&program, output.status, lines.iter().skip(skipped))?;
    Ok(stdout)
}

fn check<'a>(
    program: &str,
    status: ExitStatus,
    tail: impl IntoIterator<Item = &'a String>,
) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    for line in tail {
        said.push_str("\n    ");
        said.push_str(line.trim_end());
    }
    bail!("{program} ended with {status}; its last lines:{said}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failed_command_shows_its_last_lines_only() {
        let script = "seq 1 100; echo the reason >&2; exit 3";
        let in_step = Steps::new(1)
            .step("failing", |step| step.run(&mut shell(script)))
            .unwrap_err();
        let plain = output(&mut shell(script)).unwrap_err();
        for error in [in_step, plain] {
            let message = format!("{error:#}");
            assert!(message.contains("exit status: 3"), "{message}");
            assert!(message.contains("the reason"), "{message}");
            assert!(message.contains("\n    100\n"), "{message}");
            assert!(!message.contains("\n    12\n"), "{message}");
        }
    }

    #[test]
    fn a_process_left_behind_is_not_waited_for() {
        let started = Instant::now();
        Steps::new(1)
            .step("leaving a process", |step| {
                step.run(&mut shell("sleep 20 &"))
            })
            .unwrap();
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_command_that_succeeds_gives_its_output() {
        assert_eq!(
            output(&mut shell("echo yes; echo no >&2")).unwrap(),
            "yes\n"
        );
    }
}
