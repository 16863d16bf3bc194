//! Figures out of measurements: percentiles, pairs, and the table that shows them.

use std::fmt;

/// Measured values of one kind, in order of size.
#[derive(Debug)]
pub(crate) struct Sorted(Vec<f64>);

impl Sorted {
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The smallest value that at least `percent` (0 to 100) of all values do not exceed: one that
    /// was measured, nothing in between. Not a number when there are no values.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    /// Between these two lies the median of all that could have been measured, with a chance of at
    /// least 95 %: a sign test turned around, which asks nothing of how the values are spread.
    /// From six values up; of fewer, the least and the most.
    pub(super) fn median_interval(&self) -> [f64; 2] {
        let count = self.0.len();
        // 1.96 / 2 standard deviations of how many of `count` fall below the median, rounded up.
        let reach = (count * 9604 / 10_000).isqrt() + 1;
        let low = count.div_ceil(2).saturating_sub(reach).max(1);
        let at = |rank: usize| {
            self.0
                .get(rank.wrapping_sub(1))
                .copied()
                .unwrap_or(f64::NAN)
        };
        [at(low), at((count + 1).saturating_sub(low))]
    }

    pub(super) fn min(&self) -> f64 {
        self.percentile(0)
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    pub(crate) fn max(&self) -> f64 {
        self.percentile(100)
    }
}

/// The same measured without something and with it, in turn, so that a host that changes
/// meanwhile changes both.
#[derive(Debug, Default)]
pub(super) struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    pub(super) fn push(&mut self, without: f64, with: f64) {
        self.0.push((without, with));
    }

    pub(super) fn without(&self) -> Sorted {
        Sorted::new(self.0.iter().map(|pair| pair.0))
    }

    pub(super) fn with(&self) -> Sorted {
        Sorted::new(self.0.iter().map(|pair| pair.1))
    }

    /// Of each pair, `with` divided by `without`.
    pub(super) fn ratios(&self) -> Sorted {
        Sorted::new(self.0.iter().map(|(without, with)| with / without))
    }

    /// Of each pair, `with` less `without`.
    pub(super) fn differences(&self) -> Sorted {
        Sorted::new(self.0.iter().map(|(without, with)| with - without))
    }
}

/// A value with its unit, to three digits that count.
pub(super) fn figure(value: f64, unit: &str) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 || size == 0.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$} {unit}").trim_end().to_owned()
}

/// What was measured, one line each.
#[derive(Debug)]
pub(super) struct Table {
    title: String,
    rows: Vec<[String; 4]>,
}

const HOLDS: &str = "holds";
const MISSES: &str = "MISSES";

