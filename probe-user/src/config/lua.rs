//! Finds the end of the Lua code in a `…_by_lua_block { }`.
//!
//! Braces count only outside Lua's strings and comments. What those are is lua-nginx-module's
//! opinion, not Lua's: to it, a quote that is not closed on its line is no string, even where
//! the line feed is escaped (tried with 0.10.23).

use memchr::memmem;

/// The length of `code`, which begins behind the opening brace, up to and with the closing brace
/// that matches it; `None` when there is none.
pub(super) fn block_length(code: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    // Up to where no single, no double quote closes a string: each line is searched once.
    let mut unclosed = [0_usize; 2];
    loop {
        let rest = code.get(at..)?;
        let step = match *rest.first()? {
            b'{' => {
                depth += 1;
                1
            }
            b'}' if depth == 0 => return Some(at + 1),
            b'}' => {
                depth -= 1;
                1
            }
            quote @ (b'"' | b'\'') => {
                let [single, double] = &mut unclosed;
                let unclosed = if quote == b'"' { double } else { single };
                if at < *unclosed {
                    1
                } else {
                    string_length(rest, quote).unwrap_or_else(|searched| {
                        *unclosed = at + searched;
                        1
                    })
                }
            }
            b'[' => long_length(rest)?,
            b'-' if rest.starts_with(b"--") => comment_length(rest)?,
            _ => 1,
        };
        at += step;
    }
}

/// The length of the string that `text` begins with, or how far there is no end of it.
fn string_length(text: &[u8], quote: u8) -> Result<usize, usize> {
    let mut at = 1;
    loop {
        match text.get(at) {
            None | Some(b'\n') => return Err(at),
            Some(b'\\') => {
                // An escaped line feed ends the line all the same.
                at += if text.get(at + 1) == Some(&b'\n') {
                    1
                } else {
                    2
                };
            }
            Some(&byte) if byte == quote => return Ok(at + 1),
            Some(_) => at += 1,
        }
    }
}

fn comment_length(text: &[u8]) -> Option<usize> {
    let body = text.get(2..)?;
    if long_opening(body).is_some() {
        return Some(2 + long_length(body)?);
    }
    memchr::memchr(b'\n', text).map(|end| end + 1)
}

/// The length of a long string such as `[==[ … ]==]`, or of what only begins like one.
fn long_length(text: &[u8]) -> Option<usize> {
    let Some(level) = long_opening(text) else {
        let equals = text
            .iter()
            .skip(1)
            .take_while(|&&byte| byte == b'=')
            .count();
        return Some(1 + equals);
    };
    let mut closing = vec![b'='; level + 2];
    *closing.first_mut()? = b']';
    *closing.last_mut()? = b']';
    let body = text.get(level + 2..)?;
    Some(level + 2 + memmem::find(body, &closing)? + closing.len())
}

/// How many `=` the opening of a long string at the start of `text` has.
fn long_opening(text: &[u8]) -> Option<usize> {
    let inner = text.strip_prefix(b"[")?;
    let level = inner.iter().take_while(|&&byte| byte == b'=').count();
    (inner.get(level) == Some(&b'[')).then_some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_strings_and_comments_do_not_count() {
        for code in [
            "}",
            " x = { a = { 1 } } }",
            " s = \"}\\\"}\" t = '}\\'}' }",
            " s = [[}]] t = [==[ ]] } ]=] ]==] }",
            " -- it's }\n x = 1 }",
            " --[[ } \n it's } ]] x = 1 }",
            " --[=[ ]] } ]=] x = 1 }",
            " --[ } \n x = 1 }",
            " a[b[1]] = t[=5 }",
            " x = 1 - -1 }",
            " x = 'a\\\n}",
            " x = \"a\n}",
            " it's \"}\" }",
            " it\\'s it\\'s }",
        ] {
            let followed = format!("{code} }} [[ ]] }}");
            assert_eq!(
                block_length(followed.as_bytes()),
                Some(code.len()),
                "{code}"
            );
        }
    }

    #[test]
    fn what_is_not_closed_has_no_end() {
        for code in [
            "", "{}", "'", "'}'", "\"\\", "[[ }", "[=[ ]] }", "-- }", "--[[ }", "[", "-",
        ] {
            assert_eq!(block_length(code.as_bytes()), None, "{code}");
        }
    }
}
