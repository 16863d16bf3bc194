//! What one line says.

use super::field::{Field, NO_SLOT, SLOTS};
use super::format::Escape;
use super::request;
use super::time;
use super::upstream::Attempts;

/// The values of a line, as they stand in it. Escapes are undone by [`Escape::unescape`]; numbers
/// and times are read when they are asked for.
#[derive(Debug, Clone)]
pub struct Entry<'line> {
    line: &'line [u8],
    given: u32,
    escape: Escape,
    spans: [(usize, usize); SLOTS],
}

impl Default for Entry<'_> {
    fn default() -> Self {
        Self {
            line: b"",
            given: 0,
            escape: Escape::Default,
            spans: [(0, 0); SLOTS],
        }
    }
}

impl<'line> Entry<'line> {
    /// The whole line.
    #[must_use]
    pub fn line(&self) -> &'line [u8] {
        self.line
    }

    /// A value as it stands in the line; none when the format does not have it.
    #[must_use]
    #[inline]
    pub fn get(&self, field: Field) -> Option<&'line [u8]> {
        if self.given & (1 << field.slot()) == 0 {
            return None;
        }
        let (start, end) = *self.spans.get(usize::from(field.slot()))?;
        self.line.get(start..end)
    }

    /// [`Entry::get`], without a missing value: `-` or empty, by the escape mode.
    #[must_use]
    pub fn present(&self, field: Field) -> Option<&'line [u8]> {
        let missing: &[u8] = match self.escape {
            Escape::Default => b"-",
            Escape::Json | Escape::None => b"",
        };
        self.get(field).filter(|value| *value != missing)
    }

    /// `$status`, 0 to 999. nginx itself writes 000 and 009 at times.
    #[must_use]
    #[inline]
    pub fn status(&self) -> Option<u16> {
        let digits: &[u8; 3] = self.get(Field::Status)?.try_into().ok()?;
        digits.iter().try_fold(0, |sum, byte| {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
            Some(sum * 10 + u16::from(digit))
        })
    }

    /// When the answer was finished, in microseconds since 1970-01-01 UTC: of `$msec` to the
    /// millisecond, else of `$time_iso8601` or `$time_local` to the second.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        let msec = || {
            let text = self.get(Field::Msec)?;
            time::decimal(text).or_else(|| time::epoch(text))
        };
        let iso8601 = || {
            let text = self.get(Field::TimeIso8601)?;
            time::iso8601(text).or_else(|| time::iso8601_of_others(text))
        };
        let local = || time::local(self.get(Field::TimeLocal)?);
        msec().or_else(iso8601).or_else(local)
    }

    /// How far the clock of [`Entry::time`] was ahead of UTC, in seconds; none where the line's time
    /// is written without a zone, or by something that may not share nginx's.
    #[must_use]
    pub fn utc_offset(&self) -> Option<i64> {
        let text = self
            .get(Field::TimeLocal)
            .or_else(|| self.get(Field::TimeIso8601))?;
        time::offset(text)
    }

    /// How the values of this line are escaped.
    #[must_use]
    pub fn escape(&self) -> Escape {
        self.escape
    }

    /// `$request_time` in microseconds, to the millisecond.
    #[must_use]
    pub fn request_time(&self) -> Option<i64> {
        let text = self.get(Field::RequestTime)?;
        time::decimal(text).or_else(|| time::length_of_others(text))
    }

    /// `$connection`: its number, which appears as `*N` in the error log.
    #[must_use]
    pub fn connection(&self) -> Option<u64> {
        time::number(self.get(Field::Connection)?)
    }

    /// `$pid`: the worker.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        time::number(self.get(Field::Pid)?)?.try_into().ok()
    }

    /// `$remote_port`
    #[must_use]
    pub fn remote_port(&self) -> Option<u16> {
        time::number(self.get(Field::RemotePort)?)?.try_into().ok()
    }

    /// `$body_bytes_sent`
    #[must_use]
    pub fn body_bytes_sent(&self) -> Option<u64> {
        time::number(self.get(Field::BodyBytesSent)?)
    }

    /// The attempts of an upstream variable, in order. See [`Attempts`].
    #[must_use]
    pub fn attempts(&self, field: Field) -> Attempts<'line> {
        Attempts::of(self.get(field).unwrap_or_default())
    }

    /// `$upstream_status` of each attempt.
    #[must_use]
    pub fn upstream_status(&self) -> Attempts<'line> {
        self.attempts(Field::UpstreamStatus)
    }

    /// `$upstream_addr` of each attempt.
    #[must_use]
    pub fn upstream_addr(&self) -> Attempts<'line> {
        self.attempts(Field::UpstreamAddr)
    }

    /// `$upstream_response_time` of each attempt.
    #[must_use]
    pub fn upstream_response_time(&self) -> Attempts<'line> {
        self.attempts(Field::UpstreamResponseTime)
    }

    /// The method: of `$request_method`, else of `$request`. None when the client sent none that
    /// nginx takes for one.
    #[must_use]
    pub fn method(&self) -> Option<&'line [u8]> {
        let own = self.present(Field::RequestMethod);
        own.filter(|method| request::is_method(method))
            .or_else(|| Some(request::split(self.get(Field::Request)?)?.method))
    }

    /// The path that was asked for, without its query, as it stands in the line: of `$request`,
    /// else of `$request_uri` or `$uri`. None when the client sent no request line, or the line
    /// has none of them. Never holds anything behind a `?` or `#`.
    #[must_use]
    pub fn path_without_query(&self) -> Option<&'line [u8]> {
        let request = || Some(request::split(self.get(Field::Request)?)?.target);
        let target = request()
            .or_else(|| self.present(Field::RequestUri))
            .or_else(|| self.present(Field::Uri))?;
        Some(request::path(target)).filter(|path| !path.is_empty())
    }

    /// Adds a field that the line has, whatever its format.
    pub(super) fn add(&mut self, field: Field, start: usize, end: usize) {
        self.given |= 1 << field.slot();
        self.set(field.slot(), start, end);
    }

    #[inline]
    pub(super) fn begin(&mut self, line: &'line [u8], given: u32, escape: Escape) {
        self.line = line;
        self.given = given;
        self.escape = escape;
    }

    #[inline]
    pub(super) fn set(&mut self, slot: u8, start: usize, end: usize) {
        if let Some(span) = self.spans.get_mut(usize::from(slot & NO_SLOT)) {
            *span = (start, end);
        }
    }
}
