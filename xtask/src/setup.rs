//! `cargo xtask setup`: everything that a build and the tests need and rustup does not bring.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::debian::{self, Archive};
use crate::linker;
use crate::progress::{self, Steps};
use crate::toolchain::{self, Toolchain};
use crate::tools::{self, Tools};

const COMPILER: [&str; 3] = ["rustc-web", "libstd-rust-web-dev-bpf", "rust-web-clippy"];
// Those that the tests load by path are named, not left to the dependencies: the system may have
// one of them installed already.
const NGINX: [&str; 10] = [
    "nginx",
    "nginx-common",
    "libnginx-mod-http-ndk",
    "libnginx-mod-http-lua",
    "lua-resty-core",
    "lua-resty-lrucache",
    "logrotate",
    "libpopt0",
    "libacl1",
    "libselinux1",
];
const BACKENDS: [&str; 4] = [
    "php8.2-fpm",
    "php8.2-cli",
    "uwsgi-core",
    "uwsgi-plugin-python3",
];
// Beside those in `NGINX`, for single scenarios of the zoo.
const MODULES: [&str; 4] = [
    "libnginx-mod-http-js",
    "libnginx-mod-http-perl",
    "libnginx-mod-http-xslt-filter",
    "libnginx-mod-http-modsecurity",
];
const CONTAINERS: [&str; 3] = ["crun", "libyajl2", "libseccomp2"];
const TITLES: [&str; 7] = [
    "fetching and unpacking the compiler for the kernel half",
    "fetching and unpacking LLVM, for its linker",
    "building its linker, bpf-linker",
    "fetching and unpacking nginx and logrotate, for the tests",
    "fetching and unpacking modules of nginx, for the tests",
    "fetching and unpacking PHP and uWSGI, for the tests",
    "fetching and unpacking crun, for the tests",
];

/// Tools that are in place.
pub(crate) struct Ready {
    /// Where they are.
    pub(crate) tools: Tools,
    /// What builds the kernel half.
    pub(crate) toolchain: Toolchain,
}

/// `cargo xtask setup`.
pub(crate) fn run() -> Result<()> {
    let started = Instant::now();
    let ready = ensure()?;
    let seconds = started.elapsed().as_secs_f64();
    match ready.toolchain {
        Toolchain::Debian => println!(
            "everything is in place in {} ({seconds:.1} s)",
            ready.tools.folder().display()
        ),
        Toolchain::Rustup(name) => {
            println!("the kernel half is built by rustup's {name} and the bpf-linker on PATH");
            if toolchain::on_path("nginx").is_none() {
                println!("no nginx on PATH: install one to run the end-to-end tests");
            }
        }
    }
    Ok(())
}

/// Makes sure that the tools are in place; says nothing when they already are.
///
/// # Errors
/// When this machine offers no way, or a step of it fails. A later run goes on where this one was.
pub(crate) fn ensure() -> Result<Ready> {
    let ready = Ready {
        tools: Tools::find()?,
        toolchain: toolchain::choose()?,
    };
    if ready.toolchain == Toolchain::Debian && !is_complete(&ready.tools) {
        let _lock = ready.tools.lock()?;
        if is_complete(&ready.tools) {
            return Ok(ready); // by the setup that held the lock before
        }
        complete(&ready.tools).with_context(|| {
            format!(
                "setting up {} (run the same command again to go on from here)",
                ready.tools.folder().display()
            )
        })?;
    }
    Ok(ready)
}

fn is_complete(tools: &Tools) -> bool {
    has_compiler(tools)
        && tools.has("nginx", &NGINX.join(" "))
        && tools.has("modules", &MODULES.join(" "))
        && tools.has("backends", &BACKENDS.join(" "))
        && tools.has("containers", &CONTAINERS.join(" "))
        && llvm_major(tools).is_ok_and(|llvm| {
            tools.has("llvm", &llvm_packages(llvm).join(" "))
                && tools.has("linker", &linker_recipe(tools, llvm))
        })
}

