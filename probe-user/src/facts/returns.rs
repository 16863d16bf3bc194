//! The failures with which a configuration answers by itself: `return` and `error_page`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::config::{
    Settings,
    error_page::PageStatus,
    location::{Level, Location, LocationKind},
    server::Server,
};

/// Servers and locations that are kept; more is no real configuration.
const MAX_PLACES: usize = 20_000;

/// Which paths may be answered with which failing statuses because the configuration says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returns {
    servers: Vec<OfServer>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct OfServer {
    /// For every path.
    everywhere: BTreeSet<u16>,
    locations: Vec<OfLocation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OfLocation {
    kind: Kind,
    pattern: String,
    codes: BTreeSet<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Exact,
    Prefix,
    Regex,
}

impl Returns {
    /// What a configuration says.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let mut left = MAX_PLACES;
        let servers = settings.servers.iter();
        Self {
            servers: servers
                .map(|server| OfServer::of(server, &mut left))
                .filter(OfServer::says_anything)
                .collect(),
        }
    }

    /// Where a request for this path may be answered so, in words. A regular expression is taken to
    /// match, and of several servers any may be meant.
    #[must_use]
    pub fn answers(&self, path: &str, status: u16) -> Option<String> {
        self.servers
            .iter()
            .find_map(|server| server.answers(path, status))
    }
}

impl OfServer {
    fn of(server: &Server, left: &mut usize) -> Self {
        let mut all = Self {
            everywhere: own_codes(&server.level),
            locations: Vec::new(),
        };
        all.add(&server.level.locations, None, left);
        all
    }

    /// Adds what is within: `outer` is the location around it.
    fn add(&mut self, locations: &[Location], outer: Option<usize>, left: &mut usize) {
        for location in locations {
            let Some(fewer) = left.checked_sub(1) else {
                return;
            };
            *left = fewer;
            let codes = own_codes(&location.level);
            let kind = match location.kind {
                LocationKind::Exact => Kind::Exact,
                LocationKind::Prefix | LocationKind::NoRegex => Kind::Prefix,
                LocationKind::Regex | LocationKind::RegexNoCase => Kind::Regex,
                LocationKind::If | LocationKind::LimitExcept => {
                    match outer.and_then(|outer| self.locations.get_mut(outer)) {
                        Some(outer) => outer.codes.extend(codes),
                        None => self.everywhere.extend(codes),
                    }
                    self.add(&location.level.locations, outer, left);
                    continue;
                }
                // From anywhere.
                LocationKind::Named => {
                    self.everywhere.extend(codes);
                    self.add(&location.level.locations, outer, left);
                    continue;
                }
            };
            self.locations.push(OfLocation {
                kind,
                pattern: location.pattern.to_string(),
                codes,
            });
            let this = self.locations.len() - 1;
            self.add(&location.level.locations, Some(this), left);
        }
    }

    fn says_anything(&self) -> bool {
        !self.everywhere.is_empty() || self.locations.iter().any(|one| !one.codes.is_empty())
    }

    fn answers(&self, path: &str, status: u16) -> Option<String> {
        if self.everywhere.contains(&status) {
            return Some("the server".to_owned());
        }
        let says = |location: &&OfLocation| location.codes.contains(&status);
        let locations = || self.locations.iter();
        let exact = |one: &&OfLocation| one.kind == Kind::Exact && one.pattern == path;
        if let Some(exact) = locations().find(exact) {
            return Some(exact).filter(says).map(OfLocation::words);
        }
        let prefixes =
            locations().filter(|one| one.kind == Kind::Prefix && path.starts_with(&*one.pattern));
        let longest = prefixes.max_by_key(|one| one.pattern.len()).filter(says);
        let regex = || locations().find(|one| one.kind == Kind::Regex && says(one));
        longest.or_else(regex).map(OfLocation::words)
    }
}

impl OfLocation {
    /// As in a configuration.
    fn words(&self) -> String {
        let sign = match self.kind {
            Kind::Exact => "= ",
            Kind::Prefix => "",
            Kind::Regex => "~ ",
        };
        format!("location {sign}{}", self.pattern)
    }
}

/// The failing statuses that a place itself answers with.
fn own_codes(level: &Level) -> BTreeSet<u16> {
    let returned = level.returns.iter().map(|returns| returns.code);
    let pages = level.effective.error_pages.iter();
    let pages = pages.filter_map(|page| match page.status {
        PageStatus::Code(code) => Some(code),
        PageStatus::Keep | PageStatus::OfPage => None,
    });
    returned.chain(pages).filter(|code| *code >= 500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returns(places: &[(Kind, &str, u16)], everywhere: &[u16]) -> Returns {
        let locations = places.iter().map(|(kind, pattern, code)| OfLocation {
            kind: *kind,
            pattern: (*pattern).to_owned(),
            codes: [*code].into(),
        });
        Returns {
            servers: vec![OfServer {
                everywhere: everywhere.iter().copied().collect(),
                locations: locations.collect(),
            }],
        }
    }

    #[test]
    fn the_location_that_nginx_would_take_decides() {
        let returns = returns(
            &[
                (Kind::Prefix, "/", 200),
                (Kind::Prefix, "/down", 503),
                (Kind::Prefix, "/down/not", 200),
                (Kind::Exact, "/down/exactly", 502),
            ],
            &[],
        );
        for (path, status, expected) in [
            ("/down", 503, true),
            ("/down/a", 503, true),
            ("/down/a", 502, false),
            ("/down/not/a", 503, false),
            ("/down/exactly", 502, true),
            ("/down/exactly", 503, false),
            ("/", 503, false),
        ] {
            assert_eq!(returns.answers(path, status).is_some(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_for_every_path_and_what_may_match_counts() {
        assert!(returns(&[], &[500]).answers("/x", 500).is_some());
        let regex = returns(&[(Kind::Regex, "\\.php$", 500)], &[]);
        assert_eq!(
            regex.answers("/x", 500).as_deref(),
            Some("location ~ \\.php$")
        );
    }
}
