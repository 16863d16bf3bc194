//! `cargo xtask zoo`: a collection of faults. Each is caused for real in a private nginx, and what
//! the agent says of it is compared with what is true.
//!
//! A scenario is a file of `scenarios`: how nginx is configured, what is done to it, and what must be
//! said. It states the truth, whatever today's agent says.

mod clients;
mod judge;
mod mode;
mod opaque;
mod recording;
mod report;
mod scenarios;
mod set;
mod stage;
mod told;
mod truth;
mod turns;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use nginx_probe_tests::processes::require_root;

use self::mode::Mode;
use self::recording::Recording;
use self::report::Row;
use self::scenarios::Scenario;
use self::set::Set;
use crate::{build, interrupt};

/// Options of `cargo xtask zoo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only scenarios with one of these in their names [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// How much the agent may see (repeatable) [default: each mode in turn]
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Vec<Mode>,
    /// Show the scenarios and play none
    #[arg(long)]
    list: bool,
    /// How many scenarios are played at once: most of their time is the agent's start and end
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    jobs: u8,
    /// Keep what the agent was given, for `nginx-probe replay`: a file of each scenario and mode
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// Write the table to this file too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Args {
    fn wants(&self, scenario: &Scenario) -> bool {
        let named = |name: &String| scenario.name.contains(name.as_str());
        self.names.is_empty() || self.names.iter().any(named)
    }

    fn modes(&self) -> Vec<Mode> {
        let wanted = |mode: &Mode| self.mode.is_empty() || self.mode.contains(mode);
        Mode::ALL.into_iter().filter(wanted).collect()
    }
}

/// `cargo xtask zoo`.
pub(crate) fn run(repo: &Path, args: &Args) -> Result<()> {
    let wanted: Vec<_> = scenarios::all().filter(|one| args.wants(one)).collect();
    ensure!(
        !wanted.is_empty(),
        "no scenario has one of these in its name: {}; see `cargo xtask zoo --list`",
        args.names.join(", ")
    );
    if args.list {
        for scenario in wanted {
            println!("{}", report::listed(scenario));
        }
        return Ok(());
    }
    require_root()?;
    if let Some(folder) = &args.record {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    build::both(repo, false)?;
    interrupt::catch()?;
    let began = Instant::now();
    let mut rows = Vec::new();
    println!("{}", report::head());
    for mode in args.modes() {
        let work = |number: usize| {
            let scenario = wanted.get(number)?;
            (!interrupt::came()).then(|| play(scenario, mode, args.record.as_deref()))
        };
        turns::in_turn(args.jobs.into(), wanted.len(), work, |row| {
            println!("{}", row.line());
            rows.push(row);
        });
        if interrupt::came() {
            bail!("interrupted: what was started has ended, and its files are removed");
        }
    }
    print!("\n{}", report::summary(&rows));
    println!("it took {:.0} s", began.elapsed().as_secs_f64());
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report::json(&rows))?;
        fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    let bad = rows.iter().filter(|row| !row.is_ok()).count();
    ensure!(bad == 0, "{bad} of {} are not right", rows.len());
    Ok(())
}

fn play(scenario: &Scenario, mode: Mode, record: Option<&Path>) -> Row {
    let began = Instant::now();
    let name = format!("{}-{}.jsonl.gz", scenario.name, mode.name());
    let recording = Recording::new(record.map(|folder| folder.join(name)));
    let outcome = recording.and_then(|recording| (scenario.play)(Set::new(mode, recording)));
    Row {
        scenario: scenario.name,
        mode,
        took: began.elapsed(),
        outcome: outcome.map_err(|error| format!("{error:#}")),
    }
}
