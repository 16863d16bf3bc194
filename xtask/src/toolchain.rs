//! Which compiler builds the kernel half: Debian's, or one of rustup's.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::debian;
use crate::progress;

/// Forces the choice: `debian` or `rustup`.
const FORCE: &str = "NGINX_PROBE_EBPF_TOOLCHAIN";

const RUSTUP_HELP: [&str; 2] = [
    "rustup component add rust-src",
    "cargo install bpf-linker --locked",
];

/// A way to build the kernel half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// Debian's `rustc-web`, which brings a ready `core` for the eBPF target.
    Debian,
    /// A toolchain of rustup's, named here, that has `core`'s source; `bpf-linker` from `PATH`.
    Rustup(String),
}

/// Chooses by what this machine has.
///
/// # Errors
/// When it has neither, or not what the environment asks for; then with the commands that fix it.
pub(crate) fn choose() -> Result<Toolchain> {
    let forced = env::var(FORCE).ok().filter(|value| !value.is_empty());
    decide(forced.as_deref(), debian::is_here, || Rustup {
        with_source: toolchain_with_source(),
        bpf_linker: on_path("bpf-linker").is_some(),
    })
}

/// The first program of that name in the folders of `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// What rustup's way needs.
struct Rustup {
    /// A toolchain with the component `rust-src`.
    with_source: Option<String>,
    bpf_linker: bool,
}

fn decide(
    forced: Option<&str>,
    debian: impl Fn() -> bool,
    rustup: impl FnOnce() -> Rustup,
) -> Result<Toolchain> {
    match forced {
        None | Some("debian") if debian() => return Ok(Toolchain::Debian),
        Some("debian") => {
            bail!("{FORCE}=debian, but apt-get here knows no package libstd-rust-web-dev-bpf")
        }
        None | Some("rustup") => {}
        Some(other) => bail!("{FORCE} is {other:?}; it can be debian or rustup"),
    }
    match rustup() {
        Rustup {
            with_source: Some(toolchain),
            bpf_linker: true,
        } => Ok(Toolchain::Rustup(toolchain)),
        Rustup {
            with_source,
            bpf_linker,
        } => {
            let mut missing = Vec::new();
            if with_source.is_none() {
                missing.push("a rustup toolchain with rust-src");
            }
            if !bpf_linker {
                missing.push("bpf-linker on PATH");
            }
            bail!(
                "nothing here can build the kernel half: missing {}. Run\n    {}\n\
                 or use Debian, whose packages bring all of it",
                missing.join(" and "),
                RUSTUP_HELP.join("\n    ")
            )
        }
    }
}

fn toolchain_with_source() -> Option<String> {
    let listed = progress::output(Command::new("rustup").args(["toolchain", "list"])).ok()?;
    names(&listed).into_iter().find(|toolchain| {
        progress::output(
            Command::new("rustup").args(["run", toolchain, "rustc", "--print", "sysroot"]),
        )
        .is_ok_and(|sysroot| {
            Path::new(sysroot.trim())
                .join("lib/rustlib/src/rust/library/core/src/lib.rs")
                .is_file()
        })
    })
}

/// The toolchains in the output of `rustup toolchain list`, the active one first.
fn names(listed: &str) -> Vec<String> {
    let (mut first, rest): (Vec<&str>, Vec<&str>) =
        listed.lines().partition(|line| line.contains("(active"));
    first.extend(rest);
    first
        .into_iter()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rustup(with_source: bool, bpf_linker: bool) -> impl FnOnce() -> Rustup {
        move || Rustup {
            with_source: with_source.then(|| "nightly".to_owned()),
            bpf_linker,
        }
    }

    fn complaint(forced: Option<&str>, debian: bool, with: impl FnOnce() -> Rustup) -> String {
        decide(forced, || debian, with).unwrap_err().to_string()
    }

    #[test]
    fn debian_comes_first_and_rustup_where_it_is_not() {
        let found = decide(None, || true, rustup(true, true)).unwrap();
        assert_eq!(found, Toolchain::Debian);
        let found = decide(None, || false, rustup(true, true)).unwrap();
        assert_eq!(found, Toolchain::Rustup("nightly".to_owned()));
    }

    #[test]
    fn the_environment_overrules_what_is_there() {
        let found = decide(Some("rustup"), || true, rustup(true, true)).unwrap();
        assert_eq!(found, Toolchain::Rustup("nightly".to_owned()));
        let found = decide(Some("debian"), || true, rustup(true, true)).unwrap();
        assert_eq!(found, Toolchain::Debian);
        assert!(complaint(Some("debian"), false, rustup(true, true)).contains("apt-get"));
        assert!(complaint(Some("gentoo"), true, rustup(true, true)).contains("gentoo"));
    }

    #[test]
    fn with_neither_the_message_names_what_is_missing_and_both_commands() {
        let both = complaint(None, false, rustup(false, false));
        assert!(both.contains("rust-src and bpf-linker"), "{both}");
        assert!(both.contains("rustup component add rust-src"), "{both}");
        assert!(both.contains("cargo install bpf-linker"), "{both}");
        let linker = complaint(Some("rustup"), true, rustup(true, false));
        assert!(linker.contains("missing bpf-linker on PATH."), "{linker}");
    }

    #[test]
    fn the_active_toolchain_is_asked_first() {
        let listed = "nightly-x86_64-unknown-linux-gnu\n\
                      stable-x86_64-unknown-linux-gnu (active, default)\n";
        assert_eq!(
            names(listed),
            [
                "stable-x86_64-unknown-linux-gnu",
                "nightly-x86_64-unknown-linux-gnu"
            ]
        );
    }
}
