//! What the fuzz targets share.
//!
//! The input of a target is text that a person can read and write: parts are separated by a line
//! `%%`, and a choice is the first byte's number modulo the number of choices, so `0`, `1` and `2`
//! do for the first three.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use nginx_probe::access_log::{Entry, Escape, Field, Format};

const BETWEEN: &[u8] = b"\n%%\n";

/// The first `N` parts of an input; those that it lacks are empty, and the last has the rest.
#[must_use]
pub fn parts<const N: usize>(mut input: &[u8]) -> [&[u8]; N] {
    let mut parts = [&b""[..]; N];
    for (index, part) in parts.iter_mut().enumerate() {
        let end = input
            .windows(BETWEEN.len())
            .position(|window| window == BETWEEN)
            .filter(|_| index + 1 < N);
        match end {
            Some(end) => {
                *part = &input[..end];
                input = &input[end + BETWEEN.len()..];
            }
            None => *part = std::mem::take(&mut input),
        }
    }
    parts
}

/// The escape mode that a byte chooses.
#[must_use]
pub fn escape(choice: u8) -> Escape {
    [Escape::Default, Escape::Json, Escape::None][usize::from(choice) % 3]
}

/// Whether `inner` is a piece of `outer`, and not a copy of one.
#[must_use]
pub fn is_piece(outer: &[u8], inner: &[u8]) -> bool {
    let (outer, inner) = (outer.as_ptr_range(), inner.as_ptr_range());
    inner.start == inner.end || (outer.start <= inner.start && inner.end <= outer.end)
}

/// Reads a line and asks for all that it says.
///
/// # Panics
/// When what is read is not in the line, or does not hang together.
pub fn read_line(format: &Format, line: &[u8]) {
    let mut entry = Entry::default();
    let fits = format.parse(line, &mut entry);
    ask(&entry);
    if !fits {
        return;
    }
    assert_eq!(entry.line(), line);
    for field in Field::ALL {
        let value = entry.get(field);
        assert_eq!(value.is_some(), format.gives(field), "{field:?}");
        let value = value.unwrap_or_default();
        assert!(is_piece(line, value), "{field:?}");
        let plain = format.escape().unescape(value);
        assert!(plain.len() <= value.len(), "{field:?}");
        let mut joined = Vec::new();
        for (index, attempt) in entry.attempts(field).enumerate() {
            let between: &[u8] = if attempt.redirected { b" : " } else { b", " };
            joined.extend_from_slice(if index > 0 { between } else { b"" });
            joined.extend_from_slice(attempt.value);
            let _ = attempt.micros();
            assert!(attempt.status().is_none_or(|status| status < 1000));
        }
        assert_eq!(joined, value, "{field:?}");
    }
}

/// Asks an entry for everything, whatever it was read from.
///
/// # Panics
/// When something of it is not in its line.
pub fn ask(entry: &Entry<'_>) {
    let line = entry.line();
    for field in Field::ALL {
        assert!(is_piece(line, entry.present(field).unwrap_or_default()));
    }
    assert!(entry.status().is_none_or(|status| status < 1000));
    let _ = (entry.time(), entry.request_time(), entry.connection());
    let _ = (entry.pid(), entry.remote_port(), entry.body_bytes_sent());
    let attempts = entry.upstream_status().count()
        + entry.upstream_addr().count()
        + entry.upstream_response_time().count();
    assert!(attempts <= 3 * (line.len() + 1));
    assert!(is_piece(line, entry.method().unwrap_or_default()));
    if let Some(path) = entry.path_without_query() {
        // Of `http://host` it is `/`, which is not in the line.
        assert!(is_piece(line, path) || path == b"/");
        assert!(!path.is_empty());
        assert!(!path.iter().any(|byte| b"?#".contains(byte)));
    }
}

/// A value as nginx writes it (`ngx_http_log_escape`, `ngx_escape_json`).
#[must_use]
pub fn logged(value: &[u8], escape: Escape) -> Cow<'_, [u8]> {
    if escape == Escape::None {
        return Cow::Borrowed(value);
    }
    let mut text = Vec::with_capacity(value.len());
    for &byte in value {
        match (escape, byte) {
            (Escape::Default, ..0x20 | b'"' | b'\\' | 0x7f..) => {
                text.extend(format!("\\x{byte:02X}").bytes());
            }
            (Escape::Json, b'"' | b'\\') => text.extend([b'\\', byte]),
            (Escape::Json, b'\n') => text.extend(b"\\n"),
            (Escape::Json, b'\r') => text.extend(b"\\r"),
            (Escape::Json, b'\t') => text.extend(b"\\t"),
            (Escape::Json, 0x08) => text.extend(b"\\b"),
            (Escape::Json, 0x0c) => text.extend(b"\\f"),
            (Escape::Json, ..0x20) => text.extend(format!("\\u00{byte:02X}").bytes()),
            _ => text.push(byte),
        }
    }
    Cow::Owned(text)
}

/// A folder of this process's own, in the folder for temporary files. Whoever starts the process
/// removes it: libFuzzer ends without running destructors.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let name = format!("nginx-probe-fuzz-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder for temporary files");
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it, and the folders around that.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) {
        let path = self.0.join(name);
        if let Err(error) = fs::write(&path, content) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(&path, content).expect("written");
        }
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}
