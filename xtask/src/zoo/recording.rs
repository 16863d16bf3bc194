//! What the agent was given, kept in a file, and given to a correlator once more.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use nginx_probe_tests::command::{command, finish};
use nginx_probe_tests::tools::Tools;
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
    pub(super) fn check(&self, nginx: &Path, written: &str) -> Result<Option<String>> {
        let replayed = replay(&self.file())?;
        if replayed != written {
            let same = |(one, other): &(&str, &str)| one == other;
            let lines = replayed.lines().zip(written.lines());
            let line = lines.take_while(same).count() + 1;
            return Ok(Some(format!("a replay differs from line {line} on")));
        }
        if let Some(keep) = &self.keep {
            self.keep(nginx, keep)
                .with_context(|| format!("writing {}", keep.display()))?;
        }
        Ok(None)
    }

    /// Compressed, and without the names of this host, so that what is made again differs in what
    /// happened alone.
    fn keep(&self, nginx: &Path, to: &Path) -> Result<()> {
        let tools = Tools::find()?.path("").display().to_string();
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(self.file())?
            .replace(&nginx.display().to_string(), "/srv/zoo")
            .replace(tools.trim_end_matches('/'), "")
            .replace(&format!("\"host\":\"{host}\""), "\"host\":\"zoo\"");
        let mut file = GzEncoder::new(File::create(to)?, Compression::best());
        file.write_all(text.as_bytes())?;
        file.finish()?;
        Ok(())
    }
}

fn replay(file: &Path) -> Result<String> {
    let mut command = command()?;
    command.args(["replay", "--output=json"]).arg(file);
    let replayed = finish(&mut command, DEADLINE)?;
    ensure!(replayed.code == Some(0), "replay: {}", replayed.stderr);
    Ok(replayed.stdout)
}
