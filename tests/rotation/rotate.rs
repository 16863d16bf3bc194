//! The two ways in which logs are rotated: by logrotate itself, and by its steps without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::Signal;
use nginx_probe_tests::tools::Tools;

/// How a log is rotated.
pub enum Way {
    /// Rename, then `USR1`.
    Rename,
    /// Copy, then truncate.
    CopyTruncate,
    /// The program, with a script that sends `USR1`.
    Logrotate(PathBuf),
    /// The program, told to copy and truncate.
    LogrotateCopyTruncate(PathBuf),
}

/// logrotate, where there is one: `LOGROTATE`, beside the unpacked nginx, or installed.
pub fn logrotate() -> Result<PathBuf> {
    let unpacked = Tools::find()?.nginx().with_file_name("logrotate");
    let named = std::env::var_os("LOGROTATE").map(PathBuf::from);
    named
        .into_iter()
        .chain([unpacked, "/usr/sbin/logrotate".into()])
        .find(|path| path.is_file())
        .context("there is no logrotate: run `cargo xtask setup`, or install it")
}

impl Way {
    /// Rotates once.
    pub fn rotate(&self, nginx: &Nginx, log: &Path) -> Result<()> {
        match self {
            Self::Rename => {
                make_room(log)?;
                fs::rename(log, numbered(log, 1))?;
                nginx.signal(Signal::USR1)
            }
            Self::CopyTruncate => {
                make_room(log)?;
                fs::copy(log, numbered(log, 1))?;
                Ok(fs::OpenOptions::new().write(true).open(log)?.set_len(0)?)
            }
            Self::Logrotate(program) => {
                let pid = nginx.pid_file();
                let script = format!(
                    "create\npostrotate\nkill -USR1 $(cat {})\nendscript",
                    pid.display()
                );
                run(program, log, &script)
            }
            Self::LogrotateCopyTruncate(program) => run(program, log, "copytruncate"),
        }
    }
}

fn run(program: &Path, log: &Path, how: &str) -> Result<()> {
    let folder = log.parent().context("the log has no folder")?;
    let config = folder.join("logrotate.conf");
    fs::write(
        &config,
        format!("{} {{\nrotate 30\nmissingok\n{how}\n}}\n", log.display()),
    )?;
    let output = Command::new(program)
        .env("LD_LIBRARY_PATH", Tools::find()?.library_path())
        .arg("--force")
        .arg("--state")
        .arg(folder.join("logrotate.state"))
        .arg(&config)
        .output()
        .with_context(|| program.display().to_string())?;
    ensure!(
        output.status.success(),
        "logrotate: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn make_room(log: &Path) -> Result<()> {
    for number in (1..30).rev() {
        if numbered(log, number).exists() {
            fs::rename(numbered(log, number), numbered(log, number + 1))?;
        }
    }
    Ok(())
}

fn numbered(log: &Path, number: u32) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}
