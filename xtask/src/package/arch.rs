//! The machines that packages are made for, and what each kind of package calls them.

use std::env::consts;

use anyhow::{Result, bail};
use clap::ValueEnum;

/// An architecture, by Debian's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// 64-bit x86.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

impl Arch {
    /// This machine's.
    ///
    /// # Errors
    /// When it is one that nginx-probe does not run on.
    pub(crate) fn native() -> Result<Self> {
        match consts::ARCH {
            "x86_64" => Ok(Self::Amd64),
            "aarch64" => Ok(Self::Arm64),
            other => bail!("packages are made on x86_64 and aarch64, and this machine is {other}"),
        }
    }

    /// Debian's name.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The name that the kernel, RPM and compilers use.
    pub(crate) fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// What Rust's compiler builds for.
    pub(crate) fn rust_target(self) -> String {
        format!("{}-unknown-linux-gnu", self.machine())
    }

    /// The prefix of the programs of GNU's compiler.
    pub(crate) fn gnu(self) -> String {
        format!("{}-linux-gnu", self.machine())
    }

    /// The same, as Debian's package names have it: without an underscore.
    pub(crate) fn gnu_package(self) -> String {
        self.gnu().replace('_', "-")
    }
}
