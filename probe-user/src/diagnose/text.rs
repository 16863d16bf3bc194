//! The report as a page for a person: 80 columns, what matters first.

use std::fmt::Write as _;

use super::{
    latency::Latency,
    page::Page,
    report::{OfIncident, OfNginx, Report},
    vitals::count,
};
use crate::records::Body;

/// Deaths, reloads and such that are shown.
const MAX_SHOWN: usize = 20;

/// The report as lines, with colours if wanted.
#[must_use]
pub fn text(report: &Report, colours: bool) -> String {
    let mut page = Page::new(colours);
    page.bold(&headline(report));
    for (number, one) in report.incidents.iter().enumerate() {
        incident(&mut page, report, number + 1, one);
    }
    for nginx in &report.nginx {
        of_nginx(&mut page, report, nginx);
    }
    events(&mut page, report);
    limits(&mut page, report);
    page.finish()
}

fn headline(report: &Report) -> String {
    let seconds = whole_seconds(report.seconds);
    let (mut failed, mut all, mut counted) = (0, 0, false);
    for nginx in &report.nginx {
        failed += nginx.failed_total;
        all += nginx.responses.unwrap_or(0);
        counted |= nginx.responses.is_some();
    }
    let of_all = if counted && all >= failed {
        format!(" of {}", thousands(all))
    } else {
        String::new()
    };
    let none = match all {
        _ if !counted => "no failed response".to_owned(),
        0 => "no response at all".to_owned(),
        1 => "the one response did not fail".to_owned(),
        _ => format!("none of {} responses failed", thousands(all)),
    };
    match (report.nginx.len(), failed, report.incidents.len()) {
        (_, 0, 0) if report.healthy => {
            format!("Healthy: {none} in {seconds} s, and nothing near a limit.")
        }
        (_, 0, 0) => {
            format!("Not all is well: see the lines marked !! below ({none} in {seconds} s).")
        }
        (_, 0, incidents) => format!(
            "{} to look at ({none} in {seconds} s).",
            number(incidents, "incident")
        ),
        (_, failed, incidents) => {
            let share = if of_all.is_empty() {
                String::new()
            } else {
                format!(" ({})", percent(failed, all))
            };
            let reasons = number(incidents.max(1), "reason");
            format!(
                "{}{of_all} responses failed in {seconds} s{share}, for {reasons}.",
                thousands(failed)
            )
        }
    }
}

fn incident(page: &mut Page, report: &Report, number: usize, one: &OfIncident) {
    let incident = &one.incident;
    page.gap();
    let mut title = format!("{number}  {}", incident.title());
    if report.nginx.len() > 1 {
        let _ = write!(title, "  {}", one.instance);
    }
    page.bad(&title);
    let mut counts: Vec<String> = incident
        .responses
        .iter()
        .map(|(code, count)| format!("{} × HTTP {code}", thousands(*count)))
        .collect();
    if let Some(lost) = incident.lost_requests.filter(|lost| *lost > 0) {
        counts.push(format!("{} requests lost", thousands(lost)));
    }
    let since = clock(incident.opened_at);
    let confidence = format!("{:?}", incident.confidence).to_lowercase();
    counts.push(format!("since {since}"));
    counts.push(confidence);
    if !incident.complete {
        counts.push("not all was seen".to_owned());
    }
    page.text("   ", &counts.join(", "));
    page.text("   ", &incident.summary);
    for piece in &incident.evidence {
        let times = if piece.count > 1 {
            format!("{} × ", thousands(piece.count))
        } else {
            String::new()
        };
        let head = format!("   {}  {:<11} ", clock(piece.time), piece.source);
        page.hanging(&head, &format!("{times}{}", piece.what));
        if let Some(words) = &piece.sample {
            page.hanging(&" ".repeat(head.chars().count()), &format!("“{words}”"));
        }
    }
    for advice in &incident.advice {
        page.hanging("   → ", advice);
    }
}

