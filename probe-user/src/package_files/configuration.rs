//! The configuration file with every key of `run`, each commented, explained, and with a value that
//! the agent takes.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use clap::Arg;

use crate::options::RunOptions;

/// Columns of the file, beside the `# ` of a comment.
const WIDTH: usize = 96;
/// Options of `run` that no file has: which file it is.
const NO_KEY: [&str; 3] = ["config", "help", "version"];
const HEAD: &str = "\
# Configuration of `nginx-probe run`.
#
# Flags come first, then environment variables (NGINX_PROBE_LISTEN and so on), then this file, then the
# defaults. Each key below stands with its default, or with an example where it has none. A key that is not
# known, or a value that is not right, keeps the agent from starting: it says which.
# After a change: systemctl restart nginx-probe
";

/// The text of the file.
///
/// # Errors
/// When an option has no value that a configuration file could have.
pub(super) fn text(program: &clap::Command) -> anyhow::Result<String> {
    let run = program
        .find_subcommand("run")
        .context("the command line has no `run`")?;
    // The level is an option of every command.
    let level = program.get_arguments();
    let mut text = HEAD.to_owned();
    for arg in run.get_arguments().chain(level) {
        let Some(flag) = arg.get_long().filter(|flag| !NO_KEY.contains(flag)) else {
            continue;
        };
        let Some(line) = line(arg, flag) else {
            bail!(
                "no value is known for the key {flag} of the configuration file: give its option a default, or add one to SAMPLES"
            );
        };
        text.push('\n');
        for comment in wrapped(&help(arg)) {
            // A string takes all of it.
            let _ = writeln!(text, "# {comment}");
        }
        let _ = writeln!(text, "#{line}");
    }
    Ok(text)
}

/// What a value could be where the help names no default: by the key, then by the value's name.
const SAMPLES: [(&str, &str); 17] = [
    ("pid-file", "/run/nginx.pid"),
    ("master", "1234"),
    ("name", "nginx"),
    ("access-log", "/var/log/nginx/access.log=combined"),
    ("error-log", "/var/log/nginx/error.log"),
    ("instance-label", "{namespace}/{pod}{pid_file}"),
    ("record", "/var/lib/nginx-probe/recording.jsonl"),
    ("BOOL", "false"),
    ("PATH", "/path/to/file"),
    ("FILE", "/path/to/file"),
    ("FOLDER", "/path/to/folder"),
    ("NAME", "name"),
    ("ADDR", "127.0.0.1:9877"),
    ("URL", "http://127.0.0.1:4318"),
    ("DURATION", "5s"),
    ("SIZE", "64MiB"),
    ("N", "4"),
];

/// `key = value` for the first value that the agent's own reader takes.
fn line(arg: &Arg, flag: &str) -> Option<String> {
    let named: Vec<&str> = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(|name| {
            name.as_str()
                .trim_end_matches(|c: char| !c.is_alphanumeric())
        })
        .collect();
    let possible: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    let samples = SAMPLES
        .iter()
        .filter(|(of, _)| *of == flag || named.contains(of))
        .map(|(_, sample)| (*sample).to_owned());
    let values = default(arg)
        .into_iter()
        .chain(samples)
        .chain(possible)
        .chain(named.iter().map(|name| name.to_lowercase()));
    // A key with a dot would be a table.
    let keys = [
        flag.to_owned(),
        flag.replace('.', "-"),
        format!("\"{flag}\""),
    ];
    values
        .flat_map(|value| {
            let quoted = toml::Value::String(value.clone()).to_string();
            keys.clone().into_iter().flat_map(move |key| {
                [
                    format!("{key} = {value}"),
                    format!("{key} = {quoted}"),
                    format!("{key} = [{value}]"),
                    format!("{key} = [{quoted}]"),
                ]
            })
        })
        .find(|line| !line.contains('\n') && RunOptions::from_toml(line).is_ok())
}

/// The default that the help names, where it is a value and not a description.
fn default(arg: &Arg) -> Option<String> {
    let help = help(arg);
    let (_, rest) = help.rsplit_once("[default: ")?;
    let default = rest.split_once(']')?.0;
    (!default.contains(' ')).then(|| default.to_owned())
}

fn help(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    help.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
