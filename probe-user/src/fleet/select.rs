//! Which masters the operator wants to see.

use std::path::{Path, PathBuf};

use crate::{named, proc::Proc};

/// Which masters to follow.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Masters whose process id stands in one of these files, as we see the files.
    pub pid_files: Vec<PathBuf>,
    /// Masters with one of these process ids.
    pub masters: Vec<u32>,
}

impl Selection {
    /// Whether every master is followed.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.pid_files.is_empty() && self.masters.is_empty()
    }

    /// Whether this master is, by the process id that we see it under.
    #[must_use]
    pub fn wants(&self, pid: u32) -> bool {
        self.is_all() || self.pids().any(|wanted| wanted == pid)
    }

    /// Every process id that is asked for now.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.masters
            .iter()
            .copied()
            .chain(self.pid_files.iter().filter_map(|file| read_pid(file)))
    }

    /// The pid files that hold this process id.
    pub fn pid_files_of(&self, pid: u32) -> impl Iterator<Item = &PathBuf> {
        self.pid_files
            .iter()
            .filter(move |file| read_pid(file) == Some(pid))
    }

    /// What was named and does not lead to a process that may be an nginx, in words.
    #[must_use]
    pub fn missing(&self, proc: &Proc, names: &[String]) -> Vec<String> {
        let is_nginx = |pid| {
            proc.status(pid)
                .is_some_and(|status| names.contains(&status.comm))
        };
        let wrong = |file: &PathBuf| match named::pid_in(proc.root(), file) {
            Err(error) => Some(format!("pid file {error}")),
            Ok(None) => Some(format!("pid file {} holds no process id", file.display())),
            Ok(Some(pid)) if !is_nginx(pid) => Some(format!(
                "pid file {} is stale: it names process {pid}, which is not a running nginx",
                file.display()
            )),
            Ok(Some(_)) => None,
        };
        let files = self.pid_files.iter().filter_map(wrong);
        let masters = self.masters.iter().filter(|pid| !is_nginx(**pid));
        files
            .chain(masters.map(|pid| format!("process {pid} is not a running nginx")))
            .collect()
    }
}

fn read_pid(path: &Path) -> Option<u32> {
    named::pid_in(Path::new("/proc"), path).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn says_what_is_wrong_with_a_pid_file() {
        let folder = tempfile::tempdir().expect("temp folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("written");
            path
        };
        let selection = Selection {
            pid_files: vec![
                folder.path().join("none"),
                file("empty", ""),
                file("stale", "4194999\n"),
                file("us", &std::process::id().to_string()),
            ],
            masters: vec![],
        };
        let proc = Proc::at("/proc");
        let us = proc.status(std::process::id()).expect("we exist").comm;
        let missing = selection.missing(&proc, &[us]);
        assert_eq!(missing.len(), 3, "{missing:?}");
        assert!(missing[0].ends_with("does not exist"));
        assert!(missing[1].ends_with("holds no process id"));
        assert!(missing[2].contains("is stale: it names process 4194999"));
        assert!(selection.wants(std::process::id()));
        assert!(!selection.wants(1));
        assert!(Selection::default().wants(1));
    }
}
