//! Lines that are shown although nobody knows what is in them, without what may be secret.

/// Words behind which a value is nobody's business.
const NAMES: [&[u8]; 14] = [
    b"password",
    b"passwd",
    b"pwd",
    b"secret",
    b"token",
    b"code",
    b"key",
    b"auth",
    b"authorization",
    b"cookie",
    b"session",
    b"sid",
    b"query",
    b"args",
];

/// The longest name that is looked at, in bytes.
const MOST: usize = 48;

/// A line with `…` in place of what follows a `?`, and of the values whose names tell of secrets,
/// queries or cookies, up to a space or a quote.
pub fn without_secrets(line: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(line.len());
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        kept.push(byte);
        at += 1;
        let before = line
            .get(at.saturating_sub(MOST + 1)..at - 1)
            .unwrap_or_default();
        let (skipped, hidden) = match byte {
            b'?' => (0, value_end(line, at, false)),
            b'=' | b':' if is_secret(before) => {
                let rest = line.get(at..).unwrap_or_default();
                let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
                let quote = rest.get(spaces) == Some(&b'"');
                let skipped = spaces + usize::from(quote);
                (skipped, value_end(line, at + skipped, quote))
            }
            // A list of what is separated so, as in a query of its own or a cookie.
            b'&' | b';' if has_pair(line, at) => (0, value_end(line, at, false)),
            _ => continue,
        };
        kept.extend_from_slice(line.get(at..at + skipped).unwrap_or_default());
        at += skipped;
        if hidden > at {
            kept.extend_from_slice("…".as_bytes());
            at = hidden;
        }
    }
    kept
}

/// Where a value ends: with a quote, and if it has none with a space too.
fn value_end(line: &[u8], at: usize, quoted: bool) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    let ends = |byte: &u8| match byte {
        b'"' => true,
        b' ' | b'\'' | b'|' | b'\t' => !quoted,
        _ => false,
    };
    at + rest.iter().position(ends).unwrap_or(rest.len())
}

/// Whether the name that `before` ends with, whatever quotes are behind it, tells of a secret.
fn is_secret(before: &[u8]) -> bool {
    let name = before.trim_ascii_end();
    let name = name.strip_suffix(b"\"").unwrap_or(name);
    let name = name.strip_suffix(b"\\").unwrap_or(name);
    let letters = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let length = name.iter().rev().take_while(letters).count();
    let name = name
        .get(name.len() - length..)
        .unwrap_or_default()
        .to_ascii_lowercase();
    // `status_code` and the like are no secrets.
    let is_code = name.ends_with(b"code") && name.len() > 4;
    !is_code && !name.is_empty() && NAMES.iter().any(|secret| name.ends_with(secret))
}

/// Whether a name and its value stand there.
fn has_pair(line: &[u8], at: usize) -> bool {
    let rest = line.get(at..).unwrap_or_default();
    let rest = rest.trim_ascii_start();
    let name = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
        .count();
    name > 0 && rest.get(name) == Some(&b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_cookies_and_secrets_are_cut_in_any_format() {
        for (line, shown) in [
            ("GET /a?b=c HTTP/1.1 x", "GET /a?… HTTP/1.1 x"),
            ("/a? /b", "/a? /b"),
            (
                r#"{"path":"/a","request_query":"token=S&x=y z","n":1}"#,
                r#"{"path":"/a","request_query":"…","n":1}"#,
            ),
            (
                r#"{"cookie": "sid=S; t=S", "status_code": 500}"#,
                r#"{"cookie": "…", "status_code": 500}"#,
            ),
            ("oauth code=SECRET&state=x&password=S", "oauth code=…"),
            ("a=b&token=S c", "a=b&… c"),
            ("Set-Cookie: a=S", "Set-Cookie: …"),
            (r#"Authorization: "Basic S S" x"#, r#"Authorization: "…" x"#),
            ("10:00:01 key", "10:00:01 key"),
            ("", ""),
        ] {
            let cut = without_secrets(line.as_bytes());
            assert_eq!(String::from_utf8_lossy(&cut), shown);
        }
    }
}
