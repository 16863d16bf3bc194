//! The agent's own metrics, read back from what it exports.

use std::collections::BTreeMap;

/// Labels of a series, by name.
pub type Labels = BTreeMap<String, String>;

/// All series at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    series: BTreeMap<String, Vec<(Labels, f64)>>,
}

impl Snapshot {
    /// Reads an exposition in `OpenMetrics` text. What is no series is passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut series: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, labels, value)) = read(line) {
                series.entry(name).or_default().push((labels, value));
            }
        }
        Self { series }
    }

    /// Every series of a metric of one nginx.
    pub fn of<'a>(
        &'a self,
        name: &str,
        nginx: &'a str,
    ) -> impl Iterator<Item = (&'a Labels, f64)> + 'a {
        let all = self.series.get(name).into_iter().flatten();
        let of_nginx = move |labels: &Labels| labels.get("nginx").is_some_and(|one| one == nginx);
        all.filter(move |(labels, _)| of_nginx(labels))
            .map(|(labels, value)| (labels, *value))
    }

    /// The sum of the series of a metric of one nginx whose labels pass `wanted`; none when there
    /// are none.
    #[must_use]
    pub fn sum(&self, name: &str, nginx: &str, wanted: impl Fn(&Labels) -> bool) -> Option<f64> {
        let values = self.of(name, nginx).filter(|(labels, _)| wanted(labels));
        values
            .map(|(_, value)| value)
            .reduce(|sum, value| sum + value)
    }

    /// The largest of them, and its labels.
    #[must_use]
    pub fn most<'a>(&'a self, name: &str, nginx: &'a str) -> Option<(&'a Labels, f64)> {
        self.of(name, nginx).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Of all workers the one that is nearest to its limit: what it has, what it may have.
    #[must_use]
    pub fn fullest(&self, used: &str, most: &str, nginx: &str) -> Option<(f64, f64)> {
        let pairs = self.of(used, nginx).filter_map(|(labels, value)| {
            let limit = self.sum(most, nginx, |one| one.get("worker") == labels.get("worker"))?;
            (limit > 0.0).then_some((value, limit))
        });
        pairs.max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)))
    }

    /// The buckets of a histogram of one nginx: the end of each, and how many are at most that.
    #[must_use]
    pub fn buckets(&self, name: &str, nginx: &str) -> Vec<(f64, f64)> {
        let name = format!("{name}_bucket");
        let end = |labels: &Labels| match labels.get("le")?.as_str() {
            "+Inf" => Some(f64::INFINITY),
            end => end.parse().ok(),
        };
        let ends = self.of(&name, nginx);
        let mut ends: Vec<(f64, f64)> = ends
            .filter_map(|(labels, count)| Some((end(labels)?, count)))
            .collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends
    }

    /// The sum of all series of a metric.
    #[must_use]
    pub fn total(&self, name: &str) -> f64 {
        let all = self.series.get(name).into_iter().flatten();
        all.map(|(_, value)| value).sum()
    }

    /// A series that is about no nginx.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.series.get(name)?.first().map(|(_, value)| *value)
    }

    /// The value of `label` in every series of a metric that passes `wanted`.
    pub fn labels<'a>(
        &'a self,
        name: &str,
        label: &'a str,
        wanted: impl Fn(f64) -> bool + 'a,
    ) -> impl Iterator<Item = &'a str> + 'a {
        let all = self.series.get(name).into_iter().flatten();
        all.filter(move |(_, value)| wanted(*value))
            .filter_map(move |(labels, _)| labels.get(label).map(String::as_str))
    }
}

/// A counter's value as the whole number that it is.
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counters are whole, not negative, and far below 2^53"
)]
pub fn whole(value: f64) -> u64 {
    value.round().max(0.0) as u64
}

/// `name{label="value",…} 1.0`
fn read(line: &str) -> Option<(String, Labels, f64)> {
    let Some((name, rest)) = line.split_once('{') else {
        let (name, value) = line.split_once(' ')?;
        return Some((name.to_owned(), Labels::new(), number(value)?));
    };
    let mut labels = Labels::new();
    let mut rest = rest;
    while let Some((label, after)) = rest.split_once("=\"") {
        let (value, after) = quoted(after)?;
        labels.insert(label.trim_start_matches(',').to_owned(), value);
        rest = after;
        if rest.starts_with('}') {
            break;
        }
    }
    let value = rest.strip_prefix('}')?.trim_start();
    Some((name.to_owned(), labels, number(value)?))
}

fn number(text: &str) -> Option<f64> {
    text.split(' ').next()?.parse().ok()
}

/// A value up to its closing quote, its escapes undone, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_read_with_their_labels() {
        let text = "# HELP x y\n\
                    up 1\n\
                    x_total{nginx=\"/a \\\"b\\\"\\\\\",code=\"500\"} 3\n\
                    x_total{nginx=\"/a \\\"b\\\"\\\\\",code=\"502\"} 4.5\n\
                    x_total{nginx=\"other\",code=\"500\"} 9\n\
                    odd{\n# EOF\n";
        let snapshot = Snapshot::parse(text);
        let nginx = "/a \"b\"\\";
        assert_eq!(snapshot.value("up"), Some(1.0));
        assert_eq!(snapshot.sum("x_total", nginx, |_| true), Some(7.5));
        let only = |labels: &Labels| labels.get("code").is_some_and(|code| code == "500");
        assert_eq!(snapshot.sum("x_total", nginx, only), Some(3.0));
        assert_eq!(snapshot.sum("y", nginx, only), None);
        assert_eq!(
            snapshot.most("x_total", nginx).map(|most| most.1),
            Some(4.5)
        );
    }
}
