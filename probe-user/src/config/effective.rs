//! What is in force at a place of the configuration, once nginx's inheritance is applied.
//!
//! nginx merges a level with the one around it after both are read whole: a directive counts for
//! the blocks before it too. Single values are inherited one by one. Lists (logs, error pages,
//! limits) are inherited whole by a level that has none of its own.

use std::collections::HashMap;
use std::sync::Arc;

use super::error_page::ErrorPage;
use super::logs::{AccessLog, ErrorLog, LogTarget};
use super::pass::Protocol;
use super::pool::Table;

/// What is in force for requests at one place. Places with the same settings share one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effective {
    /// Where requests are logged: empty when the log is off. A log that nginx compresses or names
    /// by variables is among them.
    pub access_logs: Arc<[Arc<AccessLog>]>,
    /// Where errors are logged.
    pub error_logs: Arc<[Arc<ErrorLog>]>,
    /// Pages for errors; see [`Effective::error_page`].
    pub error_pages: Arc<[ErrorPage]>,
    /// `auth_request`: the path that is asked whether a request may pass.
    pub auth_request: Option<Arc<str>>,
    /// `limit_req`
    pub limit_req: Limits,
    /// `limit_conn`
    pub limit_conn: Limits,
    /// Lua that runs for each request, besides content handlers.
    pub lua: LuaPhases,
    /// Answers of what is behind nginx are kept and may be given again (`proxy_cache` and its kin).
    pub caches: bool,
    /// `post_action`: a path that is asked once the client has its answer.
    pub acts_after: bool,
    intercepts: Intercepts,
}

/// Limits of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The shared memory zones that count.
    pub zones: Arc<[Arc<str>]>,
    /// The status of a refused request; 503 when not set.
    pub status: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            zones: Arc::default(),
            status: 503,
        }
    }
}

/// Where the Lua module has a say, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LuaPhases(u8);

impl LuaPhases {
    const NAMES: [&str; 6] = [
        "rewrite_by_lua",
        "access_by_lua",
        "header_filter_by_lua",
        "body_filter_by_lua",
        "log_by_lua",
        "server_rewrite_by_lua",
    ];

    /// The set of one directive, such as `access_by_lua_file`; empty for others.
    pub(super) fn of_directive(name: &[u8]) -> Self {
        let name = name
            .strip_suffix(b"_block")
            .or_else(|| name.strip_suffix(b"_file"))
            .unwrap_or(name);
        let bit = Self::NAMES
            .iter()
            .position(|known| known.as_bytes() == name);
        Self(bit.map_or(0, |bit| 1 << bit))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of them may answer in the place of what would: those before the content.
    #[must_use]
    pub fn may_answer(self) -> bool {
        self.names()
            .any(|name| name.ends_with("rewrite_by_lua") || name == "access_by_lua")
    }

    /// The phases, as their directives are named: `access_by_lua` …
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| name)
    }
}

/// The protocols whose answers of 300 and more are replaced by error pages, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Intercepts {
    on: u8,
    set: u8,
}

impl Effective {
    /// Whether an error that what is behind `protocol` answers with is replaced by the error page
    /// for it (`proxy_intercept_errors` and its kin). memcached's always are.
    #[must_use]
    pub fn intercepts(&self, protocol: Protocol) -> bool {
        protocol == Protocol::Memcached || self.intercepts.on & (1 << protocol as u8) != 0
    }

    /// The page for this status: the first that names it.
    #[must_use]
    pub fn error_page(&self, code: u16) -> Option<&ErrorPage> {
        self.error_pages
            .iter()
            .find(|page| page.codes.contains(&code))
    }
}

