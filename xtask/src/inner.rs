//! Calling cargo from inside cargo, without what the outer one left in the environment.
//!
//! `cargo run` exports its own package's variables, and a user may have set flags that are meant
//! for the host's compiler. Both would reach a compiler of another version and target.

use std::env;
use std::path::Path;
use std::process::Command;

/// Cargo for the agent and its tests: the user's own compiler flags are kept.
pub(crate) fn host_cargo(repo: &Path) -> Command {
    let mut command = Command::new(cargo_path());
    command.current_dir(repo);
    remove(&mut command, left_by_outer_cargo);
    command
}

/// Cargo for a compiler other than the user's own: every setting that picks a compiler, its flags,
/// profile or output folder is removed; where crates come from and how cargo prints are kept.
pub(crate) fn foreign_cargo(folder: &Path) -> Command {
    let mut command = Command::new(cargo_path());
    make_foreign(&mut command);
    command.current_dir(folder);
    command
}

/// Removes from `command` what [`foreign_cargo`] removes.
pub(crate) fn make_foreign(command: &mut Command) {
    remove(command, chooses_compiler);
    // Empty, not absent: this also silences a wrapper named in a configuration file.
    command
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "");
}

fn cargo_path() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn remove(command: &mut Command, unwanted: fn(&str) -> bool) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(unwanted) {
            command.env_remove(name);
        }
    }
}

/// Set by `cargo run` for xtask itself, or moving the output away from where xtask looks for it.
fn left_by_outer_cargo(name: &str) -> bool {
    const PREFIXES: [&str; 4] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ];
    const NAMES: [&str; 5] = [
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "CARGO_PRIMARY_PACKAGE",
        "RUSTC_BOOTSTRAP",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn chooses_compiler(name: &str) -> bool {
    const KEPT: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_BUILD_JOBS",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    const NAMES: [&str; 7] = [
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_BOOTSTRAP",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
    ];
    NAMES.contains(&name)
        || (name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_compiler_sees_no_host_flags() {
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_STRIP",
            "CARGO_TARGET_DIR",
            "CARGO",
            "RUSTC",
        ] {
            assert!(chooses_compiler(name), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_REGISTRIES_X_INDEX",
            "CARGO_TERM_COLOR",
            "RUSTUP_HOME",
            "RUST_BACKTRACE",
            "PATH",
        ] {
            assert!(!chooses_compiler(name), "{name}");
        }
    }

    #[test]
    fn the_agent_is_built_with_the_users_flags_but_where_we_look_for_it() {
        assert!(!left_by_outer_cargo("RUSTFLAGS"));
        assert!(!left_by_outer_cargo("CARGO_HOME"));
        assert!(left_by_outer_cargo("CARGO_TARGET_DIR"));
        assert!(left_by_outer_cargo("CARGO_PKG_NAME"));
    }
}
