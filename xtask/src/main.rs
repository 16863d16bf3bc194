//! What a contributor to nginx-probe runs: `cargo xtask setup`, `build`, `test`, `demo`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks on both"
)]

mod bench;
mod build;
mod debian;
mod demo;
mod fuzz;
mod inner;
mod interrupt;
mod kernel_half;
mod linker;
mod package;
mod progress;
mod setup;
mod test;
mod tidy;
mod toolchain;
mod tools;
mod vm;
mod zoo;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of a contributor to nginx-probe.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch and build the tools that the kernel half and the tests need, into a folder of their own
    ///
    /// Nothing is installed on the machine and no root is needed. The folder is
    /// `$NGINX_PROBE_TOOLS`, else `$XDG_CACHE_HOME/nginx-probe`, else `~/.cache/nginx-probe`.
    Setup,
    /// Build the kernel half and the agent, in release mode, and print the agent's path
    Build(build::Args),
    /// Run every check: format, lints, tidy, host tests, end-to-end tests (those need root)
    Test(test::Args),
    /// Break a private nginx in several ways and show what nginx-probe says of each (needs root)
    Demo(demo::Args),
    /// Measure what the agent costs and how fast it is, against targets (needs root)
    Bench(bench::Args),
    /// Feed the parsers with hostile input, found by chance and by coverage (needs nightly Rust)
    Fuzz(fuzz::Args),
    /// Run the kernel half's tests on another kernel, or the package on a whole Debian, in a virtual machine
    Vm(vm::Args),
    /// Make packages for Debian's kin and for RPM's, with a bill of materials, in target/package
    Package(package::Args),
    /// Judge the dependencies by deny.toml: licenses, duplicates, sources, advisories
    Deny,
    /// What `vm --systemd` runs inside the guest
    #[command(hide = true)]
    InsideGuest,
    /// Cause every fault of a collection in a private nginx, and judge what nginx-probe says (needs root)
    Zoo(zoo::Args),
}

fn main() -> ExitCode {
    let repo = repository();
    let result = match Cli::parse().task {
        Task::Setup => setup::run(),
        Task::Build(args) => build::run(&repo, &args),
        Task::Test(args) => test::run(&repo, &args),
        Task::Demo(args) => demo::run(&repo, &args),
        Task::Bench(args) => bench::run(&repo, &args),
        Task::Fuzz(args) => fuzz::run(&repo, &args),
        Task::Vm(args) => vm::run(&repo, &args),
        Task::Package(args) => package::run(&repo, &args),
        Task::Deny => package::deny::run(&repo),
        Task::InsideGuest => vm::booted::guest::run(),
        Task::Zoo(args) => zoo::run(&repo, &args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository that this xtask was built from.
fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
