//! The table of all scenarios, and its summary.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::judge::Judgement;
use super::mode::Mode;
use super::scenarios::Scenario;
use super::truth::Kind;
use crate::bench::figures::Sorted;

/// From a worker's death to its record, for 99 of 100.
const DEATH_MS: f64 = 50.0;
/// From a failed answer to its verdict, for 99 of 100.
const RESPONSE_MS: f64 = 1000.0;

/// One scenario in one mode.
pub(super) struct Row {
    pub(super) scenario: &'static str,
    pub(super) mode: Mode,
    /// How long it took, with its start and its end.
    pub(super) took: Duration,
    /// What was said, or why the scenario could not be played.
    pub(super) outcome: Result<Judgement, String>,
}

impl Row {
    pub(super) fn is_ok(&self) -> bool {
        self.outcome
            .as_ref()
            .is_ok_and(|judgement| judgement.problems.is_empty())
    }

    /// The causes that were given with their counts, and `+` before those of other incidents.
    fn said(judgement: &Judgement) -> String {
        let given = judgement.given.iter();
        let mut said: Vec<String> = given.map(|(cause, n)| format!("{cause} {n}")).collect();
        let others = judgement.incidents.iter();
        let others = others.filter(|cause| !judgement.given.contains_key(*cause));
        said.extend(others.map(|cause| format!("+{cause}")));
        if said.is_empty() {
            "nothing".to_owned()
        } else {
            said.join(", ")
        }
    }

    /// The line of the table.
    pub(super) fn line(&self) -> String {
        let begin = format!("{:<22} {:<8}", self.scenario, self.mode.name());
        let judgement = match &self.outcome {
            Ok(judgement) => judgement,
            Err(why) => {
                let first = why.lines().next().unwrap_or_default();
                return format!("{begin} {:>6} not played: {first}", "ERROR");
            }
        };
        let slowest = judgement.seconds.iter().map(|(_, seconds)| *seconds);
        let slowest = slowest.reduce(f64::max);
        let mut line = format!(
            "{begin} {verdict:>6} {failed:>6} {share:>6} {wrong:>5} {unknown:>7} {untold:>6} {slowest:>8}  {said}",
            verdict = if self.is_ok() { "ok" } else { "WRONG" },
            failed = judgement.failed,
            share = share(judgement.right, judgement.failed),
            wrong = judgement.wrong,
            unknown = judgement.unknown,
            untold = judgement.untold,
            slowest = slowest.map_or_else(|| "-".to_owned(), |s| format!("{s:.3}")),
            said = Self::said(judgement),
        );
        for problem in &judgement.problems {
            line.push_str("\n      ");
            line.push_str(problem);
        }
        line
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "scenario": self.scenario,
            "mode": self.mode.name(),
            "ok": self.is_ok(),
            "took_seconds": self.took.as_secs_f64(),
        });
        let more = match &self.outcome {
            Err(why) => json!({ "error": why }),
            Ok(judgement) => json!({
                "failed": judgement.failed,
                "right": judgement.right,
                "wrong": judgement.wrong,
                "unknown": judgement.unknown,
                "untold": judgement.untold,
                "given": judgement.given,
                "incidents": judgement.incidents,
                "seconds": judgement.seconds.iter().map(|(kind, seconds)| json!({
                    "of": name(*kind), "seconds": seconds,
                })).collect::<Vec<_>>(),
                "problems": judgement.problems,
            }),
        };
        if let (Some(all), Some(more)) = (value.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        value
    }
}

/// The names of the table's columns.
pub(super) fn head() -> String {
    format!(
        "{:<22} {:<8} {:>6} {:>6} {:>6} {:>5} {:>7} {:>6} {:>8}  {}",
        "scenario", "mode", "", "failed", "right", "wrong", "unknown", "untold", "seconds", "said"
    )
}

/// What the command `--list` shows of a scenario.
pub(super) fn listed(scenario: &Scenario) -> String {
    format!("{:<22} {}", scenario.name, scenario.about)
}

/// Totals by mode, and how fast verdicts came.
pub(super) fn summary(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut put = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    for mode in Mode::ALL {
        let rows: Vec<_> = rows.iter().filter(|row| row.mode == mode).collect();
        if rows.is_empty() {
            continue;
        }
        let played = || rows.iter().filter_map(|row| row.outcome.as_ref().ok());
        let sum = |of: fn(&Judgement) -> u64| played().map(of).sum::<u64>();
        put(format!(
            "{:<8} {} of {} scenarios ok; {} failures, {} right, {} wrong, {} unknown, {} untold",
            mode.name(),
            rows.iter().filter(|row| row.is_ok()).count(),
            rows.len(),
            sum(|one| one.failed),
            share(sum(|one| one.right), sum(|one| one.failed)),
            sum(|one| one.wrong),
            sum(|one| one.unknown),
            sum(|one| one.untold),
        ));
        let mut by_kind: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (kind, seconds) in played().flat_map(|one| &one.seconds) {
            by_kind.entry(name(*kind)).or_default().push(seconds * 1e3);
        }
        for (kind, times) in by_kind {
            let count = times.len();
            let sorted = Sorted::new(times);
            let p99 = sorted.percentile(99);
            let target = match kind {
                "death" => compared(p99, DEATH_MS),
                "response" => compared(p99, RESPONSE_MS),
                _ => String::new(),
            };
            put(format!(
                "         time to the first verdict of a {kind}: median {:.0} ms, p99 {p99:.0} ms of {count}{target}",
                sorted.median(),
            ));
        }
    }
    text
}

/// Everything, for a program.
pub(super) fn json(rows: &[Row]) -> Value {
    rows.iter().map(Row::json).collect()
}

fn compared(found: f64, limit: f64) -> String {
    let verdict = if found <= limit { "holds" } else { "MISSED" };
    format!("; target {limit:.0} ms {verdict}")
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Responses(_) => "response",
        Kind::Deaths(_) => "death",
        Kind::Lost => "lost request",
        Kind::State => "state",
    }
}

/// In percent, without claiming all where one is missing.
fn share(part: u64, whole: u64) -> String {
    match (part * 100).checked_div(whole) {
        Some(percent) => format!("{percent}%"),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down() {
        assert_eq!(share(199, 200), "99%");
        assert_eq!(share(200, 200), "100%");
        assert_eq!(share(0, 0), "-");
    }

    #[test]
    fn a_row_says_what_is_wrong() {
        let mut judgement = Judgement {
            failed: 20,
            right: 19,
            untold: 1,
            seconds: vec![(Kind::Responses(500), 0.0123)],
            ..Judgement::default()
        };
        judgement.given.insert("limited".into(), 19);
        judgement
            .incidents
            .extend(["limited".into(), "unknown".into()]);
        judgement.problems.push("something".into());
        let row = Row {
            scenario: "one",
            mode: Mode::Full,
            took: Duration::from_secs(1),
            outcome: Ok(judgement),
        };
        let line = row.line();
        assert!(line.contains("WRONG") && line.contains(" 95% "), "{line}");
        assert!(
            line.contains("0.012  limited 19, +unknown\n      something"),
            "{line}"
        );
        assert_eq!(row.json()["ok"], false);
        let text = summary(&[row]);
        assert!(text.contains("0 of 1 scenarios ok"), "{text}");
        assert!(
            text.contains("p99 12 ms of 1; target 1000 ms holds"),
            "{text}"
        );
    }
}
