//! `log_format` directives, and the format that nginx brings with it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::lexer::Words;
use super::pool::{Pool, text};
use crate::access_log::{Escape, KNOWN, Known};

/// One `log_format`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogFormat {
    /// Its name.
    pub name: Arc<str>,
    /// `escape=`
    pub escape: Escape,
    /// All its parts joined, with nothing between. Escapes of the configuration are resolved,
    /// variables are not. It need not be UTF-8.
    pub text: Arc<[u8]>,
}

impl LogFormat {
    /// nginx's own format (`ngx_http_log_module.c`).
    #[must_use]
    pub fn combined() -> Self {
        let [combined, ..] = &KNOWN;
        Self::known(combined)
    }

    /// A format in wide use.
    #[must_use]
    pub fn known(known: &Known) -> Self {
        Self {
            name: known.name.into(),
            escape: Escape::Default,
            text: known.text.as_bytes().into(),
        }
    }

    /// A format that was written out on the command line.
    #[must_use]
    pub fn given(text: &str) -> Self {
        Self {
            name: "given".into(),
            escape: Escape::Default,
            text: text.as_bytes().into(),
        }
    }

    /// `log_format NAME [escape=HOW] PART …`; an unknown escape is given back as it stands.
    pub(super) fn of(words: &Words, pool: &mut Pool) -> (Option<Self>, Option<String>) {
        let Some(name) = words.argument(0) else {
            return (None, None);
        };
        let mut odd = None;
        let how = words
            .argument(1)
            .and_then(|word| word.strip_prefix(b"escape="));
        let escape = match how {
            None | Some(b"default") => Escape::Default,
            Some(b"json") => Escape::Json,
            Some(b"none") => Escape::None,
            Some(other) => {
                odd = Some(text(other));
                Escape::Default
            }
        };
        let parts = words.arguments().skip(1 + usize::from(how.is_some()));
        let joined = join(parts);
        if !pool.take_bytes(joined.len().saturating_add(size_of::<Self>())) {
            return (None, None);
        }
        let format = Self {
            name: pool.text(name),
            escape,
            text: joined.into(),
        };
        (Some(format), odd)
    }
}

/// Joins parts. A variable ends with the part that it stands in, so one that would run on into the
/// next is put in braces.
fn join<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut joined: Vec<u8> = Vec::new();
    for part in parts {
        let name = joined.iter().rev().take_while(|byte| in_name(byte)).count();
        let dollar = (joined.len() - name).checked_sub(1);
        if let Some(dollar) = dollar.filter(|at| name > 0 && joined.get(*at) == Some(&b'$'))
            && part.first().is_some_and(in_name)
        {
            joined.insert(dollar + 1, b'{');
            joined.push(b'}');
        }
        joined.extend_from_slice(part);
    }
    joined
}

/// Every format of a configuration, nginx's own first.
#[derive(Debug)]
pub(super) struct Formats {
    all: Vec<Arc<LogFormat>>,
    /// Names as they are written: nginx refuses the same one twice.
    taken: HashSet<Arc<str>>,
    /// The first format of each name in lower case.
    first: HashMap<String, usize>,
}

impl Formats {
    pub(super) fn new() -> Self {
        let mut formats = Self {
            all: Vec::new(),
            taken: HashSet::new(),
            first: HashMap::new(),
        };
        formats.add(LogFormat::combined());
        formats
    }

    /// Adds a format; false for a name that is taken, which nginx refuses.
    pub(super) fn add(&mut self, format: LogFormat) -> bool {
        let is_new = self.taken.insert(Arc::clone(&format.name));
        if is_new {
            let place = self.all.len();
            self.first
                .entry(format.name.to_ascii_lowercase())
                .or_insert(place);
            self.all.push(Arc::new(format));
        }
        is_new
    }

    /// Looks up a name as nginx does: whatever its case, the first that matches.
    pub(super) fn find(&self, name: &str) -> Option<&Arc<LogFormat>> {
        let place = self.first.get(&name.to_ascii_lowercase())?;
        self.all.get(*place)
    }

    pub(super) fn into_formats(self) -> Vec<Arc<LogFormat>> {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{Lexer, Statement};
    use super::*;

    fn format(text: &str) -> (Option<LogFormat>, Option<String>) {
        match Lexer::new(text.as_bytes()).statement().unwrap().unwrap() {
            Statement::Simple(words) => LogFormat::of(&words, &mut Pool::new(100_000)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parts_are_joined_and_escapes_resolved() {
        for (text, escape, expected) in [
            (
                r#"log_format a '$status ' "\"$uri\"\n";"#,
                Escape::Default,
                "$status \"$uri\"\n",
            ),
            (
                "log_format a $status 0$uri _ ' ' $uri$ x;",
                Escape::Default,
                "${status}0${uri}_ $uri$x",
            ),
            (
                "log_format a escape=json '{\"s\":$status' '}';",
                Escape::Json,
                "{\"s\":$status}",
            ),
            (
                "log_format a escape=none escape=json x;",
                Escape::None,
                "escape=jsonx",
            ),
            (
                "log_format a x escape=json;",
                Escape::Default,
                "xescape=json",
            ),
            ("log_format a escape=json;", Escape::Json, ""),
        ] {
            let (found, odd) = format(text);
            let found = found.unwrap();
            assert_eq!(found.escape, escape, "{text}");
            assert_eq!(&*found.text, expected.as_bytes(), "{text}");
            assert_eq!(odd, None);
        }
        assert_eq!(format("log_format a escape=xml y;").1.unwrap(), "xml");
        assert_eq!(format("log_format;"), (None, None));
    }

    #[test]
    fn names_are_looked_up_as_nginx_does() {
        let mut formats = Formats::new();
        let mut other = LogFormat::combined();
        assert!(!formats.add(other.clone()));
        other.name = "COMBINED".into();
        assert!(formats.add(other));
        assert_eq!(&*formats.find("Combined").unwrap().name, "combined");
        assert!(formats.find("main").is_none());
    }
}
