//! What is done to a running nginx: reload, upgrade, stop, kill.

use std::fs;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};

use crate::nginx::Nginx;
use crate::processes::{Signal, signal, wait_gone};
use crate::wait::{DEADLINE, until, until_true};

impl Nginx {
    /// Sends a signal to the master.
    pub fn signal(&self, what: Signal) -> Result<()> {
        signal(self.master()?, what)
    }

    /// Reloads the configuration and waits until only new workers are left.
    pub fn reload(&self) -> Result<()> {
        let old = self.workers()?;
        self.signal(Signal::HUP)?;
        until_true("only new workers after a reload", DEADLINE, || {
            let now = self.workers()?;
            Ok(now.len() == usize::from(self.builder.workers)
                && self.serving()? == now
                && now.iter().all(|pid| !old.contains(pid)))
        })
    }

    /// Appends what nginx refuses to its configuration; [`Nginx::mend_config`] undoes it.
    pub fn break_config(&self) -> Result<()> {
        let broken = fs::read_to_string(self.config_file())? + "\nno_such_directive on;\n";
        Ok(fs::write(self.config_file(), broken)?)
    }

    /// nginx with the arguments that say which, silent: for a start, or with `-s`.
    #[must_use]
    pub fn command_line(&self) -> Command {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Has nginx test its configuration (`nginx -t`), as an operator does beside the running one.
    pub fn test_config(&self) -> Result<ExitStatus> {
        let output = self.command().arg("-t").output();
        Ok(output.context("starting nginx -t")?.status)
    }

    /// Adds Lua text to what nginx runs while it reads its configuration.
    pub fn run_in_config(&self, lua: &str) -> Result<()> {
        let (path, begin) = (self.config_file(), "init_by_lua_block {");
        let text = fs::read_to_string(&path)?;
        anyhow::ensure!(text.contains(begin), "{} has no {begin}", path.display());
        Ok(fs::write(
            path,
            text.replacen(begin, &format!("{begin} {lua};"), 1),
        )?)
    }

    /// Upgrades the binary (USR2), waits until the new master and its workers run beside the old
    /// ones, and gives the old master's process id, which is for the caller to end.
    pub fn upgrade(&self) -> Result<u32> {
        let old = self.master()?;
        signal(old, Signal::USR2)?;
        until_true("a new master after USR2", DEADLINE, || {
            // The pid file is away while it is renamed.
            Ok(self.master().is_ok_and(|now| now != old))
        })?;
        self.wait_serving()?;
        Ok(old)
    }

    /// Stops gracefully (QUIT) and waits until the master is gone.
    pub fn quit(&mut self) -> Result<()> {
        self.end(Signal::QUIT)
    }

    /// Starts it anew, in the same folder and on the same ports, after it was stopped.
    pub fn start_again(&mut self) -> Result<()> {
        self.end_members()?;
        self.spawn()
            .with_context(|| format!("nginx's error log:\n{}", self.error_log()))
    }

    /// Waits until as many workers serve as are configured, and not the ones of `before`.
    pub fn wait_replaced(&self, before: &[u32]) -> Result<Vec<u32>> {
        let what = format!("other workers than {before:?}");
        until(&what, DEADLINE, || {
            Ok(Some(self.wait_serving()?).filter(|now| now != before))
        })
    }

    /// Kills the master only; its workers become orphans, whose process ids are given.
    pub fn kill_master(&mut self) -> Result<Vec<u32>> {
        let workers = self.workers()?;
        self.end(Signal::KILL)?;
        Ok(workers)
    }

    fn end(&mut self, what: Signal) -> Result<()> {
        let master = self.master()?;
        signal(master, what)?;
        wait_gone(master, DEADLINE)?;
        if let Some(child) = self.child.as_mut() {
            child.wait()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{self, Answer, Load};
    use crate::processes::get;

    #[test]
    fn reloads_and_refuses_a_broken_configuration() -> Result<()> {
        let nginx = Nginx::builder().start()?;
        nginx.reload()?;
        let workers = nginx.workers()?;
        nginx.break_config()?;
        nginx.signal(Signal::HUP)?;
        until_true("the refusal", DEADLINE, || {
            Ok(nginx.error_log().contains("[emerg]"))
        })?;
        assert_eq!(nginx.workers()?, workers);
        nginx.mend_config()?;
        nginx.reload()
    }

    #[test]
    fn upgrades_and_leaves_no_process() -> Result<()> {
        let nginx = Nginx::builder().start()?;
        let old = nginx.upgrade()?;
        assert_eq!(
            nginx.members().len(),
            6,
            "two masters with two workers each"
        );
        signal(old, Signal::QUIT)?;
        wait_gone(old, DEADLINE)?;
        assert_eq!(http::get(nginx.port(), "/fail"), Answer::Status(500));
        let all = nginx.members();
        assert_eq!(all.len(), 3);
        drop(nginx);
        assert!(all.iter().all(|seen| get(seen.pid).is_none()));
        Ok(())
    }

    #[test]
    fn orphans_of_a_killed_master_are_ended_too() -> Result<()> {
        let mut nginx = Nginx::builder().foreground().start()?;
        let orphans = nginx.kill_master()?;
        assert_eq!(orphans.len(), 2);
        assert_eq!(http::get(nginx.port(), "/ok"), Answer::Status(200));
        drop(nginx);
        assert!(orphans.iter().all(|&pid| get(pid).is_none()));
        Ok(())
    }

    #[test]
    fn quits() -> Result<()> {
        let mut nginx = Nginx::builder().start()?;
        nginx.quit()?;
        assert!(nginx.members().is_empty());
        Ok(())
    }

    #[test]
    fn starts_again_in_the_same_place_whatever_its_pid_file_says() -> Result<()> {
        let mut nginx = Nginx::builder().start()?;
        let master = nginx.master()?;
        nginx.quit()?;
        fs::write(nginx.pid_file(), std::process::id().to_string())?;
        assert!(nginx.members().is_empty());
        nginx.start_again()?;
        assert_ne!(nginx.master()?, master);
        assert_eq!(nginx.members().len(), 3);
        Ok(())
    }

    #[test]
    fn reloads_lose_no_request() -> Result<()> {
        let nginx = Nginx::builder().start()?;
        let load = Load::start(nginx.port(), &["/ok", "/"], 10_000, DEADLINE);
        for _ in 0..3 {
            let sent = load.sent();
            nginx.reload()?;
            until_true("requests after a reload", DEADLINE, || {
                Ok(load.sent() > sent + 10)
            })?;
        }
        let counts = load.stop()?;
        assert!(
            counts.statuses.keys().eq([&200]) && counts.broken == 0,
            "{counts:?}"
        );
        Ok(())
    }
}
