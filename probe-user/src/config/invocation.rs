//! What a process title says: nginx's role, and the arguments the master was started with.
//!
//! A master's title is `nginx: master process ` and its arguments joined by single spaces
//! (`src/os/unix/ngx_process_cycle.c`): quoting is lost. A process can give itself any title.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What an nginx process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads the configuration and keeps the others running.
    Master,
    /// Serves connections.
    Worker,
    /// A worker that ends when its last connection does.
    DrainingWorker,
    /// Keeps the caches within their limits.
    CacheManager,
    /// Reads cache folders after a start, then ends.
    CacheLoader,
}

impl Role {
    /// The role that the title at the start of `cmdline` (`/proc/PID/cmdline`) names.
    ///
    /// `None` for what is not nginx, for nginx before it set its title, and for single-process
    /// operation (`master_process off`).
    #[must_use]
    pub fn of_title(cmdline: &[u8]) -> Option<Self> {
        let does = duty(title(cmdline))?;
        // php-fpm's master is `php-fpm: master process (/etc/php-fpm.conf)`.
        if does.starts_with(b"master process (") {
            return None;
        }
        let is = |what: &[u8]| {
            does.strip_prefix(what)
                .is_some_and(|rest| matches!(rest.first(), None | Some(b' ')))
        };
        [
            ("master process", Self::Master),
            ("worker process is shutting down", Self::DrainingWorker),
            ("worker process", Self::Worker),
            ("cache manager process", Self::CacheManager),
            ("cache loader process", Self::CacheLoader),
        ]
        .into_iter()
        .find_map(|(what, role)| is(what.as_bytes()).then_some(role))
    }
}

/// The arguments of a master that say where its configuration is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// `-c`: the configuration file, absolute or relative to the prefix.
    pub conf_file: Option<PathBuf>,
    /// `-p`: the prefix.
    pub prefix: Option<PathBuf>,
    /// `-g`: directives that come before the configuration file.
    pub directives: Option<Vec<u8>>,
    /// `-e`: the error log, instead of the compiled-in one (nginx 1.19.5).
    pub error_log: Option<PathBuf>,
    /// The user who started it, as its own user namespace numbers users: 0 is root. The title does
    /// not say.
    pub uid: u32,
}

impl Invocation {
    /// Reads the arguments out of a master's `cmdline`; without a title that names a master,
    /// none.
    ///
    /// A value runs up to the next word that nginx would take for a flag, so that a value with
    /// spaces comes out whole unless it holds such a word itself.
    #[must_use]
    pub fn of_title(cmdline: &[u8]) -> Self {
        let mut found = Self::default();
        if Role::of_title(cmdline) != Some(Role::Master) {
            return found;
        }
        let arguments = arguments(title(cmdline));
        let mut value: Option<(u8, Vec<u8>)> = None;
        for word in arguments.split(|&byte| byte == b' ') {
            if let Some(flag) = Flag::of(word) {
                found.keep(value.take());
                value = flag.takes.map(|letter| (letter, flag.attached.to_vec()));
            } else if let Some((_, text)) = &mut value {
                if !text.is_empty() {
                    text.push(b' ');
                }
                text.extend_from_slice(word);
            }
        }
        found.keep(value);
        found
    }

    fn keep(&mut self, value: Option<(u8, Vec<u8>)>) {
        let Some((letter, text)) = value.filter(|(_, text)| !text.is_empty()) else {
            return;
        };
        let path = PathBuf::from(OsStr::from_bytes(&text));
        match letter {
            b'c' => self.conf_file = Some(path),
            b'p' => self.prefix = Some(path),
            b'e' => self.error_log = Some(path),
            b'g' => self.directives = Some(text),
            _ => {}
        }
    }
}

/// The command line of a master as its title has it: the program's path and its arguments.
#[must_use]
pub fn command_of(cmdline: &[u8]) -> &[u8] {
    arguments(title(cmdline))
}

/// The title: `cmdline` up to the first NUL.
fn title(cmdline: &[u8]) -> &[u8] {
    cmdline.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// What follows the program's name: `worker process`. The name is `nginx`, or one of its kin's.
fn duty(title: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', title)?;
    let (name, rest) = title.split_at_checked(colon)?;
    if name.is_empty() || name.contains(&b' ') {
        return None;
    }
    rest.strip_prefix(b": ")
}

/// The master's own command line, the program's path included.
fn arguments(title: &[u8]) -> &[u8] {
    let rest = duty(title).and_then(|duty| duty.strip_prefix(b"master process"));
    let rest = rest.unwrap_or_default().trim_ascii();
    // angie writes `master process v1.4.0 #1 [/usr/sbin/angie -c …]`.
    if rest.starts_with(b"v")
        && rest.get(1).is_some_and(u8::is_ascii_digit)
        && let Some(bracket) = memchr::memchr(b'[', rest)
    {
        let inner = rest.get(bracket + 1..).unwrap_or_default();
        return inner.strip_suffix(b"]").unwrap_or(inner);
    }
    rest
}

/// One word of the command line that nginx takes for flags, such as `-c`, `-qc` or `-p/srv`.
struct Flag<'a> {
    takes: Option<u8>,
    attached: &'a [u8],
}

