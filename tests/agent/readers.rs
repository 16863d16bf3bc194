//! Whoever reads the agent's standard output may be slow, full, or gone.

use std::fs;
use std::process::{Child, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use nginx_probe_tests::command::command;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::{self, Answer};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;
use nginx_probe_tests::processes::{Signal, require_root, signal};
use nginx_probe_tests::wait::{DEADLINE, until, until_true};
use tempfile::TempDir;

#[test]
fn a_reader_that_does_not_read_holds_nothing_up() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let mut agent = Unread::start(&nginx, Stdio::piped())?;
    let pipe = agent.child.stdout.take().context("its standard output")?;
    // The least that a pipe holds is a page.
    rustix::pipe::fcntl_setpipe_size(&pipe, 4096)?;
    agent.crash_until_told(&nginx, 4 * 4096)?;
    ensure!(http::get(agent.port, "/healthz") == Answer::Status(200));
    let status = agent.stop()?;
    ensure!(status.success(), "it ended with {status}");
    drop(pipe);
    Ok(())
}

#[test]
fn a_full_disk_behind_standard_output_does_not_end_it() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let full = fs::File::options().write(true).open("/dev/full")?;
    let mut agent = Unread::start(&nginx, full.into())?;
    agent.crash_until_told(&nginx, 4096)?;
    ensure!(http::get(agent.port, "/healthz") == Answer::Status(200));
    let status = agent.stop()?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

#[test]
fn a_reader_that_goes_ends_it() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let mut agent = Unread::start(&nginx, Stdio::piped())?;
    drop(agent.child.stdout.take());
    let _ = nginx.cause(Fault::Abort);
    let status = agent.wait_end()?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

/// An agent whose standard output is not read. Dropping it kills it.
struct Unread {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Unread {
    fn start(nginx: &Nginx, stdout: Stdio) -> Result<Self> {
        require_root()?;
        let (folder, port) = (tempfile::tempdir()?, ports::free()?);
        let mut command = command()?;
        command.args(["run", "--output", "json", "--listen"]);
        command.arg(format!("127.0.0.1:{port}"));
        command.arg("--journal").arg(folder.path().join("journal"));
        command.arg("--pid-file").arg(nginx.pid_file());
        command.stdin(Stdio::null()).stdout(stdout);
        let agent = Self {
            child: command.stderr(Stdio::null()).spawn()?,
            port,
            folder,
        };
        until_true("the agent to be ready", DEADLINE, || {
            Ok(http::get(port, "/healthz") == Answer::Status(200))
        })?;
        Ok(agent)
    }

    /// Lets workers crash until the journal has so many bytes, which also went to standard output.
    fn crash_until_told(&mut self, nginx: &Nginx, bytes: u64) -> Result<()> {
        until_true("the journal to grow", DEADLINE, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("the agent ended with {status}");
            }
            let _ = nginx.cause(Fault::Segv);
            Ok(fs::metadata(self.folder.path().join("journal"))?.len() > bytes)
        })
    }

    fn stop(&mut self) -> Result<ExitStatus> {
        signal(self.child.id(), Signal::TERM)?;
        self.wait_end()
    }

    fn wait_end(&mut self) -> Result<ExitStatus> {
        until("the agent's end", DEADLINE, || Ok(self.child.try_wait()?))
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
