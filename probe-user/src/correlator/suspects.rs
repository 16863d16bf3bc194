//! Requests that keep being in flight when workers die.

use std::collections::{BTreeSet, HashMap};

use crate::{facts::WorkerExit, requests::LostRequest};

/// Different requests that are remembered; more are not.
const MAX_REQUESTS: usize = 256;
/// Suspects that are named.
const MAX_NAMED: usize = 3;

/// The requests that a worker's death took with it.
pub(super) struct Death {
    /// How many; nothing where they were not followed.
    pub lost: Option<u64>,
    /// The different ones, by method and path.
    in_flight: BTreeSet<(String, String)>,
}

impl Death {
    pub(super) fn of(exit: &WorkerExit) -> Self {
        Self {
            lost: exit.lost_total,
            in_flight: exit
                .lost_requests
                .iter()
                .flatten()
                .filter_map(name)
                .collect(),
        }
    }
}

/// Which requests were in flight at how many deaths.
#[derive(Default)]
pub(super) struct Suspects {
    deaths: u64,
    requests: HashMap<(String, String), u64>,
}

impl Suspects {
    pub(super) fn add(&mut self, death: Death) {
        self.deaths += 1;
        for request in death.in_flight {
            if self.requests.len() < MAX_REQUESTS || self.requests.contains_key(&request) {
                *self.requests.entry(request).or_default() += 1;
            }
        }
    }

    /// The requests that were in flight at every death, or at more than half of several.
    pub(super) fn named(&self) -> Vec<(String, u64)> {
        let mut named: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, deaths)| **deaths * 2 > self.deaths)
            .map(|((method, path), deaths)| (*deaths, format!("{method} {path}")))
            .collect();
        named.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        named.truncate(MAX_NAMED);
        let all = self.deaths;
        named
            .into_iter()
            .map(|(deaths, what)| {
                (
                    format!("{what} was in flight at {deaths} of {all} deaths"),
                    deaths,
                )
            })
            .collect()
    }
}

fn name(request: &LostRequest) -> Option<(String, String)> {
    Some((request.method.clone()?, request.path.clone()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_always_there_is_named() {
        let mut suspects = Suspects::default();
        for paths in [&["/report", "/a"][..], &["/report"], &["/report", "/b"]] {
            let of = |path: &&str| ("GET".into(), (*path).into());
            suspects.add(Death {
                lost: Some(1),
                in_flight: paths.iter().map(of).collect(),
            });
        }
        let named = suspects.named();
        assert_eq!(
            named,
            [("GET /report was in flight at 3 of 3 deaths".to_owned(), 3)]
        );
    }
}
