//! The report for a person.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use super::report::{Access, ErrorMessages, Named, Report, Times};
use crate::{access_log::how::How, clock::Time, correlator::Cause, sinks::printable::printable};

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
    let files = report.inputs.len();
    let plural = if files == 1 { "log" } else { "logs" };
    writeln!(
        out,
        "read {files} {plural}: {} lines, {}",
        number(lines),
        size(bytes)
    )?;
    if let Some(access) = &report.access {
        read(out, access)?;
        failures(out, access)?;
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
    for (name, how) in &access.formats {
        writeln!(out, "format: {} ({how})", printable(name))?;
    }
    if access.unparsed > 0 {
        let (unparsed, share) = (
            number(access.unparsed),
            share(access.unparsed, access.lines),
        );
        writeln!(
            out,
            "{unparsed} lines ({share}) are in no such format, for example:"
        )?;
        for sample in &access.samples {
            writeln!(out, "    {}", printable(sample))?;
        }
    }
    writeln!(out, "\nresponses")?;
    let all: u64 = access.responses.values().sum();
    for (status, count) in &access.responses {
        writeln!(
            out,
            "  {status:03}  {:>14}  {:>7}",
            number(*count),
            share(*count, all)
        )?;
    }
    Ok(())
}

fn failures(out: &mut String, access: &Access) -> fmt::Result {
    if access.failures.is_empty() {
        writeln!(out, "\nno response failed")?;
    } else {
        writeln!(out, "\n{} responses failed", number(access.failed))?;
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
        let (count, means) = (number(kind.count), kind.how.means());
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
    if !access.minutes.is_empty() {
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
    }
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
    writeln!(
        out,
        "\nthis format does not tell {told}: it lacks {}.",
        lacks.join(" ")
    )?;
    let whose = if access.log_format_is_whole {
        "this one does (name it in access_log, then reload)"
    } else {
        "your own, with what stands at this one's end, does"
    };
    writeln!(out, "{whose}:\n\n{}", printable(line))
}

fn messages(out: &mut String, errors: &ErrorMessages) -> fmt::Result {
    write!(out, "\nerror log: {} lines", number(errors.lines))?;
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
        writeln!(out, "  {:>12}  lines of no message", number(errors.strays))?;
    }
    Ok(())
}

fn statuses<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let each = counts
        .iter()
        .map(|(status, count)| format!("{} × {status}", number(*count)));
    each.collect::<Vec<_>>().join(", ")
}

/// `2026-11-22 16:01:50`
fn minute_second(time: Time) -> String {
    let text = time.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// `1,234,567`
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(power, _)| bytes >> power > 0) {
        Some((power, unit)) => {
            let tenths = (bytes >> (power - 10)) * 10 / 1024;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}

/// Of all, in percent.
fn share(part: u64, all: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(all.max(1));
    match tenths {
        0 if part > 0 => "< 0.1 %".to_owned(),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_easy_to_read() {
        assert_eq!(
            [0, 12, 1234, 1_234_567].map(number),
            ["0", "12", "1,234", "1,234,567"]
        );
        assert_eq!(
            [5, 1536, 3 << 30].map(size),
            ["5 bytes", "1.5 KiB", "3.0 GiB"]
        );
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(1, 1_000_000), "< 0.1 %");
        assert_eq!(share(0, 0), "0.0 %");
    }
}
