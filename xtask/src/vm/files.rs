//! Which tests run in the guest, and their programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::build;
use crate::inner;

/// The tests of what the kernel half sees, by their files.
const KERNEL_SIDE: [&str; 12] = [
    "lifecycle",
    "signals",
    "oom",
    "reload",
    "ring",
    "accept",
    "errnos",
    "requests",
    "error_path",
    "listen_queue",
    "hang",
    "backends",
];

/// A compiled file of end-to-end tests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TestFile {
    /// Its name without `.rs`.
    pub(crate) name: String,
    /// The program.
    pub(crate) program: PathBuf,
}

/// The names of the files to run: those asked for, else those of the kernel half that there are.
///
/// # Errors
/// When one that was asked for is not there.
pub(crate) fn choose(repo: &Path, asked: &[String]) -> Result<Vec<String>> {
    let is_there = |name: &str| repo.join("tests").join(name).with_extension("rs").is_file();
    if let Some(name) = asked.iter().find(|name| !is_there(name)) {
        bail!("there is no tests/{name}.rs");
    }
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    let there = KERNEL_SIDE.into_iter().filter(|name| is_there(name));
    Ok(there.map(str::to_owned).collect())
}

/// Compiles them; cargo says on standard error what it does.
///
/// # Errors
/// When one does not compile.
pub(crate) fn compile(repo: &Path, names: &[String]) -> Result<Vec<TestFile>> {
    let mut cargo: Command = inner::host_cargo(repo);
    cargo
        .args(["test", "--no-run", "--package", "nginx-probe-tests"])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(build::target_folder(repo));
    for name in names {
        cargo.args(["--test", name]);
    }
    let output = cargo
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    if !output.status.success() {
        bail!(
            "building the tests failed ({}); the reason is above",
            output.status
        );
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let built = programs(&said);
    names
        .iter()
        .map(|name| {
            let found = built.iter().find(|test| test.name == *name);
            let program = found
                .map(|test| test.program.clone())
                .with_context(|| format!("cargo built no test {name}"))?;
            Ok(TestFile {
                name: name.clone(),
                program,
            })
        })
        .collect()
}

/// The test programs among cargo's messages.
fn programs(messages: &str) -> Vec<TestFile> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.pointer("/profile/test") == Some(&Value::Bool(true)))
        .filter_map(|message| {
            Some(TestFile {
                name: message.pointer("/target/name")?.as_str()?.to_owned(),
                program: message.get("executable")?.as_str()?.into(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"aya"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"name":"ring"},"profile":{"test":true},"executable":"/t/ring-1"}
{"reason":"build-finished","success":true}"#;
        let expected = TestFile {
            name: "ring".to_owned(),
            program: "/t/ring-1".into(),
        };
        assert_eq!(programs(messages), [expected]);
    }

    #[test]
    fn every_test_of_the_kernel_half_that_is_there_runs() {
        let repo = crate::repository();
        let chosen = choose(&repo, &[]).unwrap();
        assert!(chosen.contains(&"lifecycle".to_owned()), "{chosen:?}");
        let error = choose(&repo, &["no_such".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "there is no tests/no_such.rs");
    }
}
