//! Cargo's subcommands that make and check packages, built from crates.io into the tools folder.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::inner;
use crate::progress::Steps;
use crate::tools::Tools;

/// A program from crates.io.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CargoTool {
    /// The crate and its program.
    name: &'static str,
    version: &'static str,
}

/// Makes Debian's packages.
pub(crate) const DEB: CargoTool = CargoTool {
    name: "cargo-deb",
    version: "3.8.0",
};
/// Makes RPM packages.
pub(crate) const RPM: CargoTool = CargoTool {
    name: "cargo-generate-rpm",
    version: "0.21.1",
};
/// Writes a bill of materials.
pub(crate) const CYCLONEDX: CargoTool = CargoTool {
    name: "cargo-cyclonedx",
    version: "0.5.9",
};
/// Judges dependencies.
pub(crate) const DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
};

impl CargoTool {
    /// Where the program is once [`ensure`] has built it.
    pub(crate) fn program(self, tools: &Tools) -> PathBuf {
        tools.path("packaging/bin").join(self.name)
    }

    fn recipe(self) -> String {
        format!("{} {}", self.name, self.version)
    }

    fn is_built(self, tools: &Tools) -> bool {
        tools.has(self.name, &self.recipe()) && self.program(tools).is_file()
    }
}

/// Builds those that are not there yet, each once; says nothing when all are.
///
/// # Errors
/// When one cannot be fetched or built.
pub(crate) fn ensure(tools: &Tools, wanted: &[CargoTool]) -> Result<()> {
    let missing = |tools: &Tools| -> Vec<CargoTool> {
        let missing = wanted.iter().filter(|tool| !tool.is_built(tools));
        missing.copied().collect()
    };
    if missing(tools).is_empty() {
        return Ok(());
    }
    let _lock = tools.lock()?;
    let missing = missing(tools);
    let mut steps = Steps::new(missing.len());
    for tool in missing {
        steps.step(&format!("building {}, once", tool.recipe()), |step| {
            let target = tools.make("tmp/packaging")?;
            let mut cargo = inner::foreign_cargo(tools.folder());
            cargo
                .args(["install", tool.name, "--version", tool.version])
                .args(["--locked", "--force", "--root"])
                .arg(tools.path("packaging"))
                .arg("--target-dir")
                .arg(&target);
            step.run(&mut cargo)
                .with_context(|| format!("building {}", tool.name))?;
            tools.complete(tool.name, &tool.recipe())
        })?;
    }
    tools.remove("tmp/packaging")
}
