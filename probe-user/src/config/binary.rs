//! The paths compiled into an nginx binary, read from the text of its `nginx -V`.
//!
//! The binary belongs to another process and may be anything: it is read as a file, never run.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memmem;

/// How much of a binary is looked at, in bytes. A static nginx with debug information is about 40 MB.
const MAX_BINARY: usize = 128 * 1024 * 1024;

/// How much is read at once.
const CHUNK: usize = 1024 * 1024;

/// The longest configure string that is read whole. Debian's is 2 KB.
const MAX_STRING: usize = 64 * 1024;

const ARGUMENTS: &[u8] = b"configure arguments:";

/// What came with the binary. A missing value is nginx's default (`auto/options`); a relative
/// path is relative to the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// `nginx/1.22.1`, `openresty/1.25.3.1`; `None` when the binary does not say.
    pub version: Option<String>,
    /// `--prefix`; empty when nginx was built without one and takes its working folder.
    pub prefix: PathBuf,
    /// `--conf-path`
    pub conf_path: PathBuf,
    /// `--pid-path`
    pub pid_path: PathBuf,
    /// `--http-log-path`
    pub access_log_path: PathBuf,
    /// `--error-log-path`, or `stderr`.
    pub error_log_path: PathBuf,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            version: None,
            prefix: "/usr/local/nginx".into(),
            conf_path: "conf/nginx.conf".into(),
            pid_path: "logs/nginx.pid".into(),
            access_log_path: "logs/access.log".into(),
            error_log_path: "logs/error.log".into(),
        }
    }
}

impl Build {
    /// Reads the binary that process `pid` runs, even when the file was replaced since.
    ///
    /// # Errors
    /// The process is gone, or the agent may not look at it.
    pub fn of_process(proc_root: &Path, pid: u32) -> io::Result<Self> {
        let binary = File::open(proc_root.join(pid.to_string()).join("exe"))?;
        Self::read(binary)
    }

    /// Reads a binary. What it does not say is the default.
    ///
    /// # Errors
    /// Those of `binary`.
    pub fn read(binary: impl Read) -> io::Result<Self> {
        let mut build = Self::default();
        let strings = Strings::find(binary)?;
        build.version = strings.version.and_then(|text| {
            let text = text.trim_ascii();
            let end = text
                .iter()
                .position(|byte| !byte.is_ascii_graphic())
                .unwrap_or(text.len());
            let version = std::str::from_utf8(text.get(..end)?).ok()?;
            (version.len() <= 100 && version.contains('/')).then(|| version.to_owned())
        });
        for argument in shell_words(&strings.arguments.unwrap_or_default()) {
            let Some(equals) = memchr::memchr(b'=', &argument) else {
                continue;
            };
            let (name, value) = argument.split_at(equals);
            let value = PathBuf::from(OsStr::from_bytes(value.get(1..).unwrap_or_default()));
            match name {
                b"--prefix" => build.prefix = value,
                // nginx takes its default for an empty path.
                _ if value.as_os_str().is_empty() => {}
                b"--conf-path" => build.conf_path = value,
                b"--pid-path" => build.pid_path = value,
                b"--http-log-path" => build.access_log_path = value,
                b"--error-log-path" => build.error_log_path = value,
                _ => {}
            }
        }
        Ok(build)
    }
}

#[derive(Default)]
struct Strings {
    arguments: Option<Vec<u8>>,
    version: Option<Vec<u8>>,
}

impl Strings {
    fn find(binary: impl Read) -> io::Result<Self> {
        let mut found = Self::default();
        let mut binary = binary.take(MAX_BINARY as u64);
        let mut window = Vec::with_capacity(CHUNK + MAX_STRING);
        loop {
            let read = binary
                .by_ref()
                .take(CHUNK as u64)
                .read_to_end(&mut window)?;
            let ended = read < CHUNK;
            if found.arguments.is_none() {
                found.arguments = string_after(&window, ARGUMENTS, ended);
            }
            if found.version.is_none() {
                found.version = string_after(&window, b"nginx version: ", ended)
                    .or_else(|| string_after(&window, b"Angie version: ", ended));
            }
            if ended || (found.arguments.is_some() && found.version.is_some()) {
                return Ok(found);
            }
            // A string that is cut by the window's end is found whole in the next window.
            let keep_from = window.len().saturating_sub(MAX_STRING);
            window.drain(..keep_from);
        }
    }
}