/// What a level says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) access_logs: Vec<u32>,
    pub(super) log_off: bool,
    pub(super) error_logs: Vec<u32>,
    pub(super) error_pages: Vec<ErrorPage>,
    /// As it is written, `off` included.
    pub(super) auth_request: Option<Arc<str>>,
    pub(super) limit_req: Vec<Arc<str>>,
    pub(super) limit_conn: Vec<Arc<str>>,
    pub(super) limit_req_status: Option<u16>,
    pub(super) limit_conn_status: Option<u16>,
    pub(super) lua: LuaPhases,
    pub(super) caches: Option<bool>,
    pub(super) acts_after: Option<bool>,
    intercepts: Intercepts,
}

impl Own {
    pub(super) fn intercept(&mut self, protocol: Protocol, on: bool) {
        let bit = 1 << protocol as u8;
        self.intercepts.set |= bit;
        self.intercepts.on = (self.intercepts.on & !bit) | if on { bit } else { 0 };
    }

    pub(super) fn lua(&mut self, phases: LuaPhases) {
        self.lua.0 |= phases.0;
    }
}

/// The settings of a level, each list by its number: cheap to inherit and to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Numbers {
    access_logs: u32,
    error_logs: u32,
    error_pages: u32,
    auth_request: u32,
    limit_req: u32,
    limit_conn: u32,
    limit_req_status: u16,
    limit_conn_status: u16,
    lua: LuaPhases,
    caches: bool,
    acts_after: bool,
    intercepts: Intercepts,
}

/// Merges levels.
#[derive(Debug)]
pub(super) struct Merger {
    access_logs: Vec<Arc<AccessLog>>,
    error_logs: Vec<Arc<ErrorLog>>,
    access_lists: Lists<u32, Arc<AccessLog>>,
    error_lists: Lists<u32, Arc<ErrorLog>>,
    page_lists: Lists<ErrorPage, ErrorPage>,
    zone_lists: Lists<Arc<str>, Arc<str>>,
    auth_requests: Table<Option<Arc<str>>>,
    known: HashMap<Numbers, Arc<Effective>>,
}

impl Merger {
    pub(super) fn new(access_logs: Vec<Arc<AccessLog>>, error_logs: Vec<Arc<ErrorLog>>) -> Self {
        Self {
            access_logs,
            error_logs,
            access_lists: Lists::new(),
            error_lists: Lists::new(),
            page_lists: Lists::new(),
            zone_lists: Lists::new(),
            auth_requests: Table::new(),
            known: HashMap::new(),
        }
    }

    /// What is in force outside `http`: the error logs of the main level, and nginx's defaults.
    pub(super) fn outermost(&mut self, error_logs: &[u32]) -> Numbers {
        Numbers {
            access_logs: self.access_list(&[]),
            error_logs: self.error_list(error_logs),
            error_pages: self.page_lists.number(&[], <[ErrorPage]>::to_vec),
            auth_request: self.auth_requests.add(None),
            limit_req: self.zone_list(&[]),
            limit_conn: self.zone_list(&[]),
            limit_req_status: 503,
            limit_conn_status: 503,
            lua: LuaPhases::default(),
            caches: false,
            acts_after: false,
            intercepts: Intercepts::default(),
        }
    }

    /// What is in force at a level within another.
    pub(super) fn merge(&mut self, outer: Numbers, own: &Own) -> Numbers {
        let mut merged = outer;
        if own.log_off {
            // Other logs of the same level do not count then.
            merged.access_logs = self.access_list(&[]);
        } else if !own.access_logs.is_empty() {
            merged.access_logs = self.access_list(&own.access_logs);
        }
        if !own.error_logs.is_empty() {
            merged.error_logs = self.error_list(&own.error_logs);
        }
        if !own.error_pages.is_empty() {
            merged.error_pages = self.page_lists.number(&own.error_pages, <[_]>::to_vec);
        }
        if let Some(auth_request) = &own.auth_request {
            let asked = Some(auth_request).filter(|asked| &***asked != "off");
            merged.auth_request = self.auth_requests.add(asked.cloned());
        }
        if !own.limit_req.is_empty() {
            merged.limit_req = self.zone_list(&own.limit_req);
        }
        if !own.limit_conn.is_empty() {
            merged.limit_conn = self.zone_list(&own.limit_conn);
        }
        merged.limit_req_status = own.limit_req_status.unwrap_or(outer.limit_req_status);
        merged.limit_conn_status = own.limit_conn_status.unwrap_or(outer.limit_conn_status);
        merged.lua.0 |= own.lua.0;
        merged.caches = own.caches.unwrap_or(outer.caches);
        merged.acts_after = own.acts_after.unwrap_or(outer.acts_after);
        let Intercepts { on, set } = own.intercepts;
        merged.intercepts.on = (outer.intercepts.on & !set) | on;
        merged
    }