impl Table {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            rows: Vec::new(),
        }
    }

    /// A value without a target.
    pub(super) fn row(&mut self, what: impl Into<String>, value: impl Into<String>) {
        self.rows
            .push([what.into(), value.into(), String::new(), String::new()]);
    }

    /// A value that ought to be below a limit in the same unit.
    pub(super) fn below(&mut self, what: &str, value: f64, limit: f64, unit: &str) {
        let target = format!("< {limit} {unit}");
        self.judged(what, figure(value, unit), target, value < limit);
    }

    /// A ratio that ought to reach a target.
    pub(super) fn at_least(&mut self, what: &str, value: f64, target: f64) {
        let holds = value >= target;
        self.judged(what, figure(value, "×"), format!("≥ {target} ×"), holds);
    }

    /// A count that ought to be this one.
    pub(super) fn equal(&mut self, what: &str, value: u32, target: u32) {
        self.judged(what, value.to_string(), target.to_string(), value == target);
    }

    /// What was measured and misses its target, with the value and the target.
    pub(super) fn missed(&self) -> impl Iterator<Item = &str> {
        let missed = self.rows.iter().filter(|row| row[3] == MISSES);
        missed.map(|row| row[0].as_str())
    }

    fn judged(&mut self, what: &str, value: String, target: String, holds: bool) {
        let verdict = if holds { HOLDS } else { MISSES };
        self.rows
            .push([what.to_owned(), value, target, verdict.to_owned()]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize, least: &str| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(least.len())
        };
        let widths = [width(0, "measured"), width(1, "value"), width(2, "target")];
        writeln!(f, "{}", self.title)?;
        let mut line = |[what, value, target, verdict]: [&str; 4]| {
            let line = format!(
                "  {what:<0$}  {value:>1$}  {target:<2$}  {verdict}",
                widths[0], widths[1], widths[2]
            );
            writeln!(f, "{}", line.trim_end())
        };
        line(["measured", "value", "target", ""])?;
        self.rows
            .iter()
            .try_for_each(|row| line(row.each_ref().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_same(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} != {expected}");
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = Sorted::new((1..=200).rev().map(f64::from));
        assert_same(values.min(), 1.0);
        assert_same(values.median(), 100.0);
        assert_same(values.percentile(90), 180.0);
        assert_same(values.percentile(99), 198.0);
        assert_same(values.max(), 200.0);
        let few = Sorted::new([3.0, 1.0, 2.0]);
        assert_same(few.median(), 2.0);
        assert_same(few.percentile(99), 3.0);
        assert!(Sorted::new([]).median().is_nan());
    }

    #[test]
    fn the_interval_of_a_median_narrows_with_more_values() {
        let interval = |count: u32| Sorted::new((1..=count).map(f64::from)).median_interval();
        // Ranks from a table of the binomial distribution: 25 values give 8 to 18 at 95.7 %.
        let pairs = [(25, [8.0, 18.0]), (100, [40.0, 61.0]), (2, [1.0, 2.0])];
        for (count, expected) in pairs {
            let found = interval(count);
            assert_same(found[0], expected[0]);
            assert_same(found[1], expected[1]);
        }
        assert!(interval(0)[0].is_nan());
    }

    #[test]
    fn pairs_are_compared_one_by_one() {
        let mut pairs = Pairs::default();
        pairs.push(2.0, 3.0);
        pairs.push(10.0, 11.0);
        pairs.push(4.0, 8.0);
        assert_same(pairs.without().median(), 4.0);
        assert_same(pairs.with().median(), 8.0);
        assert_same(pairs.ratios().median(), 1.5);
        assert_same(pairs.differences().max(), 4.0);
    }

    #[test]
    fn figures_have_three_digits_that_count() {
        let shown = [0.0, 0.012_34, 1.234, 12.34, 1234.5, -0.5].map(|value| figure(value, "ms"));
        let expected = [
            "0.00 ms",
            "0.012 ms",
            "1.23 ms",
            "12.3 ms",
            "1234 ms",
            "-0.500 ms",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_table_says_what_holds_and_what_misses() {
        let mut table = Table::new("a title");
        table.row("n", "3");
        table.below("p99", 12.0, 50.0, "ms");
        table.below("the slowest", 50.0, 50.0, "ms");
        table.equal("strays", 0, 0);
        table.at_least("speed", 3.0, 3.0);
        table.at_least("ratio", 2.99, 3.0);
        let expected = "\
a title
  measured       value  target
  n                  3
  p99          12.0 ms  < 50 ms  holds
  the slowest  50.0 ms  < 50 ms  MISSES
  strays             0  0        holds
  speed         3.00 ×  ≥ 3 ×    holds
  ratio         2.99 ×  ≥ 3 ×    MISSES
";
        assert_eq!(table.to_string(), expected);
        let missed: Vec<_> = table.missed().collect();
        assert_eq!(missed, ["the slowest", "ratio"]);
    }

    #[test]
    fn what_could_not_be_measured_holds_nothing() {
        let mut table = Table::new("");
        table.below("p99", Sorted::new([]).max(), 50.0, "ms");
        assert_eq!(table.missed().count(), 1);
    }
}