fn of_nginx(page: &mut Page, report: &Report, nginx: &OfNginx) {
    if report.nginx.len() > 1 {
        page.gap();
        page.bold(&nginx.instance);
    }
    if nginx.failed_total > 0 {
        page.gap();
        page.bold("Whose failures they are");
        for way in &nginx.ways {
            let causes: Vec<_> = way
                .causes
                .iter()
                .map(|(cause, n)| format!("{cause} {}", thousands(*n)))
                .collect();
            let answer = if way.responses > 0 {
                thousands(way.responses)
            } else {
                "no".to_owned()
            };
            page.row(&[(way.question, 62), (&answer, 8)], way.responses > 0);
            for cause in causes
                .iter()
                .filter(|_| way.causes.len() > 1 || way.responses > 0)
            {
                page.hanging("      ", cause);
            }
        }
    }
    if nginx.masked > 0 {
        page.text(
            "   ",
            &format!(
                "Beside these, upstreams failed {} times, and clients were sent something better.",
                thousands(nginx.masked)
            ),
        );
    }
    page.gap();
    page.bold("Vital signs");
    if nginx.responses.is_none() {
        page.vital("responses", "unseen", "(no kernel, no access log)", false);
    }
    for vital in &nginx.vitals {
        let limit = vital.limit.iter().map(|limit| format!("of {limit}"));
        let limit: String = limit.chain(vital.note.clone()).collect();
        page.vital(vital.name, &vital.value, &limit, vital.ok);
        for part in &vital.parts {
            page.hanging("      ", part);
        }
    }
    latency(page, nginx);
}

fn latency(page: &mut Page, nginx: &OfNginx) {
    let Some(requests) = &nginx.requests else {
        return;
    };
    let shown = |latency: &Latency| {
        let most = |value: Option<f64>| {
            value.map_or_else(
                || "over 10 s".to_owned(),
                |value| format!("≤ {}", time(value)),
            )
        };
        format!(
            "half {}, 95 % {}",
            most(latency.median_s),
            most(latency.p95_s)
        )
    };
    page.vital("time of requests", &shown(requests), "", true);
    if let Some(upstreams) = &nginx.upstreams {
        page.vital("time of upstreams", &shown(upstreams), "", true);
        let share = if requests.sum_s > 0.0 {
            (upstreams.sum_s / requests.sum_s * 100.0).min(100.0)
        } else {
            0.0
        };
        page.vital(
            "time spent waiting for upstreams",
            &format!("{share:.0} %"),
            "",
            true,
        );
    }
}

fn events(page: &mut Page, report: &Report) {
    let since = report.since;
    let lines: Vec<String> = report
        .records
        .iter()
        .filter(|record| record.time > since && !matches!(record.body, Body::Response(_)))
        .map(|record| crate::sinks::console::text(record, report.nginx.len() > 1))
        .collect();
    if lines.is_empty() {
        return;
    }
    page.gap();
    page.bold("What happened");
    for line in lines.iter().take(MAX_SHOWN) {
        for line in line.lines() {
            page.hanging("   ", line);
        }
    }
    let more = lines.len().saturating_sub(MAX_SHOWN) as u64 + report.records_left_out;
    if more > 0 {
        page.text("   ", &format!("and {} more", thousands(more)));
    }
}

fn limits(page: &mut Page, report: &Report) {
    if report.blind.is_empty() && report.lost == 0 {
        return;
    }
    page.gap();
    if !report.blind.is_empty() {
        page.text(
            "",
            &format!(
                "Not seen: {}. What they tell is missing here; nginx-probe doctor says why.",
                report.blind.join(", ")
            ),
        );
    }
    if report.lost > 0 {
        let lost = thousands(report.lost);
        page.text(
            "",
            &format!("{lost} events of the kernel were lost: there were too many."),
        );
    }
}

fn clock(time: crate::clock::Time) -> String {
    let text = time.to_string();
    text.get(11..19).unwrap_or(&text).to_owned()
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn thousands(number: u64) -> String {
    count(number as f64)
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn percent(part: u64, all: u64) -> String {
    let share = part as f64 / (all.max(1)) as f64 * 100.0;
    if share > 0.0 && share < 0.1 {
        "below 0.1 %".to_owned()
    } else if share < 10.0 {
        format!("{share:.1} %")
    } else {
        format!("{share:.0} %")
    }
}

fn whole_seconds(seconds: f64) -> String {
    format!("{:.0}", seconds.max(1.0))
}
