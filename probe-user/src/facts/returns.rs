//! What a configuration answers with by itself, and what else may answer in the same place.

use std::{collections::BTreeSet, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::config::{
    Settings,
    error_page::PageStatus,
    location::{Handler, Level, Location, LocationKind},
    pass::{Pass, Protocol, Target},
    server::Server,
    upstream::UpstreamAddress,
};

/// Servers and locations that are kept; more is no real configuration.
const MAX_PLACES: usize = 20_000;

/// Which paths may be answered with which failing statuses because the configuration says so, and
/// where a cache or a script answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returns {
    servers: Vec<OfServer>,
    /// Paths to which requests are mirrored.
    #[serde(default)]
    mirrors: BTreeSet<String>,
}

/// What is known of the places that may serve a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is true of a place or not, whatever the others are"
)]
pub struct Served {
    /// Where the configuration answers with the status, in words.
    pub place: Option<String>,
    /// Nothing else answers there, whatever the request.
    pub certain: bool,
    /// What answers there otherwise cannot be read: it is asked in TLS or HTTP/2.
    pub opaque: bool,
    /// A cache may answer.
    pub cached: bool,
    /// A script may answer.
    pub scripted: bool,
    /// What comes after the answer (`post_action`) changes the status that is logged.
    pub acts_after: bool,
    /// There is more than one upstream to ask, or it is not known how many.
    pub several: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct OfServer {
    /// For every path.
    everywhere: BTreeSet<u16>,
    /// Where no location matches.
    #[serde(default)]
    own: Says,
    locations: Vec<OfLocation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OfLocation {
    kind: Kind,
    pattern: String,
    /// It may answer so: within `if`, or for an error.
    codes: BTreeSet<u16>,
    #[serde(default)]
    says: Says,
}

/// What answers at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is true of a place or not, whatever the others are"
)]
struct Says {
    /// The status of each answer, whatever is asked for.
    always: Option<u16>,
    opaque: bool,
    cached: bool,
    scripted: bool,
    several: bool,
    acts_after: bool,
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
                .map(|server| OfServer::of(server, settings, &mut left))
                .filter(OfServer::says_anything)
                .collect(),
            mirrors: settings.mirrors.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether any request is mirrored: what nginx says of one may then be about its mirror.
    #[must_use]
    pub fn mirrors_any(&self) -> bool {
        !self.mirrors.is_empty()
    }

    /// Whether requests are mirrored to that path.
    #[must_use]
    pub fn mirrors(&self, path: &str) -> bool {
        self.mirrors.contains(path)
    }

    /// What is known of where a request for this path is served that was answered so. A regular
    /// expression is taken to match, and of several servers any may be meant.
    #[must_use]
    pub fn serve(&self, path: &str, status: u16) -> Served {
        let mut all = Served::default();
        for server in &self.servers {
            let one = server.serve(path, status);
            all.several |= one.several;
            all.acts_after |= one.acts_after;
            // The server that answers so for certain is the one that did.
            if one.certain && !all.certain {
                return one;
            }
            all.opaque |= one.opaque;
            all.cached |= one.cached;
            all.scripted |= one.scripted;
            all.place = all.place.or(one.place);
        }
        all
    }
}

impl OfServer {
    fn of(server: &Server, settings: &Settings, left: &mut usize) -> Self {
        let mut all = Self {
            everywhere: own_codes(&server.level),
            own: Says::of(&server.level, settings),
            locations: Vec::new(),
        };
        all.add(&server.level.locations, None, (settings, left));
        all
    }

