//! Names that are part of the program, read back from text: of signals, errors, system calls,
//! protocols.
//!
//! Facts hold such names as `&'static str`. One that is read from a recording is found in the lists
//! that they come from; one of another machine or version is kept for good, within bounds.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex, PoisonError},
};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use crate::{errnos, facts, kernel::calls, oom, requests, signals};

/// A name that is part of the program.
// An alias, because serde takes a field that is called `&'static str` for one that it may borrow.
pub type Name = &'static str;

/// Names that are in no list and are kept.
const MAX_KEPT: usize = 1_024;
/// The longest of them, in bytes.
const MAX_LENGTH: usize = 64;

/// Every name that the program itself gives.
static KNOWN: LazyLock<HashSet<Name>> = LazyLock::new(|| {
    let all = signals::names()
        .chain(errnos::names())
        .chain(calls::names());
    all.chain(requests::PROTOCOLS)
        .chain(oom::SCOPES)
        .chain(facts::detail::ALL)
        .chain(["other"])
        .collect()
});

/// Names from elsewhere.
static KEPT: LazyLock<Mutex<HashSet<Name>>> = LazyLock::new(Mutex::default);

/// The name that reads so; nothing when it is too long, or there were too many that no list has.
#[must_use]
pub fn find(text: &str) -> Option<Name> {
    if let Some(name) = KNOWN.get(text) {
        return Some(name);
    }
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(name) = kept.get(text) {
        return Some(name);
    }
    if text.len() > MAX_LENGTH || kept.len() >= MAX_KEPT {
        return None;
    }
    // Never given back, and so bounded above.
    let name: Name = Box::leak(text.into());
    kept.insert(name);
    Some(name)
}

/// For `deserialize_with`: a name.
pub(crate) fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    deserializer.deserialize_str(Reads)
}

/// For `deserialize_with`: a name, or none.
pub(crate) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Name>, D::Error> {
    Ok(Option::<Read>::deserialize(deserializer)?.map(|Read(name)| name))
}

/// For `deserialize_with`: two names, or none.
pub(crate) fn pair<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<(Name, Name)>, D::Error> {
    let pair = Option::<(Read, Read)>::deserialize(deserializer)?;
    Ok(pair.map(|(Read(one), Read(other))| (one, other)))
}

struct Read(Name);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer).map(Self)
    }
}

struct Reads;

impl Visitor<'_> for Reads {
    type Value = Name;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
        find(text).ok_or_else(|| {
            let why = if text.len() > MAX_LENGTH {
                "a name is too long"
            } else {
                "there are too many names that this version does not know"
            };
            E::custom(why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_the_list() {
        for name in [
            "SIGSEGV", "EMFILE", "accept4", "mmap", "fastcgi", "cgroup", "other",
        ] {
            let found = find(name).expect("it is in a list");
            assert_eq!(found, name);
            assert!(KNOWN.contains(found), "{name}");
        }
    }

    #[test]
    fn names_from_elsewhere_are_kept_within_bounds() {
        let long = "x".repeat(MAX_LENGTH + 1);
        assert_eq!(find(&long), None);
        let first = find("a_call_of_elsewhere").expect("there is room");
        let again = find("a_call_of_elsewhere").expect("it is kept");
        assert!(std::ptr::eq(first, again));
    }
}
