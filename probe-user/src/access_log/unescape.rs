//! Values as they were before nginx escaped them (`ngx_http_log_escape`, `ngx_escape_json`).

use std::borrow::Cow;

use super::format::Escape;

impl Escape {
    /// The bytes that nginx was given, of a value as it stands in a log. What nginx does not write
    /// stays as it is. With [`Escape::Default`] a missing value is `-`, which a value may be too.
    #[must_use]
    pub fn unescape(self, value: &[u8]) -> Cow<'_, [u8]> {
        let decode: fn(&[u8], &mut Vec<u8>) -> Option<usize> = match self {
            Self::None => return Cow::Borrowed(value),
            Self::Default => hexadecimal,
            Self::Json => json,
        };
        let Some(first) = memchr::memchr(b'\\', value) else {
            return Cow::Borrowed(value);
        };
        let mut bytes = Vec::with_capacity(value.len());
        let mut copied = 0;
        let mut next = Some(first);
        while let Some(at) = next {
            bytes.extend_from_slice(value.get(copied..at).unwrap_or_default());
            let rest = value.get(at..).unwrap_or_default();
            let taken = decode(rest, &mut bytes).unwrap_or_else(|| {
                bytes.push(b'\\');
                1
            });
            copied = at + taken;
            next = value
                .get(copied..)
                .and_then(|rest| memchr::memchr(b'\\', rest))
                .map(|at| copied + at);
        }
        bytes.extend_from_slice(value.get(copied..).unwrap_or_default());
        Cow::Owned(bytes)
    }
}

/// `\xHH`
fn hexadecimal(text: &[u8], bytes: &mut Vec<u8>) -> Option<usize> {
    let [b'\\', b'x', high, low] = text.first_chunk::<4>()? else {
        return None;
    };
    let value = hex(*high)? << 4 | hex(*low)?;
    bytes.push(u8::try_from(value).ok()?);
    Some(4)
}

/// `\"`, `\\`, `\n` …, `\u00HH`. Other code points, which nginx does not write, become UTF-8.
fn json(text: &[u8], bytes: &mut Vec<u8>) -> Option<usize> {
    let byte = match text.get(1)? {
        byte @ (b'"' | b'\\' | b'/') => *byte,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'u' => {
            let digits = text.get(2..6)?;
            let point = digits
                .iter()
                .try_fold(0, |sum, digit| Some(sum << 4 | hex(*digit)?))?;
            let mut utf8 = [0; 4];
            bytes.extend_from_slice(char::from_u32(point)?.encode_utf8(&mut utf8).as_bytes());
            return Some(6);
        }
        _ => return None,
    };
    bytes.push(byte);
    Some(2)
}

fn hex(digit: u8) -> Option<u32> {
    char::from(digit).to_digit(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_undone() {
        for (escape, value, expected) in [
            (
                Escape::Default,
                &br"a\x22b\x5Cc\xC3\xa9"[..],
                &b"a\"b\\c\xc3\xa9"[..],
            ),
            (Escape::Default, br"\x5Cx22\x00", b"\\x22\0"),
            (Escape::Default, br"\\x22\x2\xgg\x", br#"\"\x2\xgg\x"#),
            (Escape::Default, br"\", br"\"),
            (
                Escape::Json,
                br#"\"\\\n\r\t\b\f\/\u001F"#,
                b"\"\\\n\r\t\x08\x0c/\x1f",
            ),
            (Escape::Json, br"\u00e9\u20AC", "é€".as_bytes()),
            (Escape::Json, br"\uD800\u12\q\", br"\uD800\u12\q\"),
            (Escape::Json, br"\\u0041\x22", br"\u0041\x22"),
            (Escape::None, br"\x22\n\\", br"\x22\n\\"),
        ] {
            assert_eq!(escape.unescape(value), expected, "{escape:?} {expected:?}");
        }
    }

    #[test]
    fn nothing_is_copied_without_need() {
        for escape in [Escape::Default, Escape::Json, Escape::None] {
            assert!(matches!(escape.unescape(b"plain"), Cow::Borrowed(_)));
        }
    }
}
