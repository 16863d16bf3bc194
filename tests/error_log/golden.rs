//! The golden file: one example of each class, without anything of this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Gathers lines. One of a class is kept: for a class with several messages, each first of them.
pub struct Golden {
    replaced: Vec<(String, &'static str)>,
    lines: BTreeMap<(String, String), String>,
}

impl Golden {
    /// Folders, and what stands for them in the file.
    pub fn new(folders: &[(&Path, &'static str)]) -> Self {
        Self {
            replaced: folders
                .iter()
                .map(|(path, name)| (path.display().to_string(), *name))
                .collect(),
            lines: BTreeMap::new(),
        }
    }

    pub fn keep(&mut self, class: &str, record: &[u8]) {
        let text = self.cleaned(&escaped(record));
        // Another on each machine, or on each run.
        if text.contains(": OS: ") || text.contains("\"\\x16\\x03") {
            return;
        }
        let message = text.split(": ").skip(1).collect::<String>();
        let begin = message.split(['"', '(', ',']).next().unwrap_or_default();
        let begin: String = begin.chars().filter(|c| !c.is_ascii_digit()).collect();
        self.lines.entry((class.into(), begin)).or_insert(text);
    }

    pub fn console(&mut self, class: &str, text: &[u8]) {
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if !line.is_empty() {
                let text = self.cleaned(&escaped(line));
                self.lines
                    .insert((class.into(), format!("nginx: {index}")), text);
            }
        }
    }

    /// Writes the file when asked; else says which classes it lacks.
    pub fn finish(&self) -> Result<()> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/error_log/real.txt");
        if std::env::var_os("NGINX_PROBE_REGENERATE").is_some() {
            let mut text = String::new();
            for ((class, _), line) in &self.lines {
                writeln!(text, "{class}\t{line}")?;
            }
            return std::fs::write(&path, text).context("writing the golden file");
        }
        let kept = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for (class, _) in self.lines.keys() {
            if !kept
                .lines()
                .any(|line| line.split('\t').next() == Some(class))
            {
                bail!(
                    "{} has no {class}: set NGINX_PROBE_REGENERATE=1",
                    path.display()
                );
            }
        }
        Ok(())
    }

    /// Other times, processes, ports, connections and folders than this run's.
    fn cleaned(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (path, name) in &self.replaced {
            text = text.replace(path, name);
        }
        if let Some(rest) = text.get(19..).filter(|_| text.starts_with("20")) {
            text = format!("2026/01/02 03:04:05{rest}");
        }
        numbers(&text)
    }
}

/// Long numbers (ports, processes) become others, the same for the same.
fn numbers(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let own = out.ends_with("127.0.0.1:") || out.ends_with("] ") || out.ends_with('#');
        let process = ["process ", "from ", "worker processes "]
            .iter()
            .any(|word| out.ends_with(word));
        if own && out.ends_with("127.0.0.1:") && !digits.is_empty() {
            out.push_str("8080");
        } else if own && !digits.is_empty() {
            out.push_str("10");
        } else if process && !digits.is_empty() {
            out.push_str("11");
        } else {
            out.push_str(&digits);
        }
        digits.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// Bytes that a text file shows badly as `\xHH`, the backslash among them.
pub fn escaped(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b' '..=b'~' if *byte != b'\\' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect()
}
