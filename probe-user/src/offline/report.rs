//! What was found, in the order and the words of the JSON output.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Counts,
    errors::Errors,
    formats::{self, Chosen},
    kinds::{Kind, kinds},
    layout::Layout,
    pairs::Explained,
    reader::Reader,
    spread::Spread,
    tally::Tally,
    top::{Failures, Top},
};
use crate::{access_log::how::How, clock::Time, correlator::Cause, error_log::Civil};

/// How many of the worst minutes, routes and upstreams are shown.
const SHOWN: usize = 10;

/// One report over all inputs.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When it was made.
    pub time: Time,
    /// Always `log_report`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Logs do not say whose they are.
    pub instance: Option<()>,
    /// See `instance`.
    pub host: Option<()>,
    /// What was read.
    pub inputs: Vec<InputRead>,
    /// What could not be read, or not to its end, and why.
    pub problems: Vec<Problem>,
    /// What the access logs hold; none when there were none.
    pub access: Option<Access>,
    /// What the error logs hold; none when there were none.
    pub errors: Option<ErrorMessages>,
}

impl Report {
    /// Of what all readers counted.
    #[must_use]
    pub fn of(readers: Vec<Reader>, inputs: Vec<InputRead>, problems: Vec<Problem>) -> Self {
        let mut readers = readers.into_iter();
        let mut all = readers.next().unwrap_or_default();
        for reader in readers {
            all.tally.merge(reader.tally);
            all.errors.merge(reader.errors);
            all.pairs.merge(reader.pairs);
        }
        // Which thread was first is no order.
        all.tally.order_formats(|name| {
            let of = |input: &InputRead| input.format.as_deref() == Some(name);
            inputs.iter().position(of).unwrap_or(inputs.len())
        });
        let left_out = all.pairs.left_out;
        let explained = all.pairs.explained();
        let access = (all.tally.lines > 0).then(|| Access::of(all.tally, &explained, left_out));
        let errors = (all.errors.lines > 0).then(|| ErrorMessages::of(&all.errors));
        Self {
            time: Time::now(),
            kind: "log_report",
            instance: None,
            host: None,
            inputs,
            problems,
            access,
            errors,
        }
    }

    /// Whether at least half of all lines that say something were understood.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        let sum = |count: fn(&InputRead) -> u64| self.inputs.iter().map(count).sum::<u64>();
        sum(|input| input.unparsed) * 2 <= sum(|input| input.lines - input.blank)
    }
}

/// An input that was read.
#[derive(Debug, Serialize)]
pub struct InputRead {
    /// Its path, or `standard input`.
    pub name: String,
    /// `access_log`, `error_log`, or `both`.
    pub kind: &'static str,
    /// The name of its format, the first where there are several.
    pub format: Option<String>,
    /// What stands around its lines, the outermost first: `syslog`, `CRI` …
    pub wrappers: Vec<&'static str>,
    /// Lines.
    pub lines: u64,
    /// Lines that were not understood.
    pub unparsed: u64,
    /// Lines with nothing in them.
    pub blank: u64,
    /// Bytes, uncompressed.
    pub bytes: u64,
}

impl InputRead {
    /// Of a log in which so much was counted.
    #[must_use]
    pub fn of(name: String, layout: &Layout, counts: &Counts) -> Self {
        let kind = match (counts.requests > 0, counts.messages > 0) {
            (true, true) => "both",
            (false, true) => "error_log",
            (false, false) if layout.errors_only => "error_log",
            (true | false, false) => "access_log",
        };
        let format = layout.formats().first().map(|chosen| chosen.name.clone());
        Self {
            name,
            kind,
            format: format.filter(|_| kind != "error_log"),
            wrappers: layout.layers.names(),
            lines: counts.lines,
            unparsed: counts.unparsed,
            blank: counts.blank,
            bytes: counts.bytes,
        }
    }
}

/// An input that could not be read.
#[derive(Debug, Serialize)]
pub struct Problem {
    /// Its path, or `standard input`.
    pub name: String,
    /// What, why, and what to do.
    pub message: String,
    /// Whether that is why lines are missing, and not that they were not understood.
    #[serde(skip)]
    pub unread: bool,
}

