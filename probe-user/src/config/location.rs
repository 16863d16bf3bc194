//! Locations, and what a server and a location have in common.

use std::sync::Arc;

use super::effective::{Effective, LuaPhases, Merger, Numbers, Own};
use super::error_page::{ErrorPage, Return};
use super::lexer::Words;
use super::pass::{Pass, Protocol};
use super::pool::{Pool, text};
use super::units::{number, switch};

/// Lists of one level that are kept; more is no real configuration.
const MAX_LIST: usize = 256;

/// What a server and a location have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// What is in force here, inherited settings included.
    pub effective: Arc<Effective>,
    /// What answers requests; `None` for files.
    pub handler: Option<Handler>,
    /// The first `return` outside `if`: nothing else answers then, unless a `rewrite` is before it.
    pub returns: Option<Return>,
    /// `try_files … =CODE`: the status where none of the files is there.
    pub none_found: Option<u16>,
    /// The locations, `if` and `limit_except` blocks within, in order.
    pub locations: Vec<Location>,
    /// Until inheritance is applied.
    pub(super) own: Option<Box<Own>>,
}

/// What answers requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// What is behind nginx.
    Pass(Arc<Pass>),
    /// `stub_status`
    StubStatus,
    /// `content_by_lua` and its kin.
    Lua,
    /// Another module's, by its directive: `js_content`, `empty_gif` …
    Module(&'static str),
}

/// How a location is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocationKind {
    /// The path begins so, and no regular expression matches.
    Prefix,
    /// `=`: the path is exactly that.
    Exact,
    /// `^~`: the path begins so, whatever regular expressions match.
    NoRegex,
    /// `~`: a regular expression.
    Regex,
    /// `~*`: a regular expression, in any case.
    RegexNoCase,
    /// `@NAME`: for internal redirects only.
    Named,
    /// `if`: a condition.
    If,
    /// `limit_except`: methods other than those listed (`GET` stands for `HEAD` too).
    LimitExcept,
}

/// A `location`, or an `if` or `limit_except` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// How it is chosen.
    pub kind: LocationKind,
    /// The path, expression, name (with its `@`), condition, or methods.
    pub pattern: Arc<str>,
    /// What is inside.
    pub level: Level,
}

impl Level {
    pub(super) fn new(effective: &Arc<Effective>) -> Self {
        Self {
            effective: Arc::clone(effective),
            handler: None,
            returns: None,
            none_found: None,
            locations: Vec::new(),
            own: None,
        }
    }

    /// Takes a directive that is not about logs; what could not be understood comes back.
    pub(super) fn directive(&mut self, words: &Words, pool: &mut Pool) -> Result<(), String> {
        let name = words.name();
        let first = words.argument(0);
        if let Some(prefix) = name.strip_suffix(b"_pass")
            && let Some(protocol) = Protocol::of_prefix(prefix)
        {
            if pool.take::<Pass>() {
                let pass = Pass::of(protocol, first.unwrap_or_default(), pool);
                self.handler = Some(Handler::Pass(Arc::new(pass)));
            }
            return Ok(());
        }
        match name {
            b"return" if self.returns.is_none() => {
                self.returns = Some(Return::of(words, pool).ok_or_else(|| odd(words))?);
            }
            b"try_files" => {
                let code = words
                    .arguments()
                    .last()
                    .and_then(|last| last.strip_prefix(b"="));
                self.none_found = code.and_then(number);
            }
            b"stub_status" => self.handler = Some(Handler::StubStatus),
            b"content_by_lua" | b"content_by_lua_file" | b"content_by_lua_block" => {
                self.handler = Some(Handler::Lua);
            }
            _ if module(name).is_some() => self.handler = module(name).map(Handler::Module),
            _ => return inherited(&mut self.own, words, pool),
        }
        Ok(())
    }

    /// What it says itself, to be changed.
    pub(super) fn own(&mut self, pool: &mut Pool) -> Option<&mut Own> {
        own(&mut self.own, pool)
    }
}

impl Level {
    pub(super) fn is_own(&self, is: impl Fn(&Option<Box<Own>>) -> bool) -> bool {
        is(&self.own)
    }

    /// Applies inheritance here and to all within: as deep as blocks may nest
    /// ([`super::read::MAX_BLOCK_DEPTH`]). A conditional block answers as what is `around` it
    /// unless it has a handler of its own.
    pub(super) fn inherit(
        &mut self,
        outer: Numbers,
        around: Option<&Handler>,
        merger: &mut Merger,
    ) {
        let numbers = match self.own.take() {
            Some(own) => merger.merge(outer, &own),
            None => outer,
        };
        self.effective = merger.effective(numbers);
        if self.handler.is_none() {
            self.handler = around.cloned();
        }
        for location in &mut self.locations {
            let around = self.handler.as_ref().filter(|handler| match location.kind {
                LocationKind::If => true,
                // Only proxying goes on inside (`ngx_http_proxy_merge_loc_conf`).
                LocationKind::LimitExcept => matches!(handler, Handler::Pass(_)),
                _ => false,
            });
            location.level.inherit(numbers, around, merger);
        }
    }
}

/// The `Own` of a level, made when it is first needed; `None` with no room left.
pub(super) fn own<'a>(own: &'a mut Option<Box<Own>>, pool: &mut Pool) -> Option<&'a mut Own> {
    if own.is_none() && pool.take::<(Own, Effective)>() {
        *own = Some(Box::default());
    }
    own.as_deref_mut()
}

