//! Files of a package that are made from the command line's definition: manual pages, completions,
//! and the configuration file with every key commented.

mod configuration;
mod manual;

use std::{fs, path::Path};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::options::Cli;

/// The shells that a package has completions for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];
/// The name of the program, and of the completions for it.
const PROGRAM: &str = "nginx-probe";

/// Writes `config.toml`, `man/*.1` and `completions/*` into a folder, which is made when it is missing.
///
/// # Errors
/// When a file cannot be written, or the command line has an option that the configuration file cannot
/// have.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    let configuration = configuration::text(&Cli::command())?;
    put(&folder.join("config.toml"), configuration.as_bytes())?;
    for (name, page) in manual::pages(&visible())? {
        put(&folder.join("man").join(name), &page)?;
    }
    for shell in SHELLS {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut visible(), PROGRAM, &mut script);
        put(&folder.join("completions").join(shell.to_string()), &script)?;
    }
    Ok(())
}

/// The command line without its hidden commands, which clap's generators would show.
#[must_use]
pub fn visible() -> clap::Command {
    let whole = Cli::command();
    let mut shown = clap::Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .arg_required_else_help(true);
    if let Some(about) = whole.get_about() {
        shown = shown.about(about.clone());
    }
    let commands = whole.get_subcommands();
    shown
        .args(whole.get_arguments())
        .subcommands(commands.filter(|command| !command.is_hide_set()))
}

fn put(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
