//! The report for a person.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use super::{
    figures::{counted, minute_second, number, share, size},
    report::{Access, ErrorMessages, InputRead, Named, Report, Times},
};
use crate::{access_log::how::How, correlator::Cause, sinks::printable::printable};

/// The report as lines, each with its end. What logs hold is escaped.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // A string takes every write.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    let lines: u64 = report.inputs.iter().map(|input| input.lines).sum();
    let bytes: u64 = report.inputs.iter().map(|input| input.bytes).sum();
    let files = report.inputs.len() as u64;
    writeln!(
        out,
        "read {}: {}, {}",
        counted(files, "log"),
        counted(lines, "line"),
        size(bytes)
    )?;
    for input in report
        .inputs
        .iter()
        .filter(|input| !input.wrappers.is_empty())
    {
        let wrappers = input.wrappers.join(", in it ");
        let name = printable(&input.name);
        writeln!(
            out,
            "{name}: read without what is around its lines ({wrappers})"
        )?;
    }
    if let Some(access) = &report.access {
        read(out, access, report)?;
        failures(out, access, report.is_understood())?;
        more(out, access)?;
    }
    if let Some(errors) = &report.errors {
        messages(out, errors)?;
    }
    let unread = report.problems.iter().filter(|problem| problem.unread);
    for problem in unread {
        writeln!(
            out,
            "\nnot read, or not to its end: {}",
            printable(&problem.name)
        )?;
    }
    Ok(())
}

fn read(out: &mut String, access: &Access, report: &Report) -> fmt::Result {
    if let (Some(first), Some(last)) = (access.first, access.last) {
        let (first, last) = (minute_second(first), minute_second(last));
        if first == last {
            writeln!(out, "at {first} (UTC)")?;
        } else {
            writeln!(out, "from {first} to {last} (UTC)")?;
        }
    }
    formats(out, access, report)?;
    if access.unparsed > 0 {
        let share = share(access.unparsed, access.lines);
        let (are, which) = if access.unparsed == 1 {
            ("is", "")
        } else {
            ("are", ", for example")
        };
        writeln!(
            out,
            "{} ({share}) {are} in no format that is known{which}:",
            counted(access.unparsed, "line")
        )?;
        samples(out, &access.samples)?;
        if report.inputs.len() > 1 {
            misfits(out, report)?;
        }
    }
    let all: u64 = access.responses.values().sum();
    if all == 0 {
        return Ok(());
    }
    writeln!(out, "\nresponses")?;
    for (status, count) in &access.responses {
        writeln!(
            out,
            "  {status:03}  {:>14}  {:>8}",
            number(*count),
            share(*count, all)
        )?;
    }
    Ok(())
}

/// Whether it is not sure what all of the lines hold.
fn is_guessed(access: &Access) -> bool {
    access.guesses.iter().any(Option::is_some)
}