/// Takes a directive whose value is inherited, of `http`, a server or a location.
pub(super) fn inherited(
    level: &mut Option<Box<Own>>,
    words: &Words,
    pool: &mut Pool,
) -> Result<(), String> {
    let first = words.argument(0).unwrap_or_default();
    let name = words.name();
    if let Some(prefix) = name.strip_suffix(b"_intercept_errors")
        && let Some(protocol) = Protocol::of_prefix(prefix)
    {
        let on = switch(first).ok_or_else(|| odd(words))?;
        if let Some(own) = own(level, pool) {
            own.intercept(protocol, on);
        }
        return Ok(());
    }
    if let Some(prefix) = name.strip_suffix(b"_cache")
        && Protocol::of_prefix(prefix).is_some()
    {
        if let Some(own) = own(level, pool) {
            own.caches = Some(first != b"off");
        }
        return Ok(());
    }
    if name == b"post_action" {
        if let Some(own) = own(level, pool) {
            own.acts_after = Some(first != b"off");
        }
        return Ok(());
    }
    let lua = LuaPhases::of_directive(name);
    let known = !lua.is_empty()
        || matches!(
            name,
            b"error_page"
                | b"auth_request"
                | b"limit_req"
                | b"limit_conn"
                | b"limit_req_status"
                | b"limit_conn_status"
        );
    if !known {
        return Ok(());
    }
    let status = || number(first).ok_or_else(|| odd(words));
    let Some(own) = own(level, pool) else {
        return Ok(());
    };
    match name {
        b"error_page" => {
            let page = ErrorPage::of(words, pool).ok_or_else(|| odd(words))?;
            push(&mut own.error_pages, page);
        }
        b"auth_request" => {
            own.auth_request = Some(pool.text(first));
        }
        b"limit_req" => {
            let zone = words
                .arguments()
                .find_map(|word| word.strip_prefix(b"zone="))
                .ok_or_else(|| odd(words))?;
            push(&mut own.limit_req, pool.text(zone));
        }
        b"limit_conn" => push(&mut own.limit_conn, pool.text(first)),
        b"limit_req_status" => own.limit_req_status = Some(status()?),
        b"limit_conn_status" => own.limit_conn_status = Some(status()?),
        _ => own.lua(lua),
    }
    Ok(())
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() < MAX_LIST {
        list.push(item);
    }
}

fn odd(words: &Words) -> String {
    text(words.argument(0).unwrap_or_default())
}

/// Handlers of modules that Debian or nginx.org ship.
fn module(name: &[u8]) -> Option<&'static str> {
    ["js_content", "perl", "empty_gif", "flv", "mp4"]
        .into_iter()
        .find(|known| known.as_bytes() == name)
}

impl Location {
    /// `location [MODIFIER] PATTERN {`, `if (…) {` or `limit_except METHOD … {`.
    pub(super) fn of(words: &Words, effective: &Arc<Effective>, pool: &mut Pool) -> Self {
        let first = words.argument(0).unwrap_or_default();
        let joined = |pool: &mut Pool| {
            let all: Vec<&[u8]> = words.arguments().take(64).collect();
            pool.text(&all.join(&b' '))
        };
        let (kind, pattern) = match words.name() {
            b"if" => (LocationKind::If, joined(pool)),
            b"limit_except" => (LocationKind::LimitExcept, joined(pool)),
            _ => {
                let (kind, pattern) = match words.argument(1) {
                    Some(pattern) => (modifier(first), pattern),
                    None => attached(first),
                };
                (kind, pool.text(pattern))
            }
        };
        Self {
            kind,
            pattern,
            level: Level::new(effective),
        }
    }
}

/// The modifier that stands alone; what nginx would refuse counts as none.
fn modifier(word: &[u8]) -> LocationKind {
    match word {
        b"=" => LocationKind::Exact,
        b"^~" => LocationKind::NoRegex,
        b"~" => LocationKind::Regex,
        b"~*" => LocationKind::RegexNoCase,
        _ => LocationKind::Prefix,
    }
}

/// A modifier that is written together with the pattern.
fn attached(word: &[u8]) -> (LocationKind, &[u8]) {
    match word {
        [b'=', path @ ..] => (LocationKind::Exact, path),
        [b'^', b'~', path @ ..] => (LocationKind::NoRegex, path),
        [b'~', b'*', path @ ..] => (LocationKind::RegexNoCase, path),
        [b'~', path @ ..] => (LocationKind::Regex, path),
        [b'@', ..] => (LocationKind::Named, word),
        _ => (LocationKind::Prefix, word),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{Lexer, Statement};
    use super::*;

    #[test]
    fn patterns_and_modifiers() {
        use LocationKind::*;
        for (text, kind, pattern) in [
            ("location /a {", Prefix, "/a"),
            ("location = /a {", Exact, "/a"),
            ("location =/a {", Exact, "/a"),
            ("location ^~ /a {", NoRegex, "/a"),
            ("location ^~/a {", NoRegex, "/a"),
            ("location ~ \\.php$ {", Regex, "\\.php$"),
            ("location ~*\\.php$ {", RegexNoCase, "\\.php$"),
            ("location ~* x {", RegexNoCase, "x"),
            ("location @b {", Named, "@b"),
            ("location = @b {", Exact, "@b"),
            ("location {", Prefix, ""),
            ("if ($a = b) {", If, "($a = b)"),
            ("limit_except GET POST {", LimitExcept, "GET POST"),
        ] {
            let Statement::Open(words) = Lexer::new(text.as_bytes()).statement().unwrap().unwrap()
            else {
                panic!("{text}")
            };
            let found = Location::of(&words, &Arc::default(), &mut Pool::new(10_000));
            assert_eq!((found.kind, &*found.pattern), (kind, pattern), "{text}");
        }
    }
}
