//! A file system of a test's own.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A mounted file system. Dropping it unmounts it.
#[derive(Debug)]
pub struct Mounted(String);

impl Mounted {
    /// A small one in memory, at a folder that is there; `size` is in KiB.
    pub fn tmpfs(at: &Path, size: u32) -> Result<Self> {
        let at = at.display().to_string();
        let options = format!("size={size}k,mode=0777");
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &at])?;
        Ok(Self(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = run("umount", &["-l", &self.0]) {
            eprintln!("{error:#}");
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("starting {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {said}");
    Ok(())
}
