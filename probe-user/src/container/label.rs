//! What an instance is called: by its place, or by a template of the operator's.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::Identity;
use crate::sinks::printable::steers;

/// The longest name that a template may make, in characters.
const MAX_LABEL: usize = 256;
/// The longest template, in bytes.
const MAX_TEMPLATE: usize = 1024;

/// What is known of an instance when it is named.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its pid file as it sees it; empty when its configuration cannot be read.
    pub pid_file: &'a str,
    /// Its container and unit.
    pub identity: &'a Identity,
    /// The host's name.
    pub host: &'a str,
}

/// Something that a template may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    PidFile,
    Container,
    Pod,
    Namespace,
    Unit,
    Runtime,
    Id,
    Host,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 8] = [
        ("pid_file", Self::PidFile),
        ("container", Self::Container),
        ("pod", Self::Pod),
        ("namespace", Self::Namespace),
        ("unit", Self::Unit),
        ("runtime", Self::Runtime),
        ("id", Self::Id),
        ("host", Self::Host),
    ];

    fn value<'a>(self, subject: &Subject<'a>) -> &'a str {
        let container = subject.identity.container.as_ref();
        match self {
            Self::PidFile => Some(subject.pid_file),
            Self::Container => container.and_then(|one| one.name.as_deref().or(one.short_id())),
            Self::Pod => container.and_then(|one| one.pod.as_deref()),
            Self::Namespace => container.and_then(|one| one.namespace.as_deref()),
            Self::Unit => subject.identity.unit.as_deref(),
            Self::Runtime => container.and_then(|one| Some(one.runtime?.as_str())),
            Self::Id => container.and_then(|one| one.short_id()),
            Self::Host => Some(subject.host),
        }
        .unwrap_or_default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Placeholder),
}

/// How an operator wants instances to be called: text with placeholders such as `{pod}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// Why a template is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It names something that there is not.
    #[error("there is no placeholder {{{0}}}: {known} are there", known = known())]
    Unknown(String),
    /// A brace without the other.
    #[error("a brace stands alone: write {{{{ or }}}} for a brace itself")]
    Brace,
    /// All instances would be called the same.
    #[error("it names no placeholder, so that every nginx would be called the same: {known} are there", known = known())]
    Constant,
    /// It is too long.
    #[error("it is longer than {MAX_TEMPLATE} bytes")]
    TooLong,
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE {
            return Err(TemplateError::TooLong);
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars();
        while let Some(char) = rest.next() {
            let doubled = rest.as_str().starts_with(char);
            match char {
                '{' | '}' if doubled => {
                    rest.next();
                    literal.push(char);
                }
                '{' => {
                    let (name, after) =
                        rest.as_str().split_once('}').ok_or(TemplateError::Brace)?;
                    let known = Placeholder::ALL.iter().find(|(known, _)| *known == name);
                    let (_, placeholder) =
                        known.ok_or_else(|| TemplateError::Unknown(shown(name)))?;
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Value(*placeholder));
                    rest = after.chars();
                }
                '}' => return Err(TemplateError::Brace),
                _ => literal.push(char),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        if !parts.iter().any(|part| matches!(part, Part::Value(_))) {
            return Err(TemplateError::Constant);
        }
        Ok(Self(parts))
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Template {
    /// The name that this makes; empty when all that it names is.
    ///
    /// What stands between two values goes with one that is empty: `{pod}/{container}` is the
    /// container's name alone where there is no pod.
    #[must_use]
    pub fn name(&self, subject: &Subject<'_>) -> String {
        let mut out = String::new();
        let mut between = "";
        let mut any = false;
        for (at, part) in self.0.iter().enumerate() {
            let text = match part {
                Part::Text(text) if at > 0 && text.chars().all(is_separator) => {
                    between = text;
                    continue;
                }
                Part::Text(text) => text,
                Part::Value(placeholder) => {
                    let value = placeholder.value(subject);
                    any |= !value.is_empty();
                    value
                }
            };
            if !text.is_empty() {
                // None stands at the beginning, and a path has its own.
                let own = between.ends_with('/') && text.starts_with('/');
                out.push_str(if out.is_empty() || own { "" } else { between });
                out.push_str(text);
                between = "";
            }
        }
        if !any {
            return String::new();
        }
        out.chars()
            .take(MAX_LABEL)
            .map(|char| if steers(char) { '?' } else { char })
            .collect()
    }
}

/// An instance's name without a template: its pid file, after its container's name where it runs in
/// one. Empty when nothing is known of it.
#[must_use]
pub fn default_name(pid_file: &str, identity: &Identity) -> String {
    let container = identity.container.as_ref();
    match container.and_then(super::Container::display_name) {
        Some(name) if pid_file.is_empty() => name,
        Some(name) => join(&name, pid_file),
        None => pid_file.to_owned(),
    }
}

/// A path after what tells it from the same path elsewhere.
#[must_use]
pub fn join(place: &str, path: &str) -> String {
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{}{slash}{path}", place.trim_end_matches('/'))
}

const fn is_separator(char: char) -> bool {
    matches!(char, '/' | '-' | '_' | '.' | ':' | '@' | ' ' | ',' | '|')
}

fn known() -> String {
    let names: Vec<String> = Placeholder::ALL
        .iter()
        .map(|(name, _)| format!("{{{name}}}"))
        .collect();
    names.join(", ")
}

fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
