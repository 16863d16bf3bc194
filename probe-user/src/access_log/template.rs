//! The text of a `log_format` as literals and variables, read as nginx reads it
//! (`ngx_http_log_compile_format` in `ngx_http_log_module.c`).

use super::format::FormatError;

/// A piece of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text that is in every line. Never empty, and never two in a row.
    Literal(Vec<u8>),
    /// The name of a variable, without `$` and braces.
    Variable(&'a [u8]),
}

/// The pieces of a format whose parts are these, in order. A name ends where its part ends.
pub(super) fn pieces<'a>(
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Piece<'a>>, FormatError> {
    let mut pieces = Vec::new();
    for mut rest in parts {
        while let Some((&first, after)) = rest.split_first() {
            if first == b'$' {
                let (name, left) = variable(after)?;
                pieces.push(Piece::Variable(name));
                rest = left;
            } else {
                let end = memchr::memchr(b'$', rest).unwrap_or(rest.len());
                let (text, left) = rest.split_at_checked(end).unwrap_or((rest, b""));
                if let Some(Piece::Literal(literal)) = pieces.last_mut() {
                    literal.extend_from_slice(text);
                } else {
                    pieces.push(Piece::Literal(text.to_vec()));
                }
                rest = left;
            }
        }
    }
    Ok(pieces)
}

/// The name that follows a `$`, and what follows it.
fn variable(after: &[u8]) -> Result<(&[u8], &[u8]), FormatError> {
    let braced = after.strip_prefix(b"{");
    let text = braced.unwrap_or(after);
    let end = text
        .iter()
        .position(|&byte| !(byte.is_ascii_alphanumeric() || byte == b'_'))
        .unwrap_or(text.len());
    let (name, left) = text.split_at_checked(end).unwrap_or((text, b""));
    let left = match braced {
        None => left,
        Some(_) => left.strip_prefix(b"}").ok_or_else(|| {
            let shown = name.get(..64).unwrap_or(name);
            FormatError::Unclosed(String::from_utf8_lossy(shown).into_owned())
        })?,
    };
    if name.is_empty() {
        return Err(FormatError::NoName);
    }
    Ok((name, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parts: &[&str]) -> Result<Vec<String>, FormatError> {
        let pieces = pieces(parts.iter().map(|part| part.as_bytes()))?;
        let show = |piece: &Piece<'_>| match piece {
            Piece::Literal(text) => String::from_utf8_lossy(text).into_owned(),
            Piece::Variable(name) => format!("<{}>", String::from_utf8_lossy(name)),
        };
        Ok(pieces.iter().map(show).collect())
    }

    #[test]
    fn names_with_and_without_braces() {
        for (parts, expected) in [
            (&["$a"][..], &["<a>"][..]),
            (&["${a}b$c_9-"], &["<a>", "b", "<c_9>", "-"]),
            (&["x", "y$a", "b z"], &["xy", "<a>", "b z"]),
            (&["$a", "$b"], &["<a>", "<b>"]),
            (&["$1{}}"], &["<1>", "{}}"]),
            (&["", ""], &[]),
            (&["}{ ]"], &["}{ ]"]),
        ] {
            assert_eq!(shown(parts).unwrap(), expected, "{parts:?}");
        }
    }

    #[test]
    fn what_nginx_refuses_is_refused() {
        for part in ["$", "a$", "$ a", "$$", "${}", "$-", "$\"", "${"] {
            let error = shown(&[part]).unwrap_err();
            let unclosed = matches!(&error, FormatError::Unclosed(name) if name.is_empty());
            assert!(error == FormatError::NoName || unclosed, "{part}");
        }
        for part in ["${ab", "${ab c}", "${ab$c}"] {
            assert_eq!(shown(&[part]), Err(FormatError::Unclosed("ab".into())));
        }
        // A name does not go on in the next part.
        assert_eq!(shown(&["$", "a"]), Err(FormatError::NoName));
    }
}
