//! `server` blocks of `http`.

use std::sync::Arc;

use super::effective::Effective;
use super::lexer::Words;
use super::listen::Listen;
use super::location::{Level, Location};
use super::pool::Pool;

/// One `server` of `http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// What it listens on; never empty once it is read.
    pub listens: Vec<Listen>,
    /// `server_name`: in lower case but for regular expressions (`~…`); one empty name when none is
    /// given.
    pub names: Vec<Arc<str>>,
    /// What is inside.
    pub level: Level,
}

/// A place where settings are in force: a server, or a location in it.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The server.
    pub server: &'a Server,
    /// The locations around the place, outermost first; none for the server itself.
    pub locations: Vec<&'a Location>,
}

impl Server {
    pub(super) fn new(effective: &Arc<Effective>) -> Self {
        Self {
            listens: Vec::new(),
            names: Vec::new(),
            level: Level::new(effective),
        }
    }

    pub(super) fn name(&mut self, words: &Words, pool: &mut Pool) {
        for name in words.arguments() {
            if !pool.take::<Arc<str>>() {
                return;
            }
            self.names.push(if name.starts_with(b"~") {
                pool.text(name)
            } else {
                pool.text(&name.to_ascii_lowercase())
            });
        }
    }

    /// Calls `visit` with the server itself, then every location in it, outermost first.
    pub fn visit<'a>(&'a self, visit: &mut dyn FnMut(&Place<'a>, &'a Level)) {
        let mut place = Place {
            server: self,
            locations: Vec::new(),
        };
        visit_level(&self.level, &mut place, visit);
    }
}

/// Recurses as deep as blocks may nest ([`super::read::MAX_BLOCK_DEPTH`]).
fn visit_level<'a>(
    level: &'a Level,
    place: &mut Place<'a>,
    visit: &mut dyn FnMut(&Place<'a>, &'a Level),
) {
    visit(place, level);
    for location in &level.locations {
        place.locations.push(location);
        visit_level(&location.level, place, visit);
        place.locations.pop();
    }
}
