//! `cargo xtask demo`: a private nginx, broken in several ways, and what the agent says of each.

mod agent;
mod limit;
mod page;
mod stage;
mod steps;
mod totals;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use self::page::Page;
use self::stage::Stage;
use self::steps::{Done, STEPS, Step};
use crate::{build, interrupt};

/// Lines of nginx's error log that are shown of one step.
const MOST: usize = 5;

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Afterwards leave nginx and the agent running, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

/// `cargo xtask demo`.
pub(crate) fn run(repo: &Path, args: &Args) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "the demo loads programs into the kernel and limits memory, which needs root: run \
             `cargo xtask demo` as root"
        );
    }
    let binary = build::both(repo, false)?;
    interrupt::catch()?;
    let outcome = show(&binary, args.keep);
    if outcome.is_err() && interrupt::came() {
        bail!("interrupted: nginx and nginx-probe have ended, and their files are removed");
    }
    outcome
}

/// Whatever ends this, what the stage holds is ended and removed.
fn show(binary: &Path, keep: bool) -> Result<()> {
    let started = Instant::now();
    let mut page = Page::on_stdout();
    let mut stage = Stage::set(binary)?;
    if let Err(error) = show_steps(&mut stage, &mut page) {
        if !interrupt::came() && !page.closed() {
            eprint!("\n{}\n", stage.agent.account());
        }
        return Err(error);
    }
    page.blank()?;
    if keep {
        linger(&stage, &mut page)?;
    }
    let folder = stage.end()?;
    let took = if keep {
        String::new()
    } else {
        format!(" The demo took {:.0} s.", started.elapsed().as_secs_f64())
    };
    page.paragraph(&format!(
        "All is removed: nginx and nginx-probe have ended, and {} is gone.{took}",
        folder.display()
    ))
}

fn show_steps(stage: &mut Stage, page: &mut Page) -> Result<()> {
    let mut shown = introduce(page, stage)?;
    for (index, step) in STEPS.iter().enumerate() {
        page.heading(&format!("{} of {}: {}", index + 1, STEPS.len(), step.title))?;
        play(step, stage, page, &mut shown)
            .with_context(|| format!("the step \"{}\" failed", step.title))?;
        stage.wait_requests()?;
    }
    page.heading("What nginx-probe has counted, for Prometheus")?;
    totals::print(stage, page)
}

/// Gives the number of records that were shown.
fn introduce(page: &mut Page, stage: &Stage) -> Result<usize> {
    page.blank()?;
    page.paragraph(&format!(
        "A private nginx with 2 workers listens on 127.0.0.1:{}, in {}. nginx-probe watches it \
         from outside: nothing in nginx's configuration knows of it. Each step breaks something \
         and shows what nginx itself logs of it, and then what nginx-probe says.",
        stage.nginx.port(),
        stage.nginx.folder().display(),
    ))?;
    page.label("nginx-probe:")?;
    page.quoted(&stage.agent.warnings())?;
    let told = stage.agent.told_since(0)?;
    page.quoted(&told.shown)?;
    Ok(told.records)
}

/// Does one step and shows what became of it; `shown` counts the records that were shown so far.
fn play(step: &Step, stage: &mut Stage, page: &mut Page, shown: &mut usize) -> Result<()> {
    let seen = stage.agent.records()?.len();
    let logs = stage.logs();
    match (step.act)(stage)? {
        Done::Did(what) => page.paragraph(&what)?,
        Done::Skipped(why) => return page.paragraph(&format!("Left out here: {why}")),
    }

    if let Some(part) = step.error_log {
        stage.wait(&format!("`{part}` in nginx's error log"), || {
            Ok(stage.logs().error_since(&logs).contains(part).then_some(()))
        })?;
    }
    wait_records(step, stage, seen)?;
    // What it said of all these records is in its output: that is written before the journal.
    let told = stage.agent.told_since(*shown)?;
    *shown += told.records;

    let now = stage.logs();
    let error: Vec<&str> = now.error_since(&logs).lines().take(MOST).collect();
    let access = now.access_since(&logs).lines();
    let access: Vec<&str> = access
        .filter(|line| step.access_log.is_some_and(|part| line.contains(part)))
        .take(1)
        .collect();
    if error.is_empty() && access.is_empty() {
        page.log("nginx's logs", &[])?;
    } else {
        page.log("nginx's error log", &error)?;
        page.log("nginx's access log", &access)?;
    }
    page.label("nginx-probe:")?;
    page.quoted(&told.shown)?;
    if told.left_out > 0 {
        page.aside(&format!(
            "(left out: {} about incidents that go on)",
            match told.left_out {
                1 => "1 record".to_owned(),
                many => format!("{many} records"),
            }
        ))?;
    }
    Ok(())
}

fn wait_records(step: &Step, stage: &Stage, seen: usize) -> Result<()> {
    let mut last = None;
    let outcome = stage.wait("what nginx-probe says of it", || {
        let records = stage.agent.records()?;
        last = step
            .awaited
            .iter()
            .find_map(|awaited| awaited.missing(&records, seen));
        Ok(last.is_none().then_some(()))
    });
    outcome.with_context(|| format!("nginx-probe did not report {}", last.unwrap_or_default()))
}

/// Leaves everything running until the user ends it, and shows what the agent says meanwhile.
fn linger(stage: &Stage, page: &mut Page) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(100);
    let port = stage.nginx.port();
    let me = std::process::id();
    page.paragraph(&format!(
        "Left running, as --keep asks. Ctrl-C here (or `kill {me}`) ends and removes all of it."
    ))?;
    page.blank()?;
    for (name, value) in [
        ("nginx", format!("http://127.0.0.1:{port}/ok")),
        ("  500 through it", format!("http://127.0.0.1:{port}/fail")),
        (
            "  crash a worker",
            format!("http://127.0.0.1:{port}/fault/segv"),
        ),
        ("  master process", stage.nginx.master()?.to_string()),
        ("  its folder", stage.nginx.folder().display().to_string()),
        ("metrics", stage.agent.metrics_url()),
        ("journal", stage.agent.journal().display().to_string()),
    ] {
        page.put(&format!("  {name:<18} {value}"))?;
    }
    page.label("nginx-probe, from now on:")?;
    let mut seen = stage.agent.records()?.len();
    while !interrupt::came() {
        stage.agent.check()?;
        let told = stage.agent.told_since(seen)?;
        if told.records > 0 {
            seen += told.records;
            page.quoted(&told.all)?;
        }
        std::thread::sleep(LOOK);
    }
    page.blank()
}
