//! Every line that came, counted against every line that is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nginx_probe::follow::{
    FollowError, Follower, Followers, Positions, Progress, Reader, Start, Tally,
};
use nginx_probe::rooted::Root;
use nginx_probe_tests::wait::{DEADLINE, until};

/// Lines of which the follower is restarted once.
const RESTART_EVERY: u64 = 4000;
/// The key of a log in the positions.
const INSTANCE: &str = "nginx";

/// Lines, in the order in which they came.
pub struct Lines<'a>(pub &'a mut Vec<String>);

impl Reader<&'static str> for Lines<'_> {
    fn line(&mut self, _: &&'static str, line: &[u8]) {
        self.0.push(String::from_utf8_lossy(line).into_owned());
    }

    fn polled(&mut self, _: &&'static str, _: &Follower, _: Result<Progress, FollowError>) {}
}

/// What one follower after the other was given.
pub struct Came {
    log: PathBuf,
    state: tempfile::TempDir,
    followers: Followers<()>,
    counts: Counts,
    restart_at: u64,
}

#[derive(Default)]
struct Counts {
    numbers: BTreeMap<u64, u64>,
    total: Tally,
    rotations: u64,
    gaps: u64,
    problem: Option<String>,
}

/// All that came, after it was found right.
pub struct Counted {
    counts: Counts,
    answered: u64,
}

impl Counted {
    /// Nothing was lost by the way of rotating itself.
    pub fn all_answered(&self) -> Result<()> {
        let all = self.counts.numbers.keys().copied().eq(1..=self.answered);
        ensure!(
            all,
            "{} of {} requests came",
            self.counts.numbers.len(),
            self.answered
        );
        ensure!(self.counts.gaps == 0, "{} gaps", self.counts.gaps);
        Ok(())
    }
}

impl Reader<()> for Counts {
    fn line(&mut self, (): &(), line: &[u8]) {
        if let Some(number) = number_of(&String::from_utf8_lossy(line)) {
            *self.numbers.entry(number).or_default() += 1;
        }
    }

    fn polled(&mut self, (): &(), _: &Follower, result: Result<Progress, FollowError>) {
        match result {
            Ok(progress) => {
                self.total.torn += progress.read.torn;
                self.total.truncations += progress.read.truncations;
                self.total.skipped_bytes += progress.read.skipped_bytes;
                self.rotations += progress.rotations;
                self.gaps += progress.gaps;
            }
            // Between a rename and the reopening there is no file for a follower that restarts.
            Err(FollowError::Open(problem)) if problem.is_missing() => {}
            Err(error) => self.problem = Some(error.to_string()),
        }
    }
}

impl Came {
    /// Begins at the end of `log`.
    pub fn new(log: &Path) -> Result<Self> {
        let mut came = Self {
            log: log.to_owned(),
            state: tempfile::tempdir()?,
            followers: Followers::new(),
            counts: Counts::default(),
            restart_at: RESTART_EVERY,
        };
        came.start()?;
        Ok(came)
    }

    fn start(&mut self) -> Result<()> {
        let positions = self.positions()?;
        let start = positions
            .get(INSTANCE, "access", &self.log)
            .map_or(Start::End, |position| Start::Resume(position.clone()));
        let root = Arc::new(Root::at(Path::new("/"))?);
        self.followers = Followers::new();
        self.followers
            .insert((), Follower::new(root, self.log.clone(), start));
        Ok(())
    }

    fn positions(&self) -> Result<Positions> {
        // A program that another test starts has the lock too, until it runs.
        until("the positions", DEADLINE, || {
            let (positions, problem) = Positions::open(self.state.path());
            Ok(problem.is_none().then_some(positions))
        })
    }

    /// Waits for at most `limit` and reads.
    pub fn follow(&mut self, limit: Duration) -> Result<()> {
        if self.followers.wait_blocking(limit) {
            self.followers.poll(&mut self.counts);
        }
        match self.counts.problem.take() {
            Some(problem) => bail!(problem),
            None => Ok(()),
        }
    }

    /// Goes on with another follower, from the stored position, every few thousand lines.
    pub fn restart_sometimes(&mut self) -> Result<()> {
        if (self.counts.numbers.len() as u64) < self.restart_at {
            return Ok(());
        }
        self.restart_at += RESTART_EVERY;
        let ((), follower) = self.followers.iter().next().context("no follower")?;
        let position = follower.position().context("no position")?;
        let mut positions = self.positions()?;
        positions.set(INSTANCE, "access", &self.log, position);
        positions.save()?;
        // The one before has ended when the next begins.
        drop(positions);
        self.start()
    }

    /// Reads the rest of what `answered` requests left, and compares.
    pub fn finish(mut self, answered: u64) -> Result<Counted> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            self.follow(Duration::from_millis(50))?;
            let there = self.there()?;
            let lost: Vec<_> = there
                .keys()
                .filter(|number| !self.counts.numbers.contains_key(number))
                .collect();
            // A buffered log is complete a little later.
            let complete = lost.is_empty()
                && (there.len() as u64 == answered || self.counts.total.truncations > 0);
            if complete {
                break;
            }
            ensure!(
                Instant::now() < end,
                "of {} lines that are there, {} are lost: {:?}",
                there.len(),
                lost.len(),
                lost.iter().take(9).collect::<Vec<_>>()
            );
        }
        let twice: Vec<_> = self
            .counts
            .numbers
            .iter()
            .filter(|(_, count)| **count != 1)
            .collect();
        ensure!(
            twice.is_empty(),
            "{} came more than once: {:?}",
            twice.len(),
            twice.iter().take(9).collect::<Vec<_>>()
        );
        let total = self.counts.total;
        eprintln!(
            "{answered} answers, {} lines there, {} came, {} rotations, {} truncations, {} gaps, {} torn",
            self.there()?.len(),
            self.counts.numbers.len(),
            self.counts.rotations,
            total.truncations,
            self.counts.gaps,
            total.torn
        );
        ensure!(total.torn == 0 && total.skipped_bytes == 0, "{total:?}");
        ensure!(
            self.counts.rotations + total.truncations > 0,
            "nothing was rotated"
        );
        Ok(Counted {
            counts: self.counts,
            answered,
        })
    }

    /// The lines that are in the log and its earlier files.
    fn there(&self) -> Result<BTreeMap<u64, u64>> {
        let folder = self.log.parent().context("the log has no folder")?;
        let name = self
            .log
            .file_name()
            .context("the log has no name")?
            .to_string_lossy();
        let mut there = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&*name) {
                let text = fs::read_to_string(entry.path())?;
                for number in text.lines().filter_map(number_of) {
                    *there.entry(number).or_default() += 1;
                }
            }
        }
        Ok(there)
    }
}

fn number_of(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("GET /r/")?;
    rest.split_once(' ')?.0.parse().ok()
}