/// What follows `label` up to the end of the string or the line; `None` while more of it may come.
fn string_after(window: &[u8], label: &[u8], ended: bool) -> Option<Vec<u8>> {
    let text = window.get(memmem::find(window, label)? + label.len()..)?;
    let longest = text.get(..MAX_STRING - label.len()).unwrap_or(text);
    match longest.iter().position(|&byte| byte == 0 || byte == b'\n') {
        Some(end) => longest.get(..end).map(<[u8]>::to_vec),
        None if ended || longest.len() < text.len() => Some(longest.to_vec()),
        None => None,
    }
}

/// Splits at spaces; configure puts single quotes around a value that has spaces.
fn shell_words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = vec![Vec::new()];
    let mut quoted = false;
    for &byte in text {
        match byte {
            b'\'' => quoted = !quoted,
            b' ' if !quoted => words.push(Vec::new()),
            _ => words
                .last_mut()
                .into_iter()
                .for_each(|word| word.push(byte)),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(before: usize, strings: &[u8]) -> Vec<u8> {
        let mut bytes = vec![7; before];
        bytes.extend_from_slice(strings);
        bytes.extend_from_slice(&[0; 1000]);
        bytes
    }

    const DEBIAN: &[u8] = b"\0nginx version: nginx/1.22.1\0built by gcc\0configure arguments: \
        --with-cc-opt='-g -O2 --prefix=/wrong' --prefix=/usr/share/nginx \
        --conf-path=/etc/nginx/nginx.conf --http-log-path='/var/my log/access.log' \
        --error-log-path=stderr --pid-path=/run/nginx.pid --with-threads\n\0more";

    #[test]
    fn paths_come_from_the_configure_string() {
        let build = Build::read(&binary(5, DEBIAN)[..]).unwrap();
        assert_eq!(
            build,
            Build {
                version: Some("nginx/1.22.1".into()),
                prefix: "/usr/share/nginx".into(),
                conf_path: "/etc/nginx/nginx.conf".into(),
                pid_path: "/run/nginx.pid".into(),
                access_log_path: "/var/my log/access.log".into(),
                error_log_path: "stderr".into(),
            }
        );
    }

    #[test]
    fn a_string_is_found_wherever_a_chunk_ends() {
        for shift in (0..=DEBIAN.len() + 1).step_by(7) {
            let build = Build::read(&binary(CHUNK - shift, DEBIAN)[..]).unwrap();
            assert_eq!(build.pid_path, Path::new("/run/nginx.pid"), "{shift}");
            assert_eq!(build.version.as_deref(), Some("nginx/1.22.1"), "{shift}");
        }
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let no_version = b"configure arguments: --pid-path= --prefix=\0nginx version: \xff\0";
        let build = Build::read(&no_version[..]).unwrap();
        assert_eq!(
            build,
            Build {
                prefix: PathBuf::new(),
                ..Build::default()
            }
        );
        for hostile in [
            &b""[..],
            b"configure arguments:",
            b"nginx version: ",
            b"configure arguments: '''--pid-path",
        ] {
            assert_eq!(Build::read(hostile).unwrap(), Build::default());
        }
        assert_eq!(Build::read(io::repeat(b'\'')).unwrap(), Build::default());
    }

    #[test]
    fn an_endless_string_is_cut() {
        let endless = b"configure arguments: --pid-path=/a --x=".chain(io::repeat(b'x'));
        assert_eq!(Build::read(endless).unwrap().pid_path, Path::new("/a"));
        let labels = io::repeat(b'c')
            .take(100)
            .chain(io::Cursor::new(ARGUMENTS.repeat(100_000)));
        assert_eq!(Build::read(labels).unwrap(), Build::default());
    }
}