    /// Adds what is within: `outer` is the location around it.
    fn add(
        &mut self,
        locations: &[Location],
        outer: Option<usize>,
        (settings, left): (&Settings, &mut usize),
    ) {
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
                    let outer_location = outer.and_then(|outer| self.locations.get_mut(outer));
                    let says = if let Some(outer) = outer_location {
                        outer.codes.extend(codes);
                        &mut outer.says
                    } else {
                        self.everywhere.extend(codes);
                        &mut self.own
                    };
                    says.may(&Says::of(&location.level, settings));
                    self.add(&location.level.locations, outer, (settings, left));
                    continue;
                }
                // From anywhere.
                LocationKind::Named => {
                    self.everywhere.extend(codes);
                    self.add(&location.level.locations, outer, (settings, left));
                    continue;
                }
            };
            self.locations.push(OfLocation {
                kind,
                pattern: location.pattern.to_string(),
                codes,
                says: Says::of(&location.level, settings),
            });
            let this = self.locations.len() - 1;
            self.add(&location.level.locations, Some(this), (settings, left));
        }
    }

    fn says_anything(&self) -> bool {
        let says = |says: &Says| *says != Says::default();
        let location = |one: &OfLocation| !one.codes.is_empty() || says(&one.says);
        !self.everywhere.is_empty() || says(&self.own) || self.locations.iter().any(location)
    }

    fn serve(&self, path: &str, status: u16) -> Served {
        let location = self.location(path, status);
        let says = location.map_or(&self.own, |one| &one.says);
        let always = says.always.or(self.own.always);
        let mut served = Served {
            certain: always == Some(status),
            opaque: says.opaque,
            cached: says.cached,
            scripted: says.scripted,
            several: says.several,
            acts_after: says.acts_after,
            place: None,
        };
        let here = location.filter(|one| one.codes.contains(&status));
        if let Some(here) = here {
            served.place = Some(here.words());
        } else if self.everywhere.contains(&status) {
            served.place = Some("the server".to_owned());
        }
        served
    }

    /// The location that a request for this path is served by. A regular expression is taken to
    /// match where it may answer so.
    fn location(&self, path: &str, status: u16) -> Option<&OfLocation> {
        let locations = || self.locations.iter();
        let exact = |one: &&OfLocation| one.kind == Kind::Exact && one.pattern == path;
        if let Some(exact) = locations().find(exact) {
            return Some(exact);
        }
        let says = |one: &&OfLocation| one.codes.contains(&status);
        let prefixes =
            locations().filter(|one| one.kind == Kind::Prefix && path.starts_with(&*one.pattern));
        let longest = prefixes.max_by_key(|one| one.pattern.len());
        let regex = || locations().find(|one| one.kind == Kind::Regex && says(one));
        longest.filter(says).or_else(regex).or(longest)
    }
}

impl Says {
    fn of(level: &Level, settings: &Settings) -> Self {
        let handler = level.handler.as_ref();
        let script = matches!(
            handler,
            Some(Handler::Lua | Handler::Module("js_content" | "perl"))
        );
        Self {
            always: level.returns.as_ref().map(|returns| returns.code),
            opaque: matches!(handler, Some(Handler::Pass(pass))
                if pass.tls || pass.protocol == Protocol::Grpc),
            cached: level.effective.caches && matches!(handler, Some(Handler::Pass(_))),
            scripted: script || level.effective.lua.may_answer(),
            acts_after: level.effective.acts_after,
            several: matches!(handler, Some(Handler::Pass(pass)) if !is_one(pass, settings)),
        }
    }

    /// What is within a condition may answer as well.
    const fn may(&mut self, other: &Self) {
        self.opaque |= other.opaque;
        self.cached |= other.cached;
        self.scripted |= other.scripted;
        self.several |= other.several;
    }
}

/// Whether a location asks one address and no other.
fn is_one(pass: &Pass, settings: &Settings) -> bool {
    let is_address = |name: &str| name.parse::<IpAddr>().is_ok();
    if let Some(upstream) = settings.upstream(pass) {
        return match upstream.servers.as_slice() {
            [one] => match &one.address {
                UpstreamAddress::Host { name, .. } => is_address(name),
                UpstreamAddress::Unix(_) => true,
            },
            _ => false,
        };
    }
    match &pass.target {
        Target::Host { name, .. } => is_address(name),
        Target::Unix(_) => true,
        Target::Variable(_) => false,
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
    let codes = returned.chain(pages).chain(level.none_found);
    codes.filter(|code| *code >= 500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returns(places: &[(Kind, &str, u16)], everywhere: &[u16]) -> Returns {
        let locations = places.iter().map(|(kind, pattern, code)| OfLocation {
            kind: *kind,
            pattern: (*pattern).to_owned(),
            codes: [*code].into(),
            says: Says::default(),
        });
        Returns {
            servers: vec![OfServer {
                everywhere: everywhere.iter().copied().collect(),
                own: Says::default(),
                locations: locations.collect(),
            }],
            mirrors: BTreeSet::new(),
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
            assert_eq!(
                returns.serve(path, status).place.is_some(),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn what_is_for_every_path_and_what_may_match_counts() {
        assert!(returns(&[], &[500]).serve("/x", 500).place.is_some());
        let regex = returns(&[(Kind::Regex, "\\.php$", 500)], &[]);
        assert_eq!(
            regex.serve("/x", 500).place.as_deref(),
            Some("location ~ \\.php$")
        );
    }
}
