//! A small file system of its own, to be filled.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A mounted file system. Dropping it unmounts it: drop it before its folder.
#[derive(Debug)]
pub struct Mounted(String);

impl Mounted {
    /// A tmpfs of this size, as `mount` takes it, in which everybody may write.
    pub fn tmpfs(at: &Path, size: &str) -> Result<Self> {
        let at = at.display().to_string();
        let options = format!("size={size},mode=0777");
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
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("running {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {said}");
    Ok(())
}
