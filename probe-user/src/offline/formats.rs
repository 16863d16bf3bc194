//! Which format the lines of an access log have, and which would tell more.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::{
    access_log::{Entry, Escape, Field, Format, Guess, KNOWN, Keys},
    config::lexer::{Lexer, Statement},
};

/// The format of an access log.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What to call it.
    pub name: String,
    /// The compiled format.
    pub format: Arc<Format>,
    /// Its text, where it is known to the last variable.
    pub text: Option<String>,
    /// The user named it.
    pub given: bool,
    /// What reads lines that are objects of JSON and not as the compiled format has them.
    pub keys: Option<Keys>,
    /// What was guessed of it, for people.
    pub shown: Option<String>,
}

impl Chosen {
    /// Reads a line. Without a match what `entry` holds is undefined.
    #[must_use]
    pub fn parse<'line>(&self, line: &'line [u8], entry: &mut Entry<'line>) -> bool {
        let by_keys = |entry: &mut Entry<'line>| {
            self.keys
                .as_ref()
                .is_some_and(|keys| keys.parse(line, entry))
        };
        self.format.parse(line, entry) || by_keys(entry)
    }

    /// Whether lines may hold this field.
    #[must_use]
    pub fn gives(&self, field: Field) -> bool {
        self.format.gives(field) || self.keys.as_ref().is_some_and(|keys| keys.gives(field))
    }

    /// How it was found.
    #[must_use]
    pub fn how(&self) -> &'static str {
        // The keys of JSON say themselves what is under them.
        match (self.given, &self.shown) {
            (true, _) => "given",
            (false, Some(_)) if self.keys.is_none() => "guessed",
            (false, _) => "detected",
        }
    }

    /// A format that was guessed.
    #[must_use]
    pub fn guessed(guess: Guess) -> Self {
        let shape = skeleton(&guess.shown);
        let alike = KNOWN.iter().find(|known| skeleton(known.text) == shape);
        let name = match alike {
            _ if guess.keys.is_some() => "JSON".to_owned(),
            Some(known) => known.name.to_owned(),
            None => short(&guess.shown),
        };
        Self {
            name,
            format: Arc::new(guess.format),
            text: None,
            given: false,
            keys: guess.keys,
            shown: Some(short(&guess.shown)),
        }
    }

    /// A format in wide use.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        let known = KNOWN.iter().find(|known| known.name == name)?;
        chosen(known.name, known.text, Escape::Default, false).ok()
    }
}

/// A format with `…` in place of all that differs from line to line, or may.
fn skeleton(text: &str) -> String {
    let mut shape = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match first {
            '$' => {
                rest = rest.trim_start_matches(name);
                shape.push('…');
            }
            '-' if shape.ends_with(' ') && rest.starts_with(' ') => shape.push('…'),
            other => shape.push(other),
        }
    }
    shape
}

