//! How many facts a second the correlator takes, on one processor, and the memory that it keeps.
//!
//! `cargo xtask bench correlate` runs this and shows what it prints, one JSON object. With
//! `--recording FILE` the facts are also written there, for `nginx-probe replay`.

mod made;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nginx_probe::recording::{Header, Recorder};
use rustix::time::{ClockId, clock_gettime};

use self::made::Made;

const FACTS: u64 = 4_000_000;
/// Facts that are recorded.
const RECORDED: u64 = 1_000_000;
const TICK: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut recording = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--recording" => {
                recording = Some(PathBuf::from(arguments.next().context("which file?")?));
            }
            other => bail!("{other} is no option: --recording FILE"),
        }
    }
    let header = Header::new("host".into(), Duration::from_mins(1), false, false);
    let correlated = correlate(&header)?;
    let recorded = recording.map(|path| record(&header, &path)).transpose()?;
    let mut figures = correlated;
    figures.extend(recorded.into_iter().flatten());
    let figures: serde_json::Map<_, _> = figures
        .into_iter()
        .map(|(what, value)| (what.to_owned(), value.into()))
        .collect();
    println!("{}", serde_json::Value::Object(figures));
    Ok(())
}

type Figures = Vec<(&'static str, f64)>;

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn correlate(header: &Header) -> Result<Figures> {
    let mut made = Made::new();
    // What making a batch takes is there before.
    for _ in 0..10 {
        drop(Made::new().batch());
    }
    let before = resident()?;
    let mut most = before;
    let mut correlator = header.correlator();
    correlator.fact(made.first());
    let (mut facts, mut counted, mut records) = (0, 0, 0_usize);
    let mut used = Duration::ZERO;
    let mut ticked = made.now();
    while facts < FACTS {
        let batch = made.batch();
        facts += u64::try_from(batch.len())?;
        let began = processor_time();
        for fact in batch {
            records += correlator.fact(fact).len();
        }
        while made.now().since(ticked) >= TICK {
            ticked = ticked.plus(TICK);
            records += correlator.tick(ticked).len();
        }
        let failures = correlator.take_failures();
        used += processor_time().saturating_sub(began);
        counted += failures.iter().map(|failed| failed.count).sum::<u64>();
        most = most.max(resident()?);
    }
    drop(correlator.finish(made.now()));
    let last = correlator.take_failures();
    counted += last.iter().map(|failed| failed.count).sum::<u64>();
    Ok(vec![
        ("facts", facts as f64),
        ("facts_per_s", facts as f64 / used.as_secs_f64()),
        ("added_mib", (most - before) as f64 / f64::from(1 << 20)),
        ("records", records as f64),
        ("failed", made.failed as f64),
        ("counted", counted as f64),
    ])
}

/// What recording costs whoever gives the facts.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn record(header: &Header, path: &Path) -> Result<Figures> {
    let mut made = Made::new();
    let mut recorder = Recorder::create(path, header)?;
    recorder.fact(&made.first());
    let (mut facts, mut used) = (1, Duration::ZERO);
    let mut slowest = Duration::ZERO;
    while facts < RECORDED {
        let batch = made.batch();
        facts += u64::try_from(batch.len())?;
        let (began, clock) = (processor_time(), Instant::now());
        for fact in &batch {
            recorder.fact(fact);
        }
        recorder.tick(made.now(), true);
        used += processor_time().saturating_sub(began);
        slowest = slowest.max(clock.elapsed());
    }
    recorder.finish(made.now());
    let written = fs::metadata(path)?.len();
    Ok(vec![
        ("recorded", facts as f64),
        ("recorded_per_s", facts as f64 / used.as_secs_f64()),
        ("bytes_per_fact", written as f64 / facts as f64),
        ("slowest_batch_ms", slowest.as_secs_f64() * 1e3),
    ])
}

/// Of this thread: what else the host does has no part in it.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Resident bytes of this process.
fn resident() -> Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).context("no figure")?;
    Ok(pages.parse::<u64>()? * u64::try_from(rustix::param::page_size())?)
}