/// Which formats were read, and of several logs in which.
fn formats(out: &mut String, access: &Access, report: &Report) -> fmt::Result {
    for ((name, how), guess) in access.formats.iter().zip(&access.guesses) {
        if name == how {
            write!(out, "format: as given")?;
        } else {
            write!(out, "format: {} ({how})", printable(name))?;
        }
        if let Some(guess) = guess.as_ref().filter(|guess| *guess != name) {
            write!(out, ": {}", printable(guess))?;
        }
        if access.formats.len() > 1 && report.inputs.len() > 1 {
            let of_format = |input: &&InputRead| input.format.as_ref() == Some(name);
            let inputs = report.inputs.iter().filter(of_format);
            let names: Vec<_> = inputs.map(|input| printable(&input.name)).collect();
            if !names.is_empty() {
                write!(out, ", in {}", names.join(", "))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn samples(out: &mut String, samples: &[String]) -> fmt::Result {
    samples
        .iter()
        .try_for_each(|sample| writeln!(out, "    {}", printable(sample)))
}

/// Which of several logs have lines that nobody understood.
fn misfits(out: &mut String, report: &Report) -> fmt::Result {
    for input in report.inputs.iter().filter(|input| input.unparsed > 0) {
        writeln!(
            out,
            "  {} of {} in {}",
            number(input.unparsed),
            counted(input.lines, "line"),
            printable(&input.name)
        )?;
    }
    Ok(())
}

fn failures(out: &mut String, access: &Access, understood: bool) -> fmt::Result {
    match access.failed {
        0 if !understood => {
            writeln!(
                out,
                "\nwhether responses failed is not known: most lines were not understood"
            )?;
        }
        0 if access.responses.is_empty() => writeln!(out, "\nno response is in it")?,
        0 if access.unparsed > 0 => {
            writeln!(out, "\nno response failed, of those that were understood")?;
        }
        0 => writeln!(out, "\nno response failed")?,
        failed => {
            let sure = access.formats.iter().all(|(_, how)| *how != "guessed");
            let hedge = if sure {
                ""
            } else {
                ", if the format was guessed right"
            };
            writeln!(out, "\n{} failed{hedge}", counted(failed, "response"))?;
        }
    }
    for kind in &access.failures {
        let statuses = statuses(&kind.statuses);
        let cause = match kind.cause {
            Cause::Unknown => "cause unknown",
            cause => cause.as_str(),
        };
        let masked = if kind.how == How::Masked {
            " (beside those)"
        } else {
            ""
        };
        let count = number(kind.count);
        let guessed = is_guessed(access);
        let means = match kind.means {
            Some(means) => format!("{means}, says the error log"),
            None if guessed && kind.how == How::Untold => {
                "nothing that was recognised in the lines tells".to_owned()
            }
            None => kind.how.means().to_owned(),
        };
        writeln!(
            out,
            "  {count:>12}  {cause:<20}  {means}: {statuses}{masked}"
        )?;
    }
    if access.saved > 0 {
        let saved = number(access.saved);
        writeln!(
            out,
            "  {saved:>12}  failed at one upstream and succeeded at the next: no harm done"
        )?;
    }
    if access.not_compared > 0 {
        let count = number(access.not_compared);
        writeln!(
            out,
            "  {count} more failures and messages were not compared with each other"
        )?;
    }
    worst_minutes(out, access)?;
    named(
        out,
        "routes that failed most",
        &access.routes,
        access.other_routes,
    )?;
    let title = "upstreams that failed most, by attempt";
    named(out, title, &access.upstreams, access.other_upstreams)?;
    let times = [
        ("upstreams answered in", &access.upstream_seconds),
        ("requests took", &access.request_seconds),
    ];
    for (what, times) in times {
        if let Some(Times {
            p50, p95, p99, max, ..
        }) = times
        {
            writeln!(
                out,
                "\n{what} {p50:.3} s (median), {p95:.3} s (p95), {p99:.3} s (p99), {max:.3} s (most)"
            )?;
        }
    }
    Ok(())
}

fn worst_minutes(out: &mut String, access: &Access) -> fmt::Result {
    if access.minutes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nthe worst minutes (UTC)")?;
    for minute in &access.minutes {
        let time = minute.time.to_string();
        let time = time.get(..16).unwrap_or(&time).replace('T', " ");
        let (count, share) = (
            number(minute.failures),
            share(minute.failures, access.failed),
        );
        let of = number(minute.responses);
        writeln!(
            out,
            "  {time}  {count:>12} failed of {of} ({share} of all failures)"
        )?;
    }
    Ok(())
}

fn named(out: &mut String, title: &str, all: &[Named], others: u64) -> fmt::Result {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for one in all {
        let (count, name) = (number(one.failures), printable(&one.name));
        writeln!(out, "  {count:>12}  {name}  ({})", statuses(&one.statuses))?;
    }
    if others > 0 {
        writeln!(out, "  {:>12}  others", number(others))?;
    }
    Ok(())
}

/// How far the format goes, and which goes further.
fn more(out: &mut String, access: &Access) -> fmt::Result {
    let Some(line) = access
        .log_format
        .as_ref()
        .filter(|_| !access.failures.is_empty())
    else {
        return Ok(());
    };
    let lacks: Vec<_> = access
        .format_lacks
        .iter()
        .map(|name| format!("${name}"))
        .collect();
    let told = if access.format_lacks.contains(&"upstream_status") {
        "whose answer a failure was"
    } else {
        "all about the upstream's part in a failure"
    };
    // Of a guessed format nobody can say what it lacks.
    let lacks = lacks.join(" ");
    if is_guessed(access) {
        writeln!(
            out,
            "\nthese were not recognised in the lines: {lacks}. They tell {told}."
        )?;
    } else {
        writeln!(out, "\nthis format does not tell {told}: it lacks {lacks}.")?;
    }
    if access.formats.iter().any(|(name, _)| name == "JSON") {
        let one = access.format_lacks.first().copied().unwrap_or_default();
        return writeln!(
            out,
            "your own log_format tells it with a key for each of them, as in \"{one}\":\"${one}\""
        );
    }
    let whose = if access.log_format_is_whole {
        "this one does (name it in access_log, then reload)"
    } else {
        "your own, with what stands at this one's end, does"
    };
    writeln!(out, "{whose}:\n\n{}", printable(line))
}

fn messages(out: &mut String, errors: &ErrorMessages) -> fmt::Result {
    write!(out, "\nerror log: {}", counted(errors.lines, "line"))?;
    if let (Some(first), Some(last)) = (&errors.first, &errors.last) {
        write!(out, ", from {first} to {last} (its host's time)")?;
    }
    writeln!(out)?;
    for message in &errors.messages {
        let cause = message.cause.map_or("-", Cause::as_str);
        writeln!(
            out,
            "  {:>12}  {:<6}  {:<30}  {cause:<18}  {}",
            number(message.count),
            message.level,
            message.class,
            message.means
        )?;
    }
    if errors.strays > 0 {
        let lines = if errors.strays == 1 { "line" } else { "lines" };
        writeln!(
            out,
            "  {:>12}  {lines} of no message:",
            number(errors.strays)
        )?;
        samples(out, &errors.samples)?;
    }
    Ok(())
}

fn statuses<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let each = counts
        .iter()
        .map(|(status, count)| format!("{} × {status}", number(*count)));
    each.collect::<Vec<_>>().join(", ")
}
