//! What the files of a package say exists, and what exists is in them.

use std::fs;

use clap::{CommandFactory as _, Parser as _};

use super::*;
use crate::options::RunOptions;

/// The flags of a command that a user sees.
fn flags(command: &clap::Command) -> Vec<&str> {
    command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .filter_map(clap::Arg::get_long)
        .collect()
}

/// The lines of the configuration file that are keys once uncommented.
fn keys(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.is_empty() && !line.starts_with(' '))
        .collect()
}

#[test]
fn as_installed_the_configuration_says_nothing() {
    let text = configuration::text(&Cli::command()).expect("made");
    let options = RunOptions::from_toml(&text).expect("right");
    let defaults = RunOptions::default();
    assert_eq!(format!("{options:?}"), format!("{defaults:?}"));
}

#[test]
fn every_key_of_run_is_in_the_configuration_and_is_taken_once_uncommented() {
    let text = configuration::text(&Cli::command()).expect("made");
    let keys = keys(&text);
    for key in &keys {
        RunOptions::from_toml(key).unwrap_or_else(|error| panic!("{key}: {error:#}"));
    }
    let options = RunOptions::from_toml(&keys.join("\n")).expect("right");
    // Which file it is stands in no file. All else has a value: neither absent nor an empty list.
    let said = format!("{options:?}").replacen("config: None", "", 1);
    assert!(!said.contains(": None") && !said.contains("[]"), "{said}");

    let run = Cli::command();
    let run = run.find_subcommand("run").expect("a command");
    for flag in flags(run) {
        let named = |key: &&str| {
            key.split(" = ").next().is_some_and(|name| {
                name.trim_matches('"') == flag || name == flag.replace('.', "-")
            })
        };
        assert_eq!(
            keys.iter().filter(|key| named(key)).count(),
            usize::from(flag != "config"),
            "{flag}"
        );
    }
}

#[test]
fn a_key_stands_with_its_default() {
    let text = configuration::text(&Cli::command()).expect("made");
    for line in [
        "#listen = \"127.0.0.1:9877\"",
        "#journal-size = \"64MiB\"",
        "#journal-keep = 4",
        "#no-kernel = false",
        "#log-level = \"info\"",
        "#access-log = [\"/var/log/nginx/access.log=combined\"]",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    assert!(text.lines().all(|line| line.len() <= 110), "{text}");
}

#[test]
fn pages_and_completions_name_every_command_and_option_and_nothing_hidden() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path()).expect("written");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect(name);
    let commands = Cli::command();
    let (hidden, shown): (Vec<_>, Vec<_>) = commands
        .get_subcommands()
        .partition(|command| command.is_hide_set());
    let program = read("man/nginx-probe.1");
    let scripts = ["bash", "zsh", "fish"].map(|shell| read(&format!("completions/{shell}")));
    for command in &shown {
        let name = command.get_name();
        let page = read(&format!("man/nginx-probe-{name}.1"));
        assert!(
            program.contains(&format!("nginx\\-probe\\-{}(1)", name.replace('-', "\\-"))),
            "{name}"
        );
        for flag in flags(command) {
            let escaped = format!("\\-\\-{}", flag.replace('-', "\\-"));
            assert!(page.contains(&escaped), "{name} --{flag}: {page}");
            for script in &scripts {
                assert!(script.contains(flag), "{name} --{flag}");
            }
        }
        for script in &scripts {
            assert!(script.contains(name), "{name}");
        }
    }
    assert!(!hidden.is_empty());
    for command in &hidden {
        let name = command.get_name();
        assert!(
            !folder
                .path()
                .join(format!("man/nginx-probe-{name}.1"))
                .exists()
        );
        for script in scripts.iter().chain([&program]) {
            assert!(!script.contains(name), "{name}: {script}");
        }
    }
    let pages = fs::read_dir(folder.path().join("man")).expect("a folder");
    assert_eq!(pages.count(), shown.len() + 1);
}

#[test]
fn the_unit_starts_the_agent_with_options_that_it_has() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx-probe.service");
    let unit = fs::read_to_string(unit).expect("the unit");
    let started: Vec<&str> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("ExecStart="))
        .collect();
    assert_eq!(started.len(), 1, "{unit}");
    for line in started {
        let cli = Cli::try_parse_from(line.split_whitespace());
        let cli = cli.unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(
            matches!(cli.command, crate::options::Command::Run(_)),
            "{line}"
        );
    }
}
