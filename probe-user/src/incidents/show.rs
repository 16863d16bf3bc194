//! One incident, wholly, for a person.

use std::io::{self, Write};

use anyhow::Context as _;
use serde_json::Value;

use super::{
    columns::lasted,
    files::{Files, Place},
    listing::Stands,
    one::{Trail, Whole},
    said,
};
use crate::{
    clock::Time,
    sinks::{journal::Writer, printable::printable},
};

/// Statuses, pieces of evidence and advice that are shown at most: an agent writes fewer.
const MOST: usize = 100;

/// Writes all that the journal has of an incident.
///
/// # Errors
/// When a record cannot be read again, or `out` cannot be written.
pub(super) fn show(
    out: &mut impl Write,
    files: &Files,
    whole: &Whole,
    writer: Writer,
) -> anyhow::Result<()> {
    let record = read(files, whole.latest.place)?;
    let events = timeline(files, whole, writer)?;
    write(out, whole, &record, writer, &events).context("cannot write to standard output")
}

/// A line of the journal as JSON.
fn read(files: &Files, place: Place) -> anyhow::Result<Value> {
    let line = files.line(place)?;
    serde_json::from_slice(&line).context("the journal was changed while it was read")
}

fn write(
    out: &mut impl Write,
    whole: &Whole,
    record: &Value,
    writer: Writer,
    events: &[Event],
) -> io::Result<()> {
    let latest = &whole.latest;
    let (id, cause) = (printable(&latest.id), printable(&latest.cause));
    let confidence = printable(record["confidence"].as_str().unwrap_or("?"));
    writeln!(out, "incident {id}: {cause}, {confidence}")?;
    writeln!(
        out,
        "{}\n",
        printable(record["summary"].as_str().unwrap_or("?"))
    )?;

    let (nginx, host) = (printable(&latest.instance), printable(&latest.host));
    writeln!(out, "nginx   {nginx}, on {host}")?;
    writeln!(out, "opened  {}", full(latest.opened_at))?;
    let long = lasted(latest.last.since(latest.opened_at));
    writeln!(out, "last    {}, {long} later", full(latest.last))?;
    match (latest.stands(writer), latest.closed_at) {
        (Stands::Closed, Some(closed)) => writeln!(out, "closed  {}", full(closed))?,
        (Stands::Closed, None) => writeln!(out, "closed")?,
        (Stands::Open, _) => writeln!(out, "closed  not yet")?,
        (Stands::LeftOpen, _) => writeln!(
            out,
            "closed  left open: the agent ended first, so nobody saw the end"
        )?,
    }
    writeln!(
        out,
        "failed  {}",
        responses(latest.failed, &record["responses"])
    )?;
    match latest.lost {
        Some(lost) => writeln!(
            out,
            "lost    {}, without a response",
            number(lost, "request")
        )?,
        None => writeln!(out, "lost    not known: nothing followed the requests")?,
    }
    if record["complete"] == false {
        writeln!(
            out,
            "partly  records were lost, or a source was missing: there may be more to it"
        )?;
    }

    let evidence = list(&record["evidence"]);
    if !evidence.is_empty() {
        writeln!(out, "\nevidence, and when it was seen last (UTC)")?;
    }
    for piece in evidence.iter().take(MOST) {
        let time = piece["time"].as_str().and_then(|time| time.parse().ok());
        let count = piece["count"].as_u64().unwrap_or(1);
        let what = printable(piece["what"].as_str().unwrap_or("?"));
        let source = printable(piece["source"].as_str().unwrap_or("?"));
        let time = time.map_or_else(|| "?".to_owned(), short);
        writeln!(out, "  {time:<23}  {count:>5} × {what}  ({source})")?;
    }

    writeln!(out, "\ntimeline (UTC)")?;
    for event in events {
        writeln!(out, "  {}  {}", short(event.time), event.what)?;
        for more in &event.more {
            writeln!(out, "  {:23}    {more}", "")?;
        }
    }
    for (what, trail) in [("records", &whole.records), ("responses", &whole.responses)] {
        if trail.omitted > 0 {
            writeln!(
                out,
                "  … {} {what} between them are left out",
                trail.omitted
            )?;
        }
    }

    let advice = list(&record["advice"]);
    if !advice.is_empty() {
        writeln!(out, "\nwhat to do")?;
    }
    for one in advice.iter().take(MOST) {
        writeln!(out, "  → {}", printable(one.as_str().unwrap_or("?")))?;
    }
    Ok(())
}

/// Something that happened.
struct Event {
    time: Time,
    what: String,
    more: Vec<String>,
}

impl Event {
    fn new(time: Time, what: impl Into<String>) -> Self {
        Self {
            time,
            what: what.into(),
            more: Vec::new(),
        }
    }
}

/// What the incident went through and what happened to that nginx meanwhile, in order of time.
fn timeline(files: &Files, whole: &Whole, writer: Writer) -> anyhow::Result<Vec<Event>> {
    let latest = &whole.latest;
    let mut events = records(files, &whole.records)?;
    events.extend(records(files, &whole.responses)?);
    let first = whole.first.as_ref();
    let first = first.map_or_else(String::new, |first| {
        format!(": {}", printable(&first.summary))
    });
    events.push(Event::new(
        latest.opened_at,
        format!("incident opened{first}"),
    ));
    if let Some(updated) = whole.updated.filter(|_| whole.updates > 0) {
        let what = match whole.updates {
            1 => "incident updated".to_owned(),
            many => format!("incident updated, the last of {many} times"),
        };
        events.push(Event::new(updated, what));
    }
    match latest.stands(writer) {
        Stands::Closed => {
            let closed = latest.closed_at.unwrap_or(latest.time);
            let what = format!("incident closed: {}", printable(&latest.summary));
            events.push(Event::new(closed, what));
        }
        Stands::LeftOpen => {
            let what = "the last that the agent told of it";
            events.push(Event::new(latest.time, what));
        }
        Stands::Open => {}
    }
    // What happened at one time stays in the order of the journal: a death before its incident.
    events.sort_by_key(|event| event.time);
    Ok(events)
}

fn records(files: &Files, trail: &Trail) -> anyhow::Result<Vec<Event>> {
    let event = |place| {
        let record = read(files, place)?;
        let time = record["time"].as_str().and_then(|time| time.parse().ok());
        let mut lines = said::lines(&record);
        let more = lines.split_off(lines.len().min(1));
        let what = lines.pop().unwrap_or_default();
        let time = time.unwrap_or_default();
        Ok(Event { time, what, more })
    };
    trail.places().map(event).collect()
}

/// `7 responses: 3 × 500, 4 × 502`
fn responses(sum: u64, counts: &Value) -> String {
    let Some(counts) = counts.as_object().filter(|counts| !counts.is_empty()) else {
        return "no response that could be counted".to_owned();
    };
    let each = counts.iter().take(MOST);
    let each = each.map(|(status, count)| format!("{count} × {}", printable(status)));
    format!(
        "{}: {}",
        number(sum, "response"),
        each.collect::<Vec<_>>().join(", ")
    )
}

/// `1 request`, `2 requests`.
fn number(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// `2026-01-02 03:04:05.678`
fn short(time: Time) -> String {
    let text = time.to_string().replacen('T', " ", 1);
    text.get(..23).unwrap_or(&text).to_owned()
}

fn full(time: Time) -> String {
    format!("{} UTC", short(time))
}

#[cfg(test)]
mod tests;
