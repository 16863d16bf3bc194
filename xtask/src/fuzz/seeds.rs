//! What fuzzing starts from: examples that the parsers know.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Sizes of the kernel's records, by kind.
const RECORDS: [usize; 6] = [24, 40, 24, 48, 72 + 16 * 1024, 24];

/// Writes the seeds of a target into `folder`: those of `tests/fuzz/seeds`, and those that are made
/// of the golden files and of what is at hand.
pub(super) fn write(repo: &Path, target: &str, folder: &Path) -> Result<()> {
    let put = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))
    };
    let kept = repo.join("tests/fuzz/seeds").join(target);
    if kept.is_dir() {
        for entry in fs::read_dir(&kept)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            put(&name, &fs::read(&path)?)?;
        }
    }
    match target {
        "error_line" => {
            for (index, record) in golden(repo)?.iter().enumerate() {
                put(&format!("golden-{index}"), record)?;
            }
        }
        "kernel_record" => {
            for (kind, size) in (0_u32..).zip(RECORDS) {
                let mut record = vec![0; size];
                record[..4].copy_from_slice(&kind.to_ne_bytes());
                put(&format!("kind-{kind}"), &record)?;
            }
        }
        "stack" => {
            // A stack of pointers into the program's code, and the program.
            let mut input = vec![0x25, 0x00];
            for word in 1..=16_u64 {
                input.extend((0x10000 + word * 0x511).to_le_bytes());
            }
            input.extend(fs::read("/bin/true").context("reading /bin/true")?);
            put("true", &input)?;
        }
        _ => {}
    }
    Ok(())
}

/// The records of the golden files of the error log.
fn golden(repo: &Path) -> Result<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    for name in ["real.txt", "strings.txt"] {
        let path = repo.join("tests/golden/error_log").join(name);
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        records.extend(lines.map(|(_, record)| unescaped(record)));
    }
    Ok(records)
}

/// A line of a golden file as nginx wrote it: `\xHH` is a byte.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut record = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        record.extend(u8::from_str_radix(digits, 16));
        record.extend(rest.as_bytes());
    }
    record.push(b'\n');
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_lines_are_seeds_as_nginx_wrote_them() {
        assert_eq!(unescaped("a\\x0ab\\xff"), b"a\nb\xff\n");
        let folder = tempfile::tempdir().unwrap();
        write(&crate::repository(), "error_line", folder.path()).unwrap();
        let first = fs::read(folder.path().join("golden-0")).unwrap();
        assert!(first.starts_with(b"2026/") && first.ends_with(b"\n"));
        assert!(fs::read_dir(folder.path()).unwrap().count() > 100);
    }
}
