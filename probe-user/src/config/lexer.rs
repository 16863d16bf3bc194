//! Splits nginx configuration into statements, byte for byte as nginx does
//! (`ngx_conf_read_token` in `src/core/ngx_conf_file.c`).
//!
//! No crate was taken. `nginx-lint-parser` 0.24 descends by recursion (a hundred thousand nested
//! braces end the process), cuts a word at every `$` and quote, refuses carriage returns and
//! invalid UTF-8, and loses the rest of the file at an apostrophe in a Lua comment.
//! `nginx-config` knows a fixed list of directives only. Here nothing recurses, time grows with
//! the length of the text, and a word is copied only where it holds an escape.

use std::borrow::Cow;

use super::lua;

/// Words a statement may have. nginx has no such limit; a real `server_name` has hundreds.
const MAX_WORDS: usize = 65_536;

/// One statement: a name and its arguments, escapes resolved, quotes removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words<'a> {
    /// The line the statement began on, from 1.
    pub line: u32,
    words: Vec<Cow<'a, [u8]>>,
}

impl Words<'_> {
    /// The directive's name; in a `map` or `types` block, the first value.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.words.first().map_or(b"", |word| word)
    }

    /// The argument at `index`, from 0.
    #[must_use]
    pub fn argument(&self, index: usize) -> Option<&[u8]> {
        self.words.get(index.checked_add(1)?).map(|word| &**word)
    }

    /// Every argument in order.
    pub fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        self.words.iter().skip(1).map(|word| &**word)
    }
}

/// What a configuration consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement<'a> {
    /// `name argument …;`
    Simple(Words<'a>),
    /// `name argument … {`. A Lua block's code is skipped: its [`Statement::Close`] comes next.
    Open(Words<'a>),
    /// `}`
    Close,
}

/// A place where nginx would have refused the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: u32,
    /// What was wrong there.
    pub what: &'static str,
}

/// Reads statements from the text of one file.
#[derive(Debug)]
pub struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    close_next: bool,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of `text`.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            close_next: false,
        }
    }

    /// The next statement; `None` at the end of the text.
    ///
    /// # Errors
    /// The text is not valid from here on. There is no use in reading further.
    pub fn statement(&mut self) -> Result<Option<Statement<'a>>, SyntaxError> {
        if std::mem::take(&mut self.close_next) {
            return Ok(Some(Statement::Close));
        }
        let mut words: Vec<Cow<'a, [u8]>> = Vec::new();
        let mut line = self.line;
        loop {
            self.skip_blank();
            let Some(&byte) = self.text.get(self.at) else {
                if words.is_empty() {
                    return Ok(None);
                }
                return Err(SyntaxError {
                    line,
                    what: "the last statement is not finished",
                });
            };
            if words.is_empty() {
                line = self.line;
            }
            match byte {
                b';' | b'{' if words.is_empty() => {
                    return Err(self.error("`;` or `{` with no directive before it"));
                }
                b';' => {
                    self.at += 1;
                    return Ok(Some(Statement::Simple(Words { line, words })));
                }
                b'{' => {
                    self.at += 1;
                    let words = Words { line, words };
                    if words.name().ends_with(b"_by_lua_block") {
                        self.skip_lua()?;
                    }
                    return Ok(Some(Statement::Open(words)));
                }
                b'}' if words.is_empty() => {
                    self.at += 1;
                    return Ok(Some(Statement::Close));
                }
                b'}' => return Err(self.error("`}` inside a statement")),
                _ if words.len() >= MAX_WORDS => {
                    return Err(self.error("more than 65,536 words in one statement"));
                }
                b'"' | b'\'' => words.push(self.quoted_word(byte)?),
                _ => words.push(self.bare_word()),
            }
        }
    }

    /// Skips white space and comments. A `#` begins a comment only where a word could begin.
    fn skip_blank(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\n' => self.line = self.line.saturating_add(1),
                b' ' | b'\t' | b'\r' => {}
                b'#' => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    continue;
                }
                _ => return,
            }
            self.at += 1;
        }
    }

    fn quoted_word(&mut self, quote: u8) -> Result<Cow<'a, [u8]>, SyntaxError> {
        let opened = self.line;
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.text.get(self.at) {
                None => {
                    return Err(SyntaxError {
                        line: opened,
                        what: "a quote is not closed",
                    });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    self.count_line();
                }
                Some(&byte) if byte == quote => break,
                Some(_) => self.count_line(),
            }
            self.at += 1;
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        match self.text.get(self.at) {
            // nginx takes `)` for a word of its own here: `if ($a = "b")`.
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')') => Ok(if escaped {
                unescape(word)
            } else {
                Cow::Borrowed(word)
            }),
            Some(_) => Err(self.error("something follows a closing quote")),
        }
    }

    fn bare_word(&mut self) -> Cow<'a, [u8]> {
        let start = self.at;
        let (mut escaped, mut after_dollar) = (false, false);
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'{' if after_dollar => {}
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' => {
                    if self.at > start {
                        break;
                    }
                }
                b'\\' => {
                    (escaped, after_dollar) = (true, false);
                    self.at += 1;
                    self.count_line();
                }
                _ => after_dollar = byte == b'$',
            }
            self.at += 1;
        }
        self.at = self.at.min(self.text.len());
        let word = self.text.get(start..self.at).unwrap_or_default();
        if escaped {
            unescape(word)
        } else {
            Cow::Borrowed(word)
        }
    }

    fn skip_lua(&mut self) -> Result<(), SyntaxError> {
        let code = self.text.get(self.at..).unwrap_or_default();
        let Some(length) = lua::block_length(code) else {
            return Err(self.error("a Lua block is not closed"));
        };
        let skipped = code.get(..length).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', skipped).count();
        self.line = self
            .line
            .saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.at += length;
        self.close_next = true;
        Ok(())
    }

    fn count_line(&mut self) {
        if self.text.get(self.at) == Some(&b'\n') {
            self.line = self.line.saturating_add(1);
        }
    }

    fn error(&self, what: &'static str) -> SyntaxError {
        SyntaxError {
            line: self.line,
            what,
        }
    }
}