fn complete(tools: &Tools) -> Result<()> {
    eprintln!("setting up {}", tools.folder().display());
    let mut archive = Archive::new(tools);
    let mut steps = Steps::new(TITLES.len());
    let [compiler, llvm, linker, nginx, modules, backends, containers] = TITLES;

    if has_compiler(tools) {
        steps.skip(compiler);
    } else {
        steps.step(compiler, |step| {
            archive.unpack(&COMPILER, step)?;
            write_wrapper(tools)?;
            llvm_major(tools)?;
            tools.complete("compiler", &COMPILER.join(" "))
        })?;
    }

    let major = llvm_major(tools)?;
    let packages = llvm_packages(major);
    let recipe = packages.join(" ");
    if tools.has("llvm", &recipe) {
        steps.skip(llvm);
    } else {
        steps.step(llvm, |step| {
            let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
            archive.unpack(&packages, step)?;
            tools.complete("llvm", &recipe)
        })?;
    }

    let recipe = linker_recipe(tools, major);
    if tools.has("linker", &recipe) {
        steps.skip(linker);
    } else {
        steps.step(linker, |step| {
            linker::build(tools, major, step)?;
            tools.complete("linker", &recipe)
        })?;
    }

    for (title, part, packages) in [
        (nginx, "nginx", &NGINX[..]),
        (modules, "modules", &MODULES),
        (backends, "backends", &BACKENDS),
        (containers, "containers", &CONTAINERS),
    ] {
        let recipe = packages.join(" ");
        if tools.has(part, &recipe) {
            steps.skip(title);
        } else {
            steps.step(title, |step| {
                archive.unpack(packages, step)?;
                tools.complete(part, &recipe)
            })?;
        }
    }
    tools.remove("apt")
}

fn has_compiler(tools: &Tools) -> bool {
    // The wrapper holds the folder's path: one that was moved needs a new wrapper.
    tools.has("compiler", &COMPILER.join(" "))
        && fs::read_to_string(tools.path("bin/rustc")).is_ok_and(|found| found == wrapper(tools))
}

fn llvm_major(tools: &Tools) -> Result<u32> {
    let rustc = tools.path("bin/rustc");
    let version = progress::output(Command::new(&rustc).arg("-vV"))
        .with_context(|| format!("starting {}", rustc.display()))?;
    linker::llvm_of(&version)
}

fn llvm_packages(llvm: u32) -> Vec<String> {
    vec![
        format!("llvm-{llvm}"),
        format!("llvm-{llvm}-dev"),
        format!("libllvm{llvm}"),
        format!("libpolly-{llvm}-dev"),
        "libzstd-dev".to_owned(),
        "zlib1g-dev".to_owned(),
    ]
}

fn linker_recipe(tools: &Tools, llvm: u32) -> String {
    // Built against the libraries of this very folder.
    format!(
        "bpf-linker {} for LLVM {llvm} in {}",
        linker::VERSION,
        tools.folder().display()
    )
}

fn write_wrapper(tools: &Tools) -> Result<()> {
    let path = tools.make("bin")?.join("rustc");
    let executable = |path: &Path| fs::set_permissions(path, PermissionsExt::from_mode(0o755));
    tools::replace(&path, wrapper(tools).as_bytes())?;
    executable(&path).with_context(|| format!("making {} executable", path.display()))
}

fn wrapper(tools: &Tools) -> String {
    let quoted = |inside: &str| {
        let path = tools.path(inside).display().to_string();
        format!("'{}'", path.replace('\'', r"'\''"))
    };
    format!(
        "#!/bin/sh\nLD_LIBRARY_PATH={} exec {} \"$@\"\n",
        quoted(&debian::libraries()),
        quoted("root/usr/bin/rustc")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrapper_starts_the_unpacked_compiler_with_its_libraries() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::at(&folder.path().join("it's a folder"));
        tools.make("root/usr/bin").unwrap();
        let rustc = tools.path("root/usr/bin/rustc");
        fs::write(&rustc, "#!/bin/sh\necho \"$LD_LIBRARY_PATH|$*\"\n").unwrap();
        fs::set_permissions(&rustc, PermissionsExt::from_mode(0o755)).unwrap();
        write_wrapper(&tools).unwrap();
        let said = progress::output(Command::new(tools.path("bin/rustc")).arg("-vV")).unwrap();
        let libraries = tools.path(&debian::libraries());
        assert_eq!(said, format!("{}|-vV\n", libraries.display()));
    }

    #[test]
    fn an_empty_folder_is_not_taken_for_a_complete_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_complete(&Tools::at(folder.path())));
    }
}
