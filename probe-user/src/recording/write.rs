//! Writing a recording, beside everything else that the agent does.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use serde::Serialize;

use super::{Header, MAX_LINE};
use crate::{
    clock::Time,
    facts::Fact,
    privileges::{self, Needs},
};

/// Bytes that are written at once.
const BLOCK: usize = 128 * 1024;
/// Blocks that wait for the disk: 32 MiB.
const MAX_WAITING: usize = 256;
/// How long the agent's end waits for the disk.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Writes a recording. What cannot be written ends it, with one warning, and nothing else.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    block: Vec<u8>,
    /// To the thread that writes; none once the recording is over.
    sender: Option<SyncSender<Vec<u8>>>,
    /// Ends when that thread does.
    done: Receiver<()>,
    /// A tick that changed nothing but the time, not written yet: the last of those since the last
    /// line.
    pending: Option<Time>,
    /// The latest time that was written.
    latest: Time,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Moment {
    Tick(Time),
    Finish(Time),
}

impl Recorder {
    /// Makes the file, which only its owner may read, and begins it.
    ///
    /// # Errors
    /// When it is there already or cannot be made.
    pub fn create(path: &Path, header: &Header) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            bail!("--record needs a file: standard output has the records");
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => anyhow!(
                    "{} is there already, and no recording is written over another file: \
                     name a new one with --record, or remove it",
                    path.display()
                ),
                _ => anyhow!("cannot make the recording {}: {error}", path.display()),
            })?;
        Self::begin(path, file, header)
    }

    fn begin(path: &Path, file: File, header: &Header) -> anyhow::Result<Self> {
        let (sender, blocks) = sync_channel(MAX_WAITING);
        let (end, done) = channel();
        let name = path.to_owned();
        privileges::spawn("recording", Needs::WRITER, move || {
            // Dropped at the thread's end, which is what `finish` waits for.
            let _end = end;
            if let Err(error) = write_all(file, &blocks) {
                over(&name, &format!("cannot write: {error}"));
            }
        })
        .context("cannot start a thread for the recording")?;
        let mut new = Self {
            path: path.to_owned(),
            block: Vec::with_capacity(BLOCK),
            sender: Some(sender),
            done,
            pending: None,
            latest: Time::default(),
        };
        new.line(header);
        new.flush();
        Ok(new)
    }

    /// The correlator is given a fact.
    pub fn fact(&mut self, fact: &Fact) {
        if self.sender.is_none() {
            return;
        }
        self.catch_up();
        self.latest = self.latest.max(fact.time);
        self.line(fact);
    }

    /// The correlator was told the time; whether that changed more than its present.
    pub fn tick(&mut self, now: Time, changed: bool) {
        if !changed {
            self.pending = self.pending.max(Some(now));
            return;
        }
        // A clock that was set back.
        self.pending = self.pending.filter(|before| *before > now);
        self.catch_up();
        self.moment(Moment::Tick(now));
    }

    /// The agent ends.
    pub fn finish(&mut self, now: Time) {
        self.catch_up();
        self.moment(Moment::Finish(now));
        self.flush();
        if self.sender.take().is_none() {
            return;
        }
        if self.done.recv_timeout(LAST_WORDS) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            over(&self.path, "the disk did not take its last part in time");
        }
    }

    /// Hands on what was not written yet. Call it about once a second.
    pub fn flush(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let Some(sender) = &self.sender else {
            return;
        };
        match sender.try_send(block) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.end("the disk does not keep up"),
            // The thread has said why.
            Err(TrySendError::Disconnected(_)) => self.sender = None,
        }
    }

    /// Writes the time that passed without changing anything, when what follows hangs on it.
    fn catch_up(&mut self) {
        if let Some(now) = self.pending.take()
            && now > self.latest
        {
            self.moment(Moment::Tick(now));
        }
    }

    fn moment(&mut self, moment: Moment) {
        let (Moment::Tick(time) | Moment::Finish(time)) = moment;
        self.latest = self.latest.max(time);
        self.line(&moment);
    }

    fn line(&mut self, line: &impl Serialize) {
        if self.sender.is_none() {
            return;
        }
        let before = self.block.len();
        let result = serde_json::to_writer(&mut self.block, line);
        let length = self.block.len() - before;
        if let Err(error) = result {
            self.block.truncate(before);
            self.flush();
            self.end(&format!("what comes next cannot be written: {error}"));
        } else if length > MAX_LINE {
            self.block.truncate(before);
            self.flush();
            self.end(&format!(
                "what comes next takes {length} bytes, more than the {MAX_LINE} of a line"
            ));
        } else {
            self.block.push(b'\n');
            if self.block.len() >= BLOCK {
                self.flush();
            }
        }
    }

    fn end(&mut self, why: &str) {
        self.sender = None;
        self.block = Vec::new();
        over(&self.path, why);
    }
}

fn write_all(mut file: File, blocks: &Receiver<Vec<u8>>) -> io::Result<()> {
    for block in blocks {
        file.write_all(&block)?;
    }
    file.flush()
}

fn over(path: &Path, why: &str) {
    log::warn!(
        "the recording {} ends here: {why}; the agent goes on without it",
        path.display()
    );
}

#[cfg(test)]
impl Recorder {
    /// One whose disk is full.
    pub(super) fn full(header: &Header) -> Self {
        let path = Path::new("/dev/full");
        let file = OpenOptions::new()
            .write(true)
            .open(path)
            .expect("it is there");
        Self::begin(path, file, header).expect("a thread")
    }

    /// Whether nothing is written any more.
    pub(super) const fn is_over(&self) -> bool {
        self.sender.is_none()
    }
}
