//! The correlator, and the recording of all that it is given.

use std::ops::Deref;

use crate::{
    clock::Time,
    correlator::{Correlator, Failed},
    facts::Fact,
    options::RunOptions,
    recording::{Header, Recorder},
    records::Record,
};

/// A correlator that is recorded where that was asked for. Nothing reaches it but through this.
pub(super) struct Recorded {
    correlator: Correlator,
    recorder: Option<Recorder>,
}

impl Recorded {
    /// Begins; without a source that could prove causes the agent is `blind`.
    ///
    /// # Errors
    /// When the recording cannot be made.
    pub(super) fn start(options: &RunOptions, blind: bool) -> anyhow::Result<Self> {
        let responses = options.responses.unwrap_or(false);
        let header = Header::new(options.host(), options.quiet(), blind, responses);
        let path = options.record.as_deref();
        Ok(Self {
            correlator: header.correlator(),
            recorder: path
                .map(|path| Recorder::create(path, &header))
                .transpose()?,
        })
    }

    pub(super) fn fact(&mut self, fact: Fact) -> Vec<Record> {
        if let Some(recorder) = &mut self.recorder {
            recorder.fact(&fact);
        }
        self.correlator.fact(fact)
    }

    pub(super) fn tick(&mut self, now: Time) -> Vec<Record> {
        let before = self.correlator.extent();
        let records = self.correlator.tick(now);
        if let Some(recorder) = &mut self.recorder {
            let changed = !records.is_empty() || self.correlator.extent() != before;
            recorder.tick(now, changed);
        }
        records
    }

    pub(super) fn finish(&mut self, now: Time) -> Vec<Record> {
        if let Some(recorder) = &mut self.recorder {
            recorder.finish(now);
        }
        self.correlator.finish(now)
    }

    pub(super) fn take_failures(&mut self) -> Vec<Failed> {
        self.correlator.take_failures()
    }

    /// Hands on what of the recording was not written yet.
    pub(super) fn flush(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
    }
}

impl Deref for Recorded {
    type Target = Correlator;

    fn deref(&self) -> &Correlator {
        &self.correlator
    }
}
