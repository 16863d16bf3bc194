//! What an nginx is told on its command line, as the kernel keeps it: each argument ends with NUL.
//! Read as `ngx_get_options` (`src/core/nginx.c`) reads it.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::PathBuf};

use super::invocation::{Invocation, Role};

/// Arguments that are looked at.
const MAX_ARGUMENTS: usize = 256;

/// What an nginx is there to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// To serve.
    Serve,
    /// To test the configuration: `-t` or `-T`.
    Test,
    /// To tell the master of that configuration to read it anew: `-s reload`.
    Reload,
    /// Anything else: another `-s`, help, the version, or a mistake.
    Other,
}

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What for.
    pub task: Task,
    /// Which configuration.
    pub invocation: Invocation,
}

impl Command {
    /// Reads `/proc/PID/cmdline`; `None` for a process that has set its title, or has none.
    #[must_use]
    pub fn of(cmdline: &[u8]) -> Option<Self> {
        let line = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
        if line.is_empty() || Role::of_title(cmdline).is_some() {
            return None;
        }
        let mut arguments = line.split(|byte| *byte == 0).skip(1).take(MAX_ARGUMENTS);
        let mut command = Self {
            task: Task::Serve,
            invocation: Invocation::default(),
        };
        while let Some(argument) = arguments.next() {
            let Some(mut letters) = argument.strip_prefix(b"-") else {
                command.task = Task::Other; // nginx refuses it
                break;
            };
            while let Some((letter, rest)) = letters.split_first() {
                letters = rest;
                match letter {
                    b'p' | b'e' | b'c' | b'g' | b's' => {
                        let value = if rest.is_empty() {
                            arguments.next().unwrap_or_default()
                        } else {
                            rest
                        };
                        command.take(*letter, value);
                        break;
                    }
                    b't' | b'T' if command.task == Task::Serve => command.task = Task::Test,
                    b'q' | b't' | b'T' => {}
                    _ => command.task = Task::Other,
                }
            }
        }
        Some(command)
    }

    fn take(&mut self, letter: u8, value: &[u8]) {
        let path = || Some(PathBuf::from(OsStr::from_bytes(value)));
        match letter {
            _ if value.is_empty() => self.task = Task::Other,
            b'p' => self.invocation.prefix = path(),
            b'e' => self.invocation.error_log = path(),
            b'c' => self.invocation.conf_file = path(),
            b'g' => self.invocation.directives = Some(value.to_vec()),
            // `-t -s reload` tests, and signals nobody.
            b's' if self.task == Task::Serve => {
                self.task = if value == b"reload" {
                    Task::Reload
                } else {
                    Task::Other
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_read_as_nginx_reads_them() {
        for (words, task, conf, directives) in [
            (&["nginx"][..], Task::Serve, None, None),
            (
                &[
                    "/usr/sbin/nginx",
                    "-g",
                    "daemon on; master_process on;",
                    "-s",
                    "reload",
                ],
                Task::Reload,
                None,
                Some("daemon on; master_process on;"),
            ),
            (
                &["nginx", "-tqc/etc/a.conf"],
                Task::Test,
                Some("/etc/a.conf"),
                None,
            ),
            (
                &["nginx", "-c", "a b.conf", "-T"],
                Task::Test,
                Some("a b.conf"),
                None,
            ),
            (&["nginx", "-s", "stop"], Task::Other, None, None),
            (&["nginx", "-sreload"], Task::Reload, None, None),
            (&["nginx", "-t", "-s", "reload"], Task::Test, None, None),
            (&["nginx", "-V"], Task::Other, None, None),
            (&["nginx", "reload"], Task::Other, None, None),
            (&["nginx", "-c"], Task::Other, None, None),
        ] {
            let line = words.join("\0") + "\0";
            let command = Command::of(line.as_bytes()).expect("a command line");
            let conf_file = command
                .invocation
                .conf_file
                .map(|path| path.display().to_string());
            let given = command.invocation.directives.map(String::from_utf8);
            let given = given.transpose().expect("text");
            assert_eq!(
                (command.task, conf_file.as_deref(), given.as_deref()),
                (task, conf, directives),
                "{words:?}"
            );
        }
    }

    #[test]
    fn a_title_is_no_command_line() {
        for title in [
            "nginx: master process nginx -c /a",
            "nginx: worker process\0\0",
            "",
        ] {
            assert_eq!(Command::of(title.as_bytes()), None, "{title:?}");
        }
    }
}
