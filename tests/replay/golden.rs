//! The command itself, on recordings of real runs. Needs no root.
//!
//! `KEEP_RECORDING=$PWD/recordings/NAME.jsonl cargo test … a_replay_gives` makes one, and the records
//! beside it.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::command::{Finished, command, finish};
use nginx_probe_tests::wait::DEADLINE;

fn recordings() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            found.push(path);
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "nothing in {}", folder.display());
    Ok(found)
}

/// A replay of standard input.
pub(super) fn piped(text: &str) -> Result<Finished> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    let mut command = command()?;
    command.args(["replay", "--output", "json", "-"]);
    let output = command.stdin(file).output()?;
    Ok(Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

#[test]
fn standard_input_is_read_and_a_torn_line_left_out() -> Result<()> {
    let recordings = recordings()?;
    let path = recordings.first().context("one")?;
    let text = fs::read_to_string(path)?;
    let expected = fs::read_to_string(path.with_extension("out"))?;
    assert_eq!(piped(&text)?.stdout, expected);
    let torn = piped(text.get(..text.len() - 5).context("a long text")?)?;
    assert_eq!(torn.code, Some(0), "{torn:?}");
    assert!(torn.stderr.contains("torn"), "{torn:?}");
    assert!(expected.starts_with(&torn.stdout), "{torn:?}");
    Ok(())
}

#[test]
fn what_is_no_recording_has_status_2() -> Result<()> {
    let newer = "{\"nginx_probe_recording\":99,\"version\":\"7.0\"}\n";
    for (text, why) in [
        ("", "it is empty"),
        ("hello\n", "it is no recording"),
        (newer, "made by nginx-probe 7.0"),
    ] {
        let refused = piped(text)?;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
    let mut command = command()?;
    command.args(["replay", "/no/such/file"]);
    let missing = finish(&mut command, DEADLINE)?;
    assert_eq!(missing.code, Some(2), "{missing:?}");
    Ok(())
}
