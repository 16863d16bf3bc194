//! Whole lines to something that may fail for a while.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Writes whole lines, and keeps count of what was not written.
pub(super) struct Lines<W> {
    out: W,
    /// What was written last does not end with a newline.
    torn: bool,
    /// The last line was not written; of such lines in a row so many.
    failing: bool,
    missing: u64,
}

/// What came of a line.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was written.
    Written,
    /// It was written, after so many that were not.
    Again(u64),
    /// It was not written, the one before was.
    Fails(io::Error),
    /// It was not written, and neither was the one before.
    StillFails(io::Error),
}

impl<W: Write> Lines<W> {
    /// Writes to `out`, which ends within a line when it is `torn`.
    pub(super) const fn new(out: W, torn: bool) -> Self {
        Self {
            out,
            torn,
            failing: false,
            missing: 0,
        }
    }

    /// Writes a line that has its newline, in one write where that is possible.
    pub(super) fn write(&mut self, line: &str) -> Outcome {
        match self.put(line) {
            Ok(()) if std::mem::take(&mut self.failing) => {
                Outcome::Again(std::mem::take(&mut self.missing))
            }
            Ok(()) => Outcome::Written,
            Err(error) => self.fail(error),
        }
    }

    /// Counts a line that there was nothing to write to.
    pub(super) fn fail(&mut self, error: io::Error) -> Outcome {
        self.missing += 1;
        self.trouble(error)
    }

    /// Nothing can be written now; no line is missing by that.
    pub(super) fn trouble(&mut self, error: io::Error) -> Outcome {
        if std::mem::replace(&mut self.failing, true) {
            Outcome::StillFails(error)
        } else {
            Outcome::Fails(error)
        }
    }

    /// Ends the last line when it is torn.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.torn { self.put("") } else { Ok(()) }
    }

    /// What is written to.
    pub(super) const fn out(&self) -> &W {
        &self.out
    }

    /// Goes on with something else, which ends within a line when it is `torn`.
    pub(super) fn renew(&mut self, out: W, torn: bool) {
        self.out = out;
        self.torn = torn;
    }

    fn put(&mut self, line: &str) -> io::Result<()> {
        let whole;
        let mut rest = if self.torn {
            whole = format!("\n{line}");
            whole.as_bytes()
        } else {
            line.as_bytes()
        };
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let (written, left) = rest.split_at_checked(count).unwrap_or((rest, &[]));
                    self.torn = written.last() != Some(&b'\n');
                    rest = left;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }
}

impl Outcome {
    /// Says that `what` begins to fail, or works again; nothing in between.
    pub(super) fn warn(&self, what: impl Display) {
        match self {
            Self::Written | Self::StillFails(_) => {}
            Self::Fails(error) => {
                log::warn!("cannot write to {what}: {error}; what follows is missing there");
            }
            Self::Again(missing) => {
                log::warn!("{what} takes records again; {missing} are missing there");
            }
        }
    }

    /// Whether the reader is gone for good.
    pub(super) fn is_gone(&self) -> bool {
        let (Self::Fails(error) | Self::StillFails(error)) = self else {
            return false;
        };
        error.kind() == io::ErrorKind::BrokenPipe
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Read as _, pipe},
    };

    use rustix::io::ioctl_fionbio;

    use super::*;

    #[test]
    fn a_failure_begins_once_and_ends_once() {
        let (mut reader, writer) = pipe().expect("a pipe");
        ioctl_fionbio(&writer, true).expect("non-blocking");
        let mut lines = Lines::new(writer, false);
        let line = format!("{}\n", "x".repeat(50_000));
        assert!(matches!(lines.write(&line), Outcome::Written));
        // The pipe takes a part of this one.
        assert!(matches!(lines.write(&line), Outcome::Fails(_)));
        for _ in 0..2 {
            assert!(matches!(lines.write(&line), Outcome::StillFails(_)));
        }
        ioctl_fionbio(&reader, true).expect("non-blocking");
        let mut text = Vec::new();
        assert!(reader.read_to_end(&mut text).is_err(), "it is still open");
        assert!(matches!(lines.write("whole\n"), Outcome::Again(3)));
        assert!(matches!(lines.write("next\n"), Outcome::Written));
        drop(lines);
        reader.read_to_end(&mut text).expect("the rest");
        assert!(text.ends_with(b"x\nwhole\nnext\n"), "a line of its own");
    }

    #[test]
    fn a_full_disk_is_not_a_reader_that_is_gone() {
        let full = File::options().write(true).open("/dev/full").expect("it");
        let outcome = Lines::new(full, false).write("x\n");
        assert!(matches!(&outcome, Outcome::Fails(_)) && !outcome.is_gone());

        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        assert!(Lines::new(writer, false).write("x\n").is_gone());
    }
}
