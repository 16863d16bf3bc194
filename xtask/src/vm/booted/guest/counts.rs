//! What the agent has counted, compared with what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use nginx_probe_tests::metrics;

/// How often each thing happened. A key names the thing: `response 500 redirect_cycle`,
/// `exit worker crash SIGSEGV`, `incident worker_crash`, `reload ok`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counts(BTreeMap<String, f64>);

impl Counts {
    /// Out of the agent's metrics; what did not happen is left out.
    pub(super) fn read(text: &str) -> Self {
        let responses =
            metrics::by_labels(text, "nginx_http_error_responses_total", ["code", "cause"])
                .into_iter()
                .map(|([code, cause], count)| (format!("response {code} {cause}"), count));
        let exits = metrics::by_labels(
            text,
            "nginx_worker_exits_total",
            ["role", "reason", "signal"],
        )
        .into_iter()
        // How many end so with a reload or a stop is nginx's affair.
        .filter(|([_, reason, _], _)| reason != "graceful")
        .map(|([role, reason, signal], count)| (format!("exit {role} {reason} {signal}"), count));
        let incidents = metrics::by_label(text, "nginx_incidents_total", "cause")
            .into_iter()
            .map(|(cause, count)| (format!("incident {cause}"), count));
        let reloads = metrics::by_label(text, "nginx_reloads_total", "result")
            .into_iter()
            .map(|(result, count)| (format!("reload {result}"), count));
        let all = responses.chain(exits).chain(incidents).chain(reloads);
        Self(all.filter(|(_, count)| *count > 0.0).collect())
    }

    /// The same after `more`.
    pub(super) fn plus(&self, more: &[(&str, u32)]) -> Self {
        let mut sum = self.clone();
        for (key, count) in more {
            *sum.0.entry((*key).to_owned()).or_default() += f64::from(*count);
        }
        sum
    }

    /// How many failed answers there were.
    pub(super) fn responses(&self) -> f64 {
        let answers = self
            .0
            .iter()
            .filter(|(key, _)| key.starts_with("response "));
        answers.map(|(_, count)| count).sum()
    }

    /// In words, where `seen` is not what was expected.
    pub(super) fn difference(&self, seen: &Self) -> String {
        let mut text = String::new();
        let keys = self.0.keys().chain(seen.0.keys());
        let keys: BTreeSet<_> = keys.collect();
        for key in keys {
            let of = |counts: &Self| counts.0.get(key).copied().unwrap_or_default();
            let (expected, seen) = (of(self), of(seen));
            if expected.to_bits() != seen.to_bits() {
                // Writing to a String cannot fail.
                let _ = write!(text, "{key}: expected {expected}, seen {seen}; ");
            }
        }
        text.trim_end_matches("; ").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
nginx_http_error_responses_total{nginx=\"/run/nginx.pid\",code=\"500\",cause=\"lua_error\"} 2
nginx_http_error_responses_total{nginx=\"/run/nginx.pid\",code=\"502\",cause=\"upstream_refused\"} 0
nginx_worker_exits_total{nginx=\"a\",role=\"worker\",reason=\"crash\",signal=\"SIGSEGV\"} 1
nginx_worker_exits_total{nginx=\"a\",role=\"worker\",reason=\"graceful\",signal=\"none\"} 4
nginx_incidents_total{nginx=\"a\",cause=\"lua_error\"} 1
nginx_reloads_total{nginx=\"a\",result=\"ok\"} 1
";

    #[test]
    fn what_happened_is_counted_and_what_did_not_is_left_out() {
        let expected = Counts::default().plus(&[
            ("response 500 lua_error", 2),
            ("exit worker crash SIGSEGV", 1),
            ("incident lua_error", 1),
            ("reload ok", 1),
        ]);
        assert_eq!(Counts::read(TEXT), expected);
    }

    #[test]
    fn a_difference_is_named_both_ways() {
        let expected = Counts::default().plus(&[("a", 1), ("b", 2)]);
        let seen = Counts::default().plus(&[("b", 2), ("c", 3)]);
        assert_eq!(
            expected.difference(&seen),
            "a: expected 1, seen 0; c: expected 0, seen 3"
        );
        assert_eq!(expected.difference(&expected), "");
    }
}
