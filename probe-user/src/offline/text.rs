//! The report for a person.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use super::{
    figures::{counted, minute_second, number, share, size},
    report::{Access, ErrorMessages, Named, Report, Times},
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
        writeln!(out, "{}: taken out of {wrappers}", printable(&input.name))?;
    }
    if let Some(access) = &report.access {
        read(out, access)?;
        if report.inputs.len() > 1 {
            misfits(out, report)?;
        }
        failures(out, access, report.is_understood())?;
        more(out, access)?;
    }
    if let Some(errors) = &report.errors {
        messages(out, errors)?;
    }
    for problem in &report.problems {
        writeln!(
            out,
            "\nnot read, or not to its end: {}",
            printable(&problem.name)
        )?;
    }
    Ok(())
}

fn read(out: &mut String, access: &Access) -> fmt::Result {
    if let (Some(first), Some(last)) = (access.first, access.last) {
        writeln!(
            out,
            "from {} to {} (UTC)",
            minute_second(first),
            minute_second(last)
        )?;
    }
    let mut guesses = access.guesses.iter();
    for (name, how) in &access.formats {
        match guesses.next().filter(|_| *how == "guessed") {
            Some(guess) if guess != name => {
                writeln!(
                    out,
                    "format: {} ({how}): {}",
                    printable(name),
                    printable(guess)
                )?;
            }
            _ => writeln!(out, "format: {} ({how})", printable(name))?,
        }
    }
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
            writeln!(out, "\nno response failed, of those that were understood")?
        }
        0 => writeln!(out, "\nno response failed")?,
        failed => writeln!(out, "\n{} failed", counted(failed, "response"))?,
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
        let guessed = access.formats.iter().any(|(_, how)| *how == "guessed");
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
    if access.formats.iter().any(|(_, how)| *how == "guessed") {
        writeln!(
            out,
            "\nthese were not recognised in the lines: {lacks}. They tell {told}."
        )?;
    } else {
        writeln!(out, "\nthis format does not tell {told}: it lacks {lacks}.")?;
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