    /// A level that names no access log gets this one.
    pub(super) fn with_access_log(&mut self, mut numbers: Numbers, log: u32) -> Numbers {
        numbers.access_logs = self.access_list(&[log]);
        numbers
    }

    /// The settings with these numbers.
    pub(super) fn effective(&mut self, numbers: Numbers) -> Arc<Effective> {
        if let Some(known) = self.known.get(&numbers) {
            return Arc::clone(known);
        }
        let effective = Arc::new(Effective {
            access_logs: self.access_lists.get(numbers.access_logs),
            error_logs: self.error_lists.get(numbers.error_logs),
            error_pages: self.page_lists.get(numbers.error_pages),
            auth_request: self
                .auth_requests
                .get(numbers.auth_request)
                .cloned()
                .flatten(),
            limit_req: Limits {
                zones: self.zone_lists.get(numbers.limit_req),
                status: numbers.limit_req_status,
            },
            limit_conn: Limits {
                zones: self.zone_lists.get(numbers.limit_conn),
                status: numbers.limit_conn_status,
            },
            lua: numbers.lua,
            caches: numbers.caches,
            acts_after: numbers.acts_after,
            intercepts: numbers.intercepts,
        });
        self.known.insert(numbers, Arc::clone(&effective));
        effective
    }

    fn access_list(&mut self, logs: &[u32]) -> u32 {
        let all = &self.access_logs;
        self.access_lists.number(logs, |logs| {
            pick(all, logs)
                .filter(|log| log.target != LogTarget::Off)
                .collect()
        })
    }

    fn error_list(&mut self, logs: &[u32]) -> u32 {
        let all = &self.error_logs;
        self.error_lists
            .number(logs, |logs| pick(all, logs).collect())
    }

    fn zone_list(&mut self, zones: &[Arc<str>]) -> u32 {
        self.zone_lists.number(zones, <[_]>::to_vec)
    }
}

fn pick<T>(all: &[Arc<T>], numbers: &[u32]) -> impl Iterator<Item = Arc<T>> {
    numbers
        .iter()
        .filter_map(|&number| all.get(usize::try_from(number).ok()?))
        .map(Arc::clone)
}

/// Lists, each once, and what they stand for.
#[derive(Debug)]
struct Lists<K, T> {
    numbers: HashMap<Box<[K]>, u32>,
    lists: Vec<Arc<[T]>>,
}

impl<K: Clone + Eq + std::hash::Hash, T> Lists<K, T> {
    fn new() -> Self {
        Self {
            numbers: HashMap::new(),
            lists: Vec::new(),
        }
    }

    fn number(&mut self, keys: &[K], make: impl FnOnce(&[K]) -> Vec<T>) -> u32 {
        if let Some(&number) = self.numbers.get(keys) {
            return number;
        }
        let number = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        self.lists.push(make(keys).into());
        self.numbers.insert(keys.into(), number);
        number
    }

    fn get(&self, number: u32) -> Arc<[T]> {
        usize::try_from(number)
            .ok()
            .and_then(|number| self.lists.get(number))
            .cloned()
            .unwrap_or_else(|| Arc::from([]))
    }
}