/// What access logs hold.
#[derive(Debug, Serialize)]
pub struct Access {
    /// Each format that lines were in, and whether it was `given`, `detected` as one in wide use, or
    /// `guessed` from the lines.
    pub formats: Vec<(String, &'static str)>,
    /// What each of them was taken for, where nobody said so.
    pub guesses: Vec<Option<String>>,
    /// Lines.
    pub lines: u64,
    /// Lines that do not fit their format.
    pub unparsed: u64,
    /// Up to three of them, without queries.
    pub samples: Vec<String>,
    /// The first time.
    pub first: Option<Time>,
    /// The last time.
    pub last: Option<Time>,
    /// Responses by status.
    pub responses: BTreeMap<u16, u64>,
    /// Responses with a status of 500 and above.
    pub failed: u64,
    /// Failures of upstreams for which clients were sent a status below 500.
    pub masked: u64,
    /// Requests that failed at one upstream and succeeded at the next.
    pub saved: u64,
    /// Failed and masked responses by their kind, most frequent first.
    pub failures: Vec<Kind>,
    /// Failures and messages of error logs that were not compared, because there are too many.
    pub not_compared: u64,
    /// The minutes with the most failures.
    pub minutes: Vec<Minute>,
    /// The routes with the most failures.
    pub routes: Vec<Named>,
    /// The failures of all other routes.
    pub other_routes: u64,
    /// The upstreams with the most failed attempts.
    pub upstreams: Vec<Named>,
    /// The failed attempts at all other upstreams.
    pub other_upstreams: u64,
    /// How long attempts at upstreams took.
    pub upstream_seconds: Option<Times>,
    /// How long requests took.
    pub request_seconds: Option<Times>,
    /// Variables that would tell more and are not in the format.
    pub format_lacks: Vec<&'static str>,
    /// A `log_format` line that has them.
    pub log_format: Option<String>,
    /// That line is the whole of the operator's own format, extended.
    pub log_format_is_whole: bool,
}

/// A minute.
#[derive(Debug, Serialize)]
pub struct Minute {
    /// When it began.
    pub time: Time,
    /// Responses in it.
    pub responses: u64,
    /// Failed ones.
    pub failures: u64,
}

/// Something with failures.
#[derive(Debug, Serialize)]
pub struct Named {
    /// What.
    pub name: String,
    /// How many.
    pub failures: u64,
    /// By status.
    pub statuses: BTreeMap<&'static str, u64>,
}

/// How times are spread, in seconds; percentiles are at most 1/32 too high.
#[derive(Debug, Serialize)]
pub struct Times {
    /// How many there are.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// 95 of 100 are not above.
    pub p95: f64,
    /// 99 of 100 are not above.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// What error logs hold.
#[derive(Debug, Serialize)]
pub struct ErrorMessages {
    /// Lines.
    pub lines: u64,
    /// Lines of no message.
    pub strays: u64,
    /// The first of them, without what may be secret.
    pub samples: Vec<String>,
    /// The first time, as nginx's host showed it.
    pub first: Option<String>,
    /// The last time.
    pub last: Option<String>,
    /// Messages by level and class: worst level first, then most frequent.
    pub messages: Vec<Messages>,
}

/// Messages of one level and class.
#[derive(Debug, Serialize)]
pub struct Messages {
    /// The level.
    pub level: &'static str,
    /// The class.
    pub class: &'static str,
    /// How many.
    pub count: u64,
    /// What a failure with this message is put down to.
    pub cause: Option<Cause>,
    /// What it tells an operator.
    pub means: &'static str,
}

impl Access {
    /// Of what was counted, in these formats.
    #[must_use]
    pub fn of(mut tally: Tally, explained: &Explained, left_out: u64) -> Self {
        let formats: Vec<_> = tally.formats().to_vec();
        let formats: Vec<&Chosen> = formats.iter().map(|(chosen, _)| &**chosen).collect();
        let span = tally.minutes.span();
        let (routes, other_routes) = named(&tally.routes);
        let (upstreams, other_upstreams) = named(&tally.upstreams);
        let statuses = (0..).zip(tally.statuses.0.iter().copied());
        let responses: BTreeMap<u16, u64> = statuses.filter(|(_, count)| *count > 0).collect();
        let failures = kinds(&tally.failures, explained);
        let masked = failures.iter().filter(|kind| kind.how == How::Masked);
        // The format that tells least is the one to extend.
        let poorest = formats
            .iter()
            .max_by_key(|chosen| formats::lacking(chosen).len());
        let minutes = tally.minutes.worst(SHOWN);
        Self {
            formats: formats
                .iter()
                .map(|chosen| (chosen.name.clone(), chosen.how()))
                .collect(),
            guesses: formats.iter().map(|chosen| chosen.shown.clone()).collect(),
            lines: tally.lines,
            unparsed: tally.unparsed,
            samples: tally.samples.iter().map(|line| lossy(line)).collect(),
            first: span.and_then(|(first, _)| time(first)),
            last: span.and_then(|(_, last)| time(last)),
            failed: responses.range(500..).map(|(_, count)| count).sum(),
            responses,
            masked: masked.map(|kind| kind.count).sum(),
            saved: tally.saved,
            failures,
            not_compared: left_out,
            minutes: minutes
                .into_iter()
                .filter_map(|(at, minute)| {
                    Some(Minute {
                        time: time(at.checked_mul(1_000_000)?)?,
                        responses: minute.responses,
                        failures: minute.failures,
                    })
                })
                .collect(),
            routes,
            other_routes,
            upstreams,
            other_upstreams,
            upstream_seconds: Times::of(&tally.upstream_time),
            request_seconds: Times::of(&tally.request_time),
            format_lacks: poorest.map_or_else(Vec::new, |chosen| formats::lacking(chosen)),
            log_format: poorest.and_then(|chosen| formats::extended(chosen)),
            log_format_is_whole: poorest.is_some_and(|chosen| chosen.text.is_some()),
        }
    }
}

impl ErrorMessages {
    /// Of what was counted.
    #[must_use]
    pub fn of(errors: &Errors) -> Self {
        let mut messages: Vec<_> = errors.counts.iter().collect();
        messages.sort_by(|(a, (_, more)), (b, (_, count))| {
            a.0.cmp(&b.0).then(count.cmp(more)).then(a.1.cmp(b.1))
        });
        Self {
            lines: errors.lines,
            strays: errors.strays,
            samples: errors.samples.iter().map(|line| lossy(line)).collect(),
            first: errors.span.map(|(first, _)| shown(first)),
            last: errors.span.map(|(_, last)| shown(last)),
            messages: messages
                .into_iter()
                .map(|((level, name), (class, count))| Messages {
                    level: level.name(),
                    class: name,
                    count: *count,
                    cause: class.cause,
                    means: class.means,
                })
                .collect(),
        }
    }
}

impl Times {
    fn of(spread: &Spread) -> Option<Self> {
        let seconds = |ms| f64::from(u32::try_from(ms).unwrap_or(u32::MAX)) / 1000.0;
        (spread.count() > 0).then(|| Self {
            count: spread.count(),
            p50: seconds(spread.percentile(50)),
            p95: seconds(spread.percentile(95)),
            p99: seconds(spread.percentile(99)),
            max: seconds(spread.most()),
        })
    }
}

fn named<const MOST: usize>(top: &Top<MOST>) -> (Vec<Named>, u64) {
    let (first, rest) = top.first(SHOWN);
    let named = |(name, failures): (&[u8], Failures)| Named {
        name: lossy(name),
        failures: failures.total(),
        statuses: failures.each().collect(),
    };
    (first.into_iter().map(named).collect(), rest)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn time(micros: i64) -> Option<Time> {
    // The year 10000 cannot be written.
    let micros = u64::try_from(micros).ok();
    micros
        .filter(|micros| *micros < 253_402_300_800_000_000)
        .map(Time)
}

fn shown(time: Civil) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year, time.month, time.day, time.hour, time.minute, time.second
    )
}
