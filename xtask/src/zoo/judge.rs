//! What was said, compared with what is true.

use std::collections::{BTreeMap, BTreeSet};

use super::mode::Mode;
use super::told::Told;
use super::truth::{Class, Kind, Truth};

/// What came of one scenario in one mode.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// Failures that there were.
    pub(super) failed: u64,
    /// Those that were given a right cause.
    pub(super) right: u64,
    /// Those that were given a wrong one, and failures that never were.
    pub(super) wrong: u64,
    /// Those of which the cause `unknown` was said.
    pub(super) unknown: u64,
    /// Those of which nothing was said.
    pub(super) untold: u64,
    /// Seconds from the first failure of each class to its verdict.
    pub(super) seconds: Vec<(Kind, f64)>,
    /// The causes that were given, and how often.
    pub(super) given: BTreeMap<String, u64>,
    /// The causes of the incidents that were opened.
    pub(super) incidents: BTreeSet<String>,
    /// What is wrong, in words; nothing when all is well.
    pub(super) problems: Vec<String>,
}

const UNKNOWN: &str = "unknown";

/// Judges what was told.
pub(super) fn judge(truth: &Truth, mode: Mode, told: &Told) -> Judgement {
    let mut judgement = Judgement {
        failed: truth.failed(),
        incidents: told.incidents.keys().cloned().collect(),
        ..Judgement::default()
    };
    judge_responses(&mut judgement, truth, mode, told);
    judge_records(&mut judgement, truth, mode, told);
    judge_deaths(&mut judgement, truth, mode, told);
    judge_lost(&mut judgement, truth, mode, told);
    judge_incidents(&mut judgement, truth, mode, told);
    for class in &truth.classes {
        if let Some(seconds) = told.seconds(class, &class.verdict.allowed(mode)) {
            judgement.seconds.push((class.kind, seconds));
        }
    }
    judgement
}

/// Whether something was said of everything of which something must be, whatever it was.
pub(super) fn is_accounted(truth: &Truth, mode: Mode, told: &Told) -> bool {
    truth.classes.iter().all(|class| {
        class.verdict.may_be_untold(mode)
            || match class.kind {
                Kind::Responses(code) => {
                    let all = truth.classes.iter().filter(|one| one.kind == class.kind);
                    told.responses_with(code) >= all.map(|one| one.count).sum()
                }
                Kind::Deaths(reason) => {
                    let told = told.deaths.get(reason);
                    told.is_some_and(|count| *count >= class.count)
                }
                Kind::Lost => told.lost >= class.count,
                Kind::State => {
                    let causes = class.verdict.allowed(mode);
                    causes.iter().any(|one| told.incidents.contains_key(*one))
                }
            }
    })
}

fn judge_responses(judgement: &mut Judgement, truth: &Truth, mode: Mode, told: &Told) {
    let mut codes: BTreeMap<u16, Vec<&Class>> = BTreeMap::new();
    codes.extend(told.responses.keys().map(|code| (*code, Vec::new())));
    for class in &truth.classes {
        if let Kind::Responses(code) = class.kind {
            codes.entry(code).or_default().push(class);
        }
    }
    for (code, mut classes) in codes {
        let mut left = told.responses.get(&code).cloned().unwrap_or_default();
        for (cause, count) in &left {
            *judgement.given.entry(cause.clone()).or_default() += count;
        }
        // Who has fewer causes to choose from chooses first.
        classes.sort_by_key(|class| class.verdict.allowed(mode).len());
        for class in &classes {
            let mut wanted = class.count;
            for cause in class.verdict.allowed(mode) {
                let there = left.entry(cause.to_owned()).or_default();
                let taken = wanted.min(*there);
                *there -= taken;
                wanted -= taken;
                match cause {
                    UNKNOWN => judgement.unknown += taken,
                    _ => judgement.right += taken,
                }
            }
        }
        for (cause, count) in left.into_iter().filter(|(_, count)| *count > 0) {
            if cause == UNKNOWN {
                judgement.unknown += count;
            } else {
                judgement.wrong += count;
            }
            judgement.problems.push(format!(
                "{count} × {code} said to be {cause}{}",
                instead_of(&classes, mode)
            ));
        }
        let failed: u64 = classes.iter().map(|class| class.count).sum();
        let untold = failed.saturating_sub(told.responses_with(code));
        judgement.untold += untold;
        let permitted = classes
            .iter()
            .filter(|class| class.verdict.may_be_untold(mode));
        if untold > permitted.map(|class| class.count).sum() {
            judgement.problems.push(format!(
                "nothing said of {untold} × {code}{}",
                instead_of(&classes, mode)
            ));
        }
    }
}

