//! Samples out of an `OpenMetrics` text.

use std::collections::BTreeMap;

/// The sum of the samples called `name` whose labels include `labels`; none when there is no such sample.
#[must_use]
pub fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let matching = text.lines().filter_map(parse).filter(|sample| {
        sample.name == name
            && labels
                .iter()
                .all(|&(key, value)| sample.labels.get(key).is_some_and(|found| found == value))
    });
    matching
        .map(|sample| sample.value)
        .reduce(|sum, value| sum + value)
}

/// The sums of the samples called `name`, by the value of their label `label`.
#[must_use]
pub fn by_label(text: &str, name: &str, label: &str) -> BTreeMap<String, f64> {
    let sums = by_labels(text, name, [label]).into_iter();
    sums.map(|([value], sum)| (value, sum)).collect()
}

/// The same by the values of several labels.
#[must_use]
pub fn by_labels<const N: usize>(
    text: &str,
    name: &str,
    labels: [&str; N],
) -> BTreeMap<[String; N], f64> {
    let mut sums = BTreeMap::new();
    for sample in text.lines().filter_map(parse) {
        if sample.name == name && labels.iter().all(|label| sample.labels.contains_key(label)) {
            *sums
                .entry(labels.map(|label| sample.labels.get(label).cloned().unwrap_or_default()))
                .or_default() += sample.value;
        }
    }
    sums
}

#[derive(Debug)]
struct Sample<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, String>,
    value: f64,
}

fn parse(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    if name.starts_with('#') {
        return None;
    }
    let mut labels = BTreeMap::new();
    let mut rest = rest.strip_prefix('{').unwrap_or(rest);
    while let Some((key, after)) = rest
        .split_once("=\"")
        .filter(|_| !rest.starts_with([' ', '}']))
    {
        let (value, after) = quoted(after)?;
        labels.insert(key, value);
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    let rest = rest.strip_prefix('}').unwrap_or(rest);
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name,
        labels,
        value,
    })
}

/// A label's value up to its closing quote, unescaped, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
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

    const TEXT: &str = r#"# HELP exits Exits.
# TYPE exits counter
exits_total{nginx="/run/a.pid",reason="crash"} 2
exits_total{nginx="/run/a.pid",reason="killed"} 3 1700000000
exits_total{nginx="odd \"}, =\\ one",reason="crash"} 5
plain 0.25
# EOF
"#;

    fn assert_sum(name: &str, labels: &[(&str, &str)], expected: Option<f64>) {
        let found = sum(TEXT, name, labels);
        assert_eq!(
            found.map(f64::to_bits),
            expected.map(f64::to_bits),
            "{name} {labels:?}"
        );
    }

    #[test]
    fn samples_are_chosen_by_name_and_labels() {
        assert_sum("exits_total", &[], Some(10.0));
        assert_sum("exits_total", &[("nginx", "/run/a.pid")], Some(5.0));
        assert_sum(
            "exits_total",
            &[("reason", "crash"), ("nginx", "/run/a.pid")],
            Some(2.0),
        );
        assert_sum("exits_total", &[("nginx", r#"odd "}, =\ one"#)], Some(5.0));
        assert_sum("exits_total", &[("reason", "graceful")], None);
        assert_sum("plain", &[], Some(0.25));
        assert_sum("exits", &[], None);
    }
    #[test]
    fn samples_are_summed_by_a_label() {
        let sums: Vec<_> = by_label(TEXT, "exits_total", "reason")
            .into_iter()
            .collect();
        assert_eq!(format!("{sums:?}"), r#"[("crash", 7.0), ("killed", 3.0)]"#);
        assert!(by_label(TEXT, "plain", "reason").is_empty());
    }
}
