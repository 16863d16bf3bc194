//! The programs that `nginx-probe logs` is compared with, fetched when a benchmark needs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::debian::{self, Archive};
use crate::progress::Steps;
use crate::toolchain;
use crate::tools::Tools;

const PEERS: [&str; 2] = ["mawk", "mtail"];

/// The programs to compare with.
pub(super) struct Peers {
    pub(super) mawk: PathBuf,
    mtail: PathBuf,
}

impl Peers {
    /// Those that are unpacked, or that the host has; fetched the first time.
    pub(super) fn find() -> Result<Self> {
        if let (Some(mawk), Some(mtail)) = (toolchain::on_path("mawk"), toolchain::on_path("mtail"))
        {
            return Ok(Self { mawk, mtail });
        }
        if !debian::is_here() {
            bail!("install mawk and mtail: this benchmark compares with them");
        }
        let tools = Tools::find()?;
        let recipe = PEERS.join(" ");
        if !tools.has("peers", &recipe) {
            let _lock = tools.lock()?;
            Steps::new(1).step("fetching and unpacking mawk and mtail", |step| {
                Archive::new(&tools).unpack(&PEERS, step)?;
                tools.complete("peers", &recipe)
            })?;
        }
        Ok(Self {
            mawk: tools.path("root/usr/bin/mawk"),
            mtail: tools.path("root/usr/bin/mtail"),
        })
    }

    /// mtail over one log, with the program that lies in `folder`.
    pub(super) fn mtail(&self, folder: &Path, log: &Path) -> Command {
        let mut command = Command::new(&self.mtail);
        command
            .args(["--one_shot", "--address", "127.0.0.1", "--port", "0"])
            .arg("--progs")
            .arg(folder.join("status.mtail"))
            .arg("--logs")
            .arg(log);
        command
    }
}
