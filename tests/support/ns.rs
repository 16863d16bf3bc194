//! A process in mount and pid namespaces of its own, as in a container.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::Result;

use crate::processes;

/// A command that runs `program` as process 1 of new namespaces, with a `/proc` to match.
///
/// `unshare` (util-linux) stays as the parent, in our namespaces; [`first_process`] finds the program.
#[must_use]
pub fn command(program: &OsStr) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--mount-proc"])
        .arg(program);
    command
}

/// Our own id for the process 1 of the namespaces that `unshare` made, once it is there.
///
/// Until it has executed its program it is another `unshare`: that one does not count.
pub fn first_process(unshare: u32) -> Result<Option<u32>> {
    Ok(processes::children(unshare)
        .into_iter()
        .find(|seen| !seen.title.starts_with("unshare "))
        .map(|seen| seen.pid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nginx::Nginx;
    use crate::processes::get;

    #[test]
    fn nginx_runs_under_a_pid_of_its_own_and_ours_is_found() -> Result<()> {
        let nginx = Nginx::builder().own_namespaces().start()?;
        let master = nginx.master()?;
        assert!(get(master).is_some_and(|seen| seen.title.starts_with("nginx: master")));
        assert_eq!(std::fs::read_to_string(nginx.pid_file())?.trim(), "1");
        assert_eq!(nginx.workers()?.len(), 2);
        Ok(())
    }
}