/// As much of a format as people look at.
fn short(text: &str) -> String {
    const MOST: usize = 600;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A format by the name of one in wide use, by its text, or by the whole `log_format` directive.
///
/// # Errors
/// When it is none of these, nginx would refuse it, or it has no `$status`.
pub fn given(option: &str) -> anyhow::Result<Chosen> {
    if let Some(known) = KNOWN.iter().find(|known| known.name == option) {
        return chosen(known.name, known.text, Escape::Default, true);
    }
    let option = option.trim();
    if option.starts_with("log_format") || option.starts_with('\'') {
        return of_directive(option);
    }
    if !option.contains('$') {
        let names: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
        bail!(
            "--format: {option} is not known; give the text of the log_format in quotes, or one \
             of: {}",
            names.join(", ")
        );
    }
    let (escape, text) = match option.split_once(' ') {
        Some((word, text)) if word.starts_with("escape=") => (escape(word)?, text.trim_start()),
        _ => (Escape::Default, option),
    };
    chosen("given", &unquoted(text), escape, true)
}

/// A text as nginx undoes it in a quoted word (`ngx_conf_read_token`), which it may have been copied
/// from: no line of a log has a backslash where these stand.
fn unquoted(text: &str) -> String {
    let quoted = [r#"\""#, r"\'", r"\t", r"\r", r"\n"];
    if !quoted.iter().any(|pair| text.contains(pair)) {
        return text.to_owned();
    }
    text.replace(r#"\""#, "\"")
        .replace(r"\'", "'")
        .replace(r"\t", "\t")
        .replace(r"\r", "\r")
        .replace(r"\n", "\n")
}

fn of_directive(text: &str) -> anyhow::Result<Chosen> {
    let mut text = text.to_owned();
    if text.starts_with('\'') {
        text.insert_str(0, "log_format given ");
    }
    if !text.ends_with(';') {
        text.push(';');
    }
    let statement = Lexer::new(text.as_bytes())
        .statement()
        .context("--format")?;
    let Some(Statement::Simple(words)) = statement else {
        bail!("--format: this is no log_format directive");
    };
    let mut parts = words.arguments().map(String::from_utf8_lossy);
    let name = parts.next().unwrap_or_default().into_owned();
    let mut parts: Vec<_> = parts.collect();
    let mut mode = Escape::Default;
    if let Some(word) = parts.first().filter(|word| word.starts_with("escape=")) {
        mode = escape(word)?;
        parts.remove(0);
    }
    chosen(&name, &parts.concat(), mode, true)
}

fn escape(word: &str) -> anyhow::Result<Escape> {
    Ok(match word {
        "escape=default" => Escape::Default,
        "escape=json" => Escape::Json,
        "escape=none" => Escape::None,
        _ => bail!("--format: {word} is none of escape=default, escape=json and escape=none"),
    })
}

fn chosen(name: &str, text: &str, escape: Escape, given: bool) -> anyhow::Result<Chosen> {
    let format = Format::compile(text.as_bytes(), escape).context("--format")?;
    if !format.gives(Field::Status) {
        bail!("--format: there is no $status in it, so nothing can be told of its lines");
    }
    let guessed = text.contains("$more");
    Ok(Chosen {
        name: name.to_owned(),
        format: Arc::new(format),
        text: (!guessed).then(|| text.to_owned()),
        given,
        keys: None,
        shown: None,
    })
}

/// The lines of a log's beginning; the last one may be cut.
pub fn whole_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = memchr::memrchr(b'\n', head).unwrap_or(head.len());
    let whole = head.get(..end).unwrap_or_default();
    whole.split(|byte| *byte == b'\n')
}

/// What tells causes apart, with the key under which it is logged.
pub(super) const TELLING: [(Field, &str, &str); 6] = [
    (Field::RequestTime, "rt", "request_time"),
    (Field::UpstreamAddr, "ua", "upstream_addr"),
    (Field::UpstreamStatus, "us", "upstream_status"),
    (Field::UpstreamResponseTime, "urt", "upstream_response_time"),
    (Field::UpstreamConnectTime, "uct", "upstream_connect_time"),
    (Field::UpstreamHeaderTime, "uht", "upstream_header_time"),
];

/// The variables that would tell more about failures and that a format lacks.
#[must_use]
pub fn lacking(chosen: &Chosen) -> Vec<&'static str> {
    let lacks = TELLING.iter().filter(|(field, ..)| !chosen.gives(*field));
    lacks.map(|(_, _, name)| *name).collect()
}

/// The `log_format` line that extends a format by what it lacks; none when it lacks nothing. Of a
/// format whose text is not known it extends nginx's own.
#[must_use]
pub fn extended(chosen: &Chosen) -> Option<String> {
    let lacks: Vec<_> = TELLING
        .iter()
        .filter(|(field, ..)| !chosen.gives(*field))
        .collect();
    if lacks.is_empty() {
        return None;
    }
    let text = chosen.text.as_deref();
    let text = text.unwrap_or_else(|| KNOWN.first().map_or("", |combined| combined.text));
    let escape = match chosen.text.as_ref().map(|_| chosen.format.escape()) {
        Some(Escape::Json) => " escape=json",
        Some(Escape::None) => " escape=none",
        Some(Escape::Default) | None => "",
    };
    let trimmed = text.trim_end();
    let object = trimmed
        .strip_suffix('}')
        .filter(|_| trimmed.starts_with('{'));
    let whole = if let Some(object) = object {
        let more = lacks
            .iter()
            .map(|(_, _, name)| format!(",\"{name}\":\"${name}\""));
        format!("{}{}}}", object.trim_end(), more.collect::<String>())
    } else {
        let more = lacks
            .iter()
            .map(|(_, key, name)| format!(" {key}=\"${name}\""));
        format!("{text}{}", more.collect::<String>())
    };
    // As nginx undoes it in a quoted word (`ngx_conf_read_token`).
    let quoted = whole.replace('\\', r"\\").replace('\'', r"\'");
    Some(format!("log_format nginx_probe{escape} '{quoted}';"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_given_in_many_ways() {
        for (option, name) in [
            ("combined", "combined"),
            ("$status $request", "given"),
            ("escape=json {\"s\":\"$status\"}", "given"),
            ("log_format x '$status ' '$request';", "x"),
            ("log_format x escape=json '$status'", "x"),
            ("'$status '\n    '$request'", "given"),
        ] {
            let chosen = given(option).expect(option);
            assert_eq!((&*chosen.name, chosen.given), (name, true), "{option}");
        }
        for option in [
            "nonsense",
            "$request",
            "escape=x $status",
            "log_format x '$status",
            "$",
        ] {
            let error = format!("{:#}", given(option).expect_err(option));
            assert!(error.contains("--format"), "{error}");
        }
    }

    #[test]
    fn the_longer_format_extends_the_operators_own_and_lacks_nothing() {
        for option in [
            "combined",
            r#"escape=json {"s":$status,"r":"$request"}"#,
            r"it's \ $status",
            "upstreaminfo",
        ] {
            let chosen = given(option).expect(option);
            let line = extended(&chosen).expect("lacks something");
            let longer = given(&line).expect(&line);
            assert_eq!(lacking(&longer), [""; 0], "{line}");
            assert_eq!(longer.format.escape(), chosen.format.escape());
            let text = chosen.text.expect("a text");
            let begin = text.trim_end_matches('}');
            assert!(longer.text.expect("one").starts_with(begin), "{line}");
            assert_eq!(extended(&given(&line).expect(&line)), None);
        }
    }
}
