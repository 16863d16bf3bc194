//! What a part found: a line for each comparison, and their number.

use std::fmt::{Debug, Display};

/// The comparisons of one part.
#[derive(Debug, Default)]
pub(super) struct Report {
    passed: u32,
    failed: u32,
}

impl Report {
    /// Says whether something holds; `seen` is what was there, for the case that it does not.
    pub(super) fn check(&mut self, what: &str, holds: bool, seen: impl Display) {
        if holds {
            self.passed += 1;
            println!("ok      {what}");
        } else {
            self.failed += 1;
            println!("FAILED  {what}: {seen}");
        }
    }

    /// Says whether two things are the same.
    pub(super) fn equal<T: PartialEq + Debug>(&mut self, what: &str, expected: &T, seen: &T) {
        self.check(
            what,
            expected == seen,
            format!("expected {expected:?}, seen {seen:?}"),
        );
    }

    pub(super) fn failed(&self) -> u32 {
        self.failed
    }

    /// The line from which the host counts.
    pub(super) fn result(&self) -> String {
        let verdict = if self.failed == 0 { "ok" } else { "FAILED" };
        format!(
            "test result: {verdict}. {} passed; {} failed",
            self.passed, self.failed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_counts_as_a_failure() {
        let mut report = Report::default();
        report.equal("one", &1, &1);
        report.equal("two", &1, &2);
        report.check("three", false, "nothing");
        assert_eq!(report.result(), "test result: FAILED. 1 passed; 2 failed");
    }
}
