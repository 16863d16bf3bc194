//! The `nginx-probe` command.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{CommandFactory as _, Parser as _};
use env_logger::Target;
use log::LevelFilter;
use nginx_probe::{
    agent, diagnose, doctor, incidents, offline,
    options::{Cli, Command},
    package_files, privileges, replay,
    sinks::{messages, printable::printable},
};

/// Exit status when something is wrong.
const WRONG: u8 = 1;
/// Exit status when the agent could not look.
const BLIND: u8 = 2;

fn main() -> ExitCode {
    let mut cli = Cli::parse();
    // The file comes first: it may say how much is logged.
    if let Command::Run(options) = &mut cli.command {
        match std::mem::take(options).with_file() {
            Ok(whole) => **options = whole,
            Err(error) => return blind(&error),
        }
        if let Err(error) = privileges::choose_user(options.user.as_deref()) {
            return blind(&error);
        }
    }
    let of_file = match &cli.command {
        Command::Run(options) => options.log_level,
        _ => None,
    };
    let level = cli.log_level.or(of_file).unwrap_or(LevelFilter::Info);
    let mut logger = env_logger::Builder::new();
    if matches!(cli.command, Command::Run(_)) {
        match messages::Messages::start() {
            Ok(messages) => drop(logger.target(Target::Pipe(Box::new(messages)))),
            Err(error) => return blind(&anyhow!("cannot start a thread: {error}")),
        }
    }
    logger
        .filter_level(level)
        // The loader (not the programs' own `aya_log`) says a hundred lines about itself at `debug`.
        .filter_module("aya", level.min(LevelFilter::Warn))
        .filter_module("aya_obj", level.min(LevelFilter::Warn))
        .format(|out, record| {
            use std::io::Write as _;
            writeln!(
                out,
                "{}nginx-probe: {}: {}",
                messages::priority(record.level()),
                record.level().as_str().to_lowercase(),
                printable(record.args())
            )
        })
        .init();
    let result = match cli.command {
        Command::Run(options) => block_on(agent::run(*options)).map(|()| true),
        Command::Diagnose(options) => block_on(diagnose::run(&options)),
        Command::Doctor(options) => doctor::run(&options),
        Command::Incidents(options) => incidents::run(&options).map(|()| true),
        Command::Logs(options) => offline::run(&options).map(|()| true),
        Command::Replay(options) => replay::run(&options).map(|()| true),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "nginx-probe",
                &mut std::io::stdout(),
            );
            Ok(true)
        }
        Command::PackageFiles { folder } => package_files::write(&folder).map(|()| true),
    };
    let status = match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(WRONG),
        Err(error) => blind(&error),
    };
    messages::finish();
    status
}

fn blind(error: &anyhow::Error) -> ExitCode {
    for line in format!("{error:#}").lines() {
        let priority = messages::priority(log::Level::Error);
        messages::say(&format!("{priority}nginx-probe: {}\n", printable(line)));
    }
    ExitCode::from(BLIND)
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}
