//! What the guest said, counted.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::init::MARK;

/// A part of the guest's run: the doctor, a test file, or a part of the test of a whole host.
#[derive(Debug)]
struct Part {
    name: String,
    began: Instant,
    took: Option<Duration>,
    /// The exit status, once it has ended.
    status: Option<i32>,
    passed: u64,
    failed: u64,
    /// Whether it told its result itself.
    told: bool,
}

/// The guest's run so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    parts: Vec<Part>,
    done: bool,
}

impl Table {
    /// Takes a line of the guest's console; gives whether it is for people too.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        let Some(mark) = line.strip_prefix(MARK) else {
            self.count(line);
            return true;
        };
        let words: Vec<&str> = mark.split_whitespace().collect();
        match words.as_slice() {
            ["begin", name] => self.parts.push(Part {
                name: (*name).to_owned(),
                began: Instant::now(),
                took: None,
                status: None,
                passed: 0,
                failed: 0,
                told: false,
            }),
            ["end", name, status] => {
                if let Some(part) = self.parts.iter_mut().find(|part| part.name == *name) {
                    part.status = status.parse().ok();
                    part.took = Some(part.began.elapsed());
                    part.finish();
                }
            }
            ["done"] => self.done = true,
            _ => {}
        }
        false
    }

    /// Whether the guest's script has begun.
    pub(crate) fn has_begun(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether the guest's script has come to its end.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// The part under way.
    pub(crate) fn current(&self) -> Option<&str> {
        self.parts
            .last()
            .filter(|part| part.took.is_none())
            .map(|part| part.name.as_str())
    }

    /// How many checks failed; one that did not end is one.
    pub(crate) fn failed(&self) -> u64 {
        let unfinished = self.parts.iter().filter(|part| part.took.is_none()).count();
        let failed: u64 = self.parts.iter().map(|part| part.failed).sum();
        failed + u64::try_from(unfinished).unwrap_or(u64::MAX)
    }

    /// The table for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{:<16}{:>8}{:>8}{:>10}\n",
            "part", "passed", "failed", "seconds"
        );
        for part in &self.parts {
            let took = part.took.map_or("no end".to_owned(), |took| {
                format!("{:.1}", took.as_secs_f64())
            });
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{:<16}{:>8}{:>8}{took:>10}",
                part.name, part.passed, part.failed
            );
        }
        text
    }

    /// Takes a line such as `test result: ok. 4 passed; 0 failed; 1 ignored; …`.
    fn count(&mut self, line: &str) {
        let (Some(part), Some(result)) =
            (self.parts.last_mut(), line.strip_prefix("test result: "))
        else {
            return;
        };
        part.told = true;
        for each in result.split(['.', ';']) {
            match each.trim().split_once(' ') {
                Some((number, "passed")) => part.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => part.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

impl Part {
    /// What did not count its checks is one by itself; so is a bad end that is not explained.
    fn finish(&mut self) {
        if self.status == Some(0) {
            if !self.told {
                self.passed += 1;
            }
        } else if self.failed == 0 {
            self.failed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lines: &str) -> Table {
        let mut table = Table::default();
        for line in lines.lines() {
            table.line(line);
        }
        table
    }

    #[test]
    fn results_are_counted_by_file() {
        let table = table(
            "@@vm begin doctor\nok  lifecycle\n@@vm end doctor 0\n@@vm begin ring\n\
             test result: FAILED. 3 passed; 2 failed; 0 ignored\n@@vm end ring 101\n@@vm done",
        );
        assert!(table.is_done() && table.current().is_none());
        assert_eq!(table.failed(), 2);
        let text = table.text();
        let words: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().take(3).collect())
            .collect();
        assert_eq!(words[1], ["doctor", "1", "0"]);
        assert_eq!(words[2], ["ring", "3", "2"]);
    }

    #[test]
    fn what_dies_or_does_not_end_has_failed() {
        let died = table("@@vm begin ring\n@@vm end ring 139\n@@vm done");
        assert_eq!(died.failed(), 1);
        let hangs = table("@@vm begin ring\ntest result: ok. 3 passed; 0 failed");
        assert_eq!(hangs.failed(), 1);
        assert_eq!(hangs.current(), Some("ring"));
        assert!(!hangs.is_done());
    }
}