impl<'a> Flag<'a> {
    fn of(word: &'a [u8]) -> Option<Self> {
        let mut letters = word.strip_prefix(b"-")?;
        let mut seen = false;
        while let Some((&letter, rest)) = letters.split_first() {
            match letter {
                b'?' | b'h' | b'v' | b'V' | b't' | b'T' | b'q' => letters = rest,
                b'c' | b'p' | b'e' | b'g' | b's' if attaches(letter, rest) => {
                    return Some(Self {
                        takes: Some(letter),
                        attached: rest,
                    });
                }
                _ => return None,
            }
            seen = true;
        }
        seen.then_some(Self {
            takes: None,
            attached: &[],
        })
    }
}

/// Whether `rest` may be a value written without a space behind its flag. Strict, because the
/// word may as well be part of another flag's value.
fn attaches(letter: u8, rest: &[u8]) -> bool {
    match (letter, rest.first()) {
        (_, None) => true,
        (b'g', Some(first)) => first.is_ascii_lowercase(),
        (b's', _) => [&b"stop"[..], b"quit", b"reload", b"reopen"].contains(&rest),
        (_, Some(first)) => matches!(first, b'/' | b'.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_name_roles() {
        for (title, role) in [
            ("nginx: master process /usr/sbin/nginx", Some(Role::Master)),
            ("nginx: master process", Some(Role::Master)),
            ("nginx: worker process\0\0\0\0", Some(Role::Worker)),
            ("angie: worker process #1", Some(Role::Worker)),
            (
                "nginx: worker process is shutting down",
                Some(Role::DrainingWorker),
            ),
            (
                "angie: worker process is shutting down #3",
                Some(Role::DrainingWorker),
            ),
            ("nginx: cache manager process", Some(Role::CacheManager)),
            ("nginx: cache loader process", Some(Role::CacheLoader)),
            ("nginx: worker processes", None),
            ("nginx: privileged agent process", None),
            (
                "php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)",
                None,
            ),
            ("my nginx: master process", None),
            (": master process", None),
            ("nginx:master process", None),
            ("nginx\0-g\0daemon off;\0", None),
            ("", None),
            ("\0nginx: master process", None),
        ] {
            assert_eq!(Role::of_title(title.as_bytes()), role, "{title:?}");
        }
    }

    fn shown(command_line: &str) -> String {
        let title = format!("nginx: master process {command_line}\0\0");
        let found = Invocation::of_title(title.as_bytes());
        let mut shown = Vec::new();
        for (flag, value) in [
            ("c", &found.conf_file),
            ("p", &found.prefix),
            ("e", &found.error_log),
        ] {
            shown.extend(
                value
                    .as_ref()
                    .map(|value| format!("{flag}={}", value.display())),
            );
        }
        let directives = found.directives.as_deref().map(String::from_utf8_lossy);
        shown.extend(directives.map(|text| format!("g={text}")));
        shown.join(",")
    }

    #[test]
    fn values_run_up_to_the_next_flag() {
        for (command_line, expected) in [
            (
                "/usr/sbin/nginx -p /x -c conf/nginx.conf -g daemon off; pid /run/a.pid;",
                "c=conf/nginx.conf,p=/x,g=daemon off; pid /run/a.pid;",
            ),
            (
                "nginx -g daemon off; -c /etc/my site/a.conf -e stderr",
                "c=/etc/my site/a.conf,e=stderr,g=daemon off;",
            ),
            ("nginx -q -p/srv -c./a.conf", "c=./a.conf,p=/srv"),
            ("nginx -qc a.conf", "c=a.conf"),
            ("nginx -gdaemon off; -p .", "p=.,g=daemon off;"),
            ("nginx -p /a -c /b -p /c", "c=/b,p=/c"),
            ("nginx -c /a -x b - -- -cd", "c=/a -x b - -- -cd"),
            ("nginx -c", ""),
            ("nginx -c -p", ""),
            ("nginx", ""),
            ("/opt/my nginx/sbin/nginx -c /a", "c=/a"),
            ("", ""),
        ] {
            assert_eq!(shown(command_line), expected, "{command_line}");
        }
    }

    #[test]
    fn kin_and_strangers() {
        let angie = b"angie: master process v1.4.0 #1 [/usr/sbin/angie -c /etc/angie/a.conf]";
        let found = Invocation::of_title(angie);
        assert_eq!(found.conf_file, Some(PathBuf::from("/etc/angie/a.conf")));
        for stranger in [
            &b"nginx: worker process -c /a"[..],
            b"bash -c /a",
            b"\xff: \xfe",
        ] {
            assert_eq!(Invocation::of_title(stranger), Invocation::default());
        }
    }
}