/// What should have been said.
fn instead_of(classes: &[&Class], mode: Mode) -> String {
    let each: Vec<String> = classes
        .iter()
        .map(|class| {
            format!(
                "{} × {}",
                class.count,
                class.verdict.allowed(mode).join(" or ")
            )
        })
        .collect();
    match each.as_slice() {
        [] => ", where nothing failed".to_owned(),
        each => format!(" (there were {})", each.join(", ")),
    }
}

/// Two causes of one status may have been given the one for the other: then the sums are right, and
/// the records are not.
fn judge_records(judgement: &mut Judgement, truth: &Truth, mode: Mode, told: &Told) {
    let astray = |class: &Class| told.astray(class, &class.verdict.allowed(mode));
    let astray: u64 = truth.classes.iter().map(astray).sum();
    let exchanged = astray.saturating_sub(judgement.wrong);
    if exchanged > 0 {
        judgement.wrong += exchanged;
        judgement.right = judgement.right.saturating_sub(exchanged);
        let problem = format!("{exchanged} records give a path the cause of another");
        judgement.problems.push(problem);
    }
}

fn judge_deaths(judgement: &mut Judgement, truth: &Truth, mode: Mode, told: &Told) {
    let mut left = told.deaths.clone();
    for class in &truth.classes {
        let Kind::Deaths(reason) = class.kind else {
            continue;
        };
        let there = left.remove(reason).unwrap_or(0);
        judgement.right += there.min(class.count);
        let untold = class.count.saturating_sub(there);
        judgement.untold += untold;
        if untold > 0 && !class.verdict.may_be_untold(mode) {
            let problem = format!("nothing said of {untold} deaths by {reason}");
            judgement.problems.push(problem);
        }
        left.insert(reason.to_owned(), there.saturating_sub(class.count));
    }
    for (reason, count) in left.into_iter().filter(|(_, count)| *count > 0) {
        judgement.wrong += count;
        let problem = format!("{count} deaths said to be by {reason}, which were not");
        judgement.problems.push(problem);
    }
}

fn judge_lost(judgement: &mut Judgement, truth: &Truth, mode: Mode, told: &Told) {
    let classes = truth.classes.iter().filter(|one| one.kind == Kind::Lost);
    let must = classes.clone().any(|one| !one.verdict.may_be_untold(mode));
    let lost: u64 = classes.map(|class| class.count).sum();
    judgement.right += told.lost.min(lost);
    judgement.untold += lost.saturating_sub(told.lost);
    judgement.wrong += told.lost.saturating_sub(lost);
    if told.lost > lost || told.lost < lost && must {
        let problem = format!("{} requests said to be lost, where {lost} were", told.lost);
        judgement.problems.push(problem);
    }
}

fn judge_incidents(judgement: &mut Judgement, truth: &Truth, mode: Mode, told: &Told) {
    let mut allowed = BTreeSet::new();
    for class in &truth.classes {
        let causes = class.verdict.allowed(mode);
        let opened = causes
            .iter()
            .any(|cause| told.incidents.contains_key(*cause));
        if class.kind == Kind::State {
            judgement.right += u64::from(opened);
            judgement.untold += u64::from(!opened);
        }
        if !opened && !class.verdict.may_be_untold(mode) {
            let causes = causes.join(" or ");
            let problem = format!("no incident {causes}");
            if !judgement.problems.contains(&problem) {
                judgement.problems.push(problem);
            }
        }
        allowed.extend(causes);
    }
    for (cause, count) in &told.incidents {
        if *count > 1 {
            let problem = format!("{count} incidents {cause}, where one run of failures was");
            judgement.problems.push(problem);
        }
        if !allowed.contains(cause.as_str()) {
            let problem = format!("an incident {cause}, for which there was no reason");
            judgement.problems.push(problem);
        }
    }
}

#[cfg(test)]
mod tests;
