//! What the agent was given, kept in a file, and given to a correlator once more.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::command::{command, finish};
use nginx_probe_tests::wait::DEADLINE;
use tempfile::TempDir;

/// The recording of one scenario in one mode.
pub(super) struct Recording {
    folder: TempDir,
    /// Where it is to stay.
    keep: Option<PathBuf>,
}

impl Recording {
    pub(super) fn new(keep: Option<PathBuf>) -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            keep,
        })
    }

    /// The file, which the agent makes.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("recording.jsonl")
    }

    /// Gives what is wrong when a replay does not write what the agent wrote, byte for byte.
    pub(super) fn check(&self, written: &str) -> Result<Option<String>> {
        let replayed = replay(&self.file())?;
        if replayed != written {
            let same = |(one, other): &(&str, &str)| one == other;
            let lines = replayed.lines().zip(written.lines());
            let line = lines.take_while(same).count() + 1;
            return Ok(Some(format!("a replay differs from line {line} on")));
        }
        if let Some(keep) = &self.keep {
            let text = fs::read_to_string(self.file())?;
            fs::write(keep, text).with_context(|| format!("writing {}", keep.display()))?;
        }
        Ok(None)
    }
}

fn replay(file: &Path) -> Result<String> {
    let mut command = command()?;
    command.args(["replay", "--output=json"]).arg(file);
    let replayed = finish(&mut command, DEADLINE)?;
    ensure!(replayed.code == Some(0), "replay: {}", replayed.stderr);
    Ok(replayed.stdout)
}