/// nginx knows five escapes; any other backslash stays.
fn unescape(word: &[u8]) -> Cow<'static, [u8]> {
    let mut plain = Vec::with_capacity(word.len());
    let mut bytes = word.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let replaced = match (byte, bytes.peek()) {
            (b'\\', Some(&quoted @ (b'"' | b'\'' | b'\\'))) => Some(quoted),
            (b'\\', Some(b't')) => Some(b'\t'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            (b'\\', Some(b'n')) => Some(b'\n'),
            _ => None,
        };
        if replaced.is_some() {
            bytes.next();
        }
        plain.push(replaced.unwrap_or(byte));
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements as `a b;`, `a b{`, `}`, words joined by `|`, an error as `!what`.
    fn statements(text: &[u8]) -> Vec<String> {
        let mut lexer = Lexer::new(text);
        let mut found = Vec::new();
        let show = |words: &Words, end| {
            let words: Vec<_> = words
                .words
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            words.join("|") + end
        };
        loop {
            match lexer.statement() {
                Ok(None) => return found,
                Ok(Some(Statement::Simple(words))) => found.push(show(&words, ";")),
                Ok(Some(Statement::Open(words))) => found.push(show(&words, "{")),
                Ok(Some(Statement::Close)) => found.push("}".into()),
                Err(error) => {
                    found.push(format!("!{error}"));
                    return found;
                }
            }
        }
    }

    #[test]
    fn words_end_where_nginx_ends_them() {
        for (text, expected) in [
            ("a b;\r\n\tc  d\n{e;}", vec!["a|b;", "c|d{", "e;", "}"]),
            ("# c ' {\na#b #d;\n;", vec!["a#b;"]),
            ("a 'b \"c' \"d 'e\" f'g\"h;", vec!["a|b \"c|d 'e|f'g\"h;"]),
            (
                r#"a "x\"y\\z\t\d" \;b\ c;"#,
                vec!["a|x\"y\\z\t\\d|\\;b\\ c;"],
            ),
            ("a ${b}c $d{e;}", vec!["a|${b}c|$d{", "e;", "}"]),
            ("if ($a = \"b\") {}", vec!["if|($a|=|b|){", "}"]),
            (
                "map $a $b { ~x{1,2} y; }",
                vec!["map|$a|$b{", "~x{", "1,2}|y;", "}"],
            ),
            ("a }", vec!["!line 1: `}` inside a statement"]),
            (
                "map $a $b { \"~x{1,2}\" y; }",
                vec!["map|$a|$b{", "~x{1,2}|y;", "}"],
            ),
            ("a ''; b}c;", vec!["a|;", "b}c;"]),
            ("", vec![]),
            ("\\", vec!["!line 1: the last statement is not finished"]),
            ("a \\", vec!["!line 1: the last statement is not finished"]),
        ] {
            assert_eq!(statements(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn errors_name_the_line_where_it_began() {
        for (text, expected) in [
            ("a;\nb 'c\n\n;", "!line 2: a quote is not closed"),
            ("a;\n'b\\", "!line 2: a quote is not closed"),
            ("a 'b\n'c;", "!line 2: something follows a closing quote"),
            ("\n;", "!line 2: `;` or `{` with no directive before it"),
            ("\na\nb", "!line 2: the last statement is not finished"),
            (
                "a_by_lua_block {\n--}\n",
                "!line 1: a Lua block is not closed",
            ),
        ] {
            assert_eq!(
                statements(text.as_bytes()).pop().unwrap(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn lua_is_skipped_and_lines_go_on() {
        let text =
            b"location / {\n content_by_lua_block {\n -- it's }\n x = '}' }\n\n a b;\n 'c\n}";
        assert_eq!(
            statements(text),
            [
                "location|/{",
                "content_by_lua_block{",
                "}",
                "a|b;",
                "!line 7: a quote is not closed"
            ]
        );
    }

    #[test]
    fn hostile_text_costs_no_stack_and_linear_time() {
        let megabyte = 1024 * 1024;
        let started = std::time::Instant::now();
        assert_eq!(statements(&b"a{".repeat(2 * megabyte)).len(), 2 * megabyte);
        for unit in [
            "\\", "\"", "'a' ", "a ", "${", "#", "\n", "\0\u{ff}", "}", "[=", "-- [[", "\\'",
            "\\'\\\"", "it's ",
        ] {
            let mut text = unit.repeat(megabyte / unit.len()).into_bytes();
            statements(&text);
            text.splice(0..0, *b"a_by_lua_block {");
            statements(&text);
        }
        let too_many = statements(&b"a ".repeat(megabyte));
        assert_eq!(
            too_many,
            ["!line 1: more than 65,536 words in one statement"]
        );
        // Quadratic behaviour would take many minutes.
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }
}
