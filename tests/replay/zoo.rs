//! What the correlator makes of every fault of the collection. Needs no root.
//!
//! `cargo xtask zoo --mode full --mode kernel --record tests/recordings/zoo` makes the recordings
//! anew, and with `NGINX_PROBE_REGENERATE=1` this test writes what is said of each.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use nginx_probe_tests::records::is;
use serde_json::Value;

use super::golden::piped;

/// What is said of one recording: failed responses by status and cause, then each incident as it
/// stands at the end.
fn told(name: &str, records: &str) -> Result<String> {
    let mut responses: BTreeMap<String, u32> = BTreeMap::new();
    let mut incidents: BTreeMap<String, Value> = BTreeMap::new();
    for line in records.lines() {
        let record: Value = serde_json::from_str(line)?;
        if is(&record, "response") {
            let said = format!("{} {}", record["status"], text(&record["cause"]));
            *responses.entry(said).or_default() += 1;
        } else if is(&record, "incident") {
            incidents.insert(text(&record["id"]).to_owned(), record);
        }
    }
    let mut out = format!("{name}\n");
    for (said, count) in responses {
        writeln!(out, "  {count} × {said}")?;
    }
    for incident in incidents.values() {
        let complete = if incident["complete"] == true {
            ""
        } else {
            ", incomplete"
        };
        let (cause, confidence) = (text(&incident["cause"]), text(&incident["confidence"]));
        writeln!(
            out,
            "  {cause}, {confidence}{complete}: {}",
            text(&incident["summary"])
        )?;
        for piece in incident["evidence"].as_array().context("evidence")? {
            let (source, what) = (text(&piece["source"]), text(&piece["what"]));
            writeln!(out, "    {source}: {} × {what}", piece["count"])?;
        }
        for advice in incident["advice"].as_array().context("advice")? {
            writeln!(out, "    → {}", text(advice))?;
        }
    }
    Ok(out)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn each_fault_is_told_as_it_was() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/zoo");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "gz"));
    files.sort();
    ensure!(files.len() > 100, "{} recordings", files.len());
    let mut said = String::new();
    for file in &files {
        let name = file.file_name().context("a name")?.to_string_lossy();
        let name = name.trim_end_matches(".jsonl.gz");
        let mut recording = String::new();
        GzDecoder::new(File::open(file)?).read_to_string(&mut recording)?;
        let first = piped(&recording)?;
        ensure!(
            first.code == Some(0) && first.stderr.is_empty(),
            "{name}: {first:?}"
        );
        ensure!(
            first.stdout == piped(&recording)?.stdout,
            "{name}: not the same again"
        );
        said.push_str(&told(name, &first.stdout)?);
    }
    let golden = folder.join("told.txt");
    if env::var_os("NGINX_PROBE_REGENERATE").is_some() {
        fs::write(&golden, &said)?;
    }
    let expected = fs::read_to_string(&golden)?;
    for (line, (expected, said)) in expected.lines().zip(said.lines()).enumerate() {
        assert_eq!(said, expected, "line {} of {}", line + 1, golden.display());
    }
    assert_eq!(said.len(), expected.len(), "{}", golden.display());
    Ok(())
}
