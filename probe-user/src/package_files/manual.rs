//! Manual pages: one of the program, one of each of its commands.

use std::io;

use anyhow::Context as _;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::PROGRAM;
use crate::options::DEFAULT_CONFIG;

const MANUAL: &str = "nginx-probe manual";
/// What each file of an installed agent is for.
const FILES: [(&str, &str); 3] = [
    (
        DEFAULT_CONFIG,
        "Options of run, each a key, all of them explained there. Flags and environment variables come before it.",
    ),
    (
        "/var/lib/nginx-probe/journal.jsonl",
        "The journal of run: one record a line. Rotated files have a number behind the name.",
    ),
    (
        "/var/lib/nginx-probe",
        "How far each log was read, so that nothing is counted twice after a restart.",
    ),
];
/// Exit statuses of the commands that look at something.
const STATUSES: [(&str, &str); 3] = [
    ("0", "Nothing is wrong; of run: it was asked to end."),
    ("1", "Of diagnose and doctor: something is wrong."),
    ("2", "It could not look, or the command line is not right."),
];

/// File names and contents.
///
/// # Errors
/// When clap's generator fails.
pub(super) fn pages(command: &clap::Command) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    // Built as a whole first: global options reach the commands, and each has its full name.
    let mut program = command.clone().disable_help_subcommand(true);
    program.build();
    let commands: Vec<clap::Command> = program.get_subcommands().cloned().collect();
    let mut pages = Vec::with_capacity(commands.len().saturating_add(1));
    for one in std::iter::once(program).chain(commands.iter().cloned()) {
        let name = one.get_display_name().unwrap_or(PROGRAM).to_owned();
        let page = page(&one, &name, &commands)
            .with_context(|| format!("cannot make the manual page {name}"))?;
        pages.push((format!("{name}.1"), page));
    }
    Ok(pages)
}

fn page(command: &clap::Command, name: &str, all: &[clap::Command]) -> io::Result<Vec<u8>> {
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .source(format!("{PROGRAM} {version}"))
        .manual(MANUAL);
    let is_program = name == PROGRAM;
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if is_program {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::default();
    if is_program || name.ends_with("-run") {
        section(&mut rest, "FILES", &FILES);
    }
    section(&mut rest, "EXIT STATUS", &STATUSES);
    rest.control("SH", ["SEE ALSO"]);
    rest.text([roman(see_also(name, all))]);
    rest.to_writer(&mut page)?;
    Ok(page)
}

fn section(roff: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, text) in entries {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*text)]);
    }
}

fn see_also(name: &str, all: &[clap::Command]) -> String {
    let names = std::iter::once(PROGRAM).chain(all.iter().filter_map(|one| one.get_display_name()));
    let others: Vec<String> = names
        .filter(|other| *other != name)
        .map(|other| format!("{other}(1)"))
        .collect();
    others.join(", ")
}
