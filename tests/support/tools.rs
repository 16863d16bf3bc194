//! Where the unpacked nginx is: `cargo xtask setup` puts it there, nothing is installed.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The folder of unpacked packages, laid out as a system's root.
#[derive(Debug, Clone)]
pub struct Tools {
    root: PathBuf,
}

impl Tools {
    /// Finds the tools: `NGINX_PROBE_TOOLS`, else `nginx-probe` in the user's cache folder.
    pub fn find() -> Result<Self> {
        Self::at(&folder()?)
    }

    /// The tools below `folder`, complete or refused.
    pub fn at(folder: &Path) -> Result<Self> {
        let tools = Self {
            root: folder.join("root"),
        };
        let needed = [
            tools.nginx(),
            tools.module("ndk_http_module"),
            tools.module("ngx_http_lua_module"),
            tools.lua_files().join("resty/core.lua"),
        ];
        for file in &needed {
            if !file.is_file() {
                bail!(
                    "the nginx that tests use is not unpacked: no {}; run `cargo xtask setup`, \
                     or set NGINX_PROBE_TOOLS to the folder it filled",
                    file.display()
                );
            }
        }
        Ok(tools)
    }

    /// A file or folder of the unpacked packages, by its path on an installed system without the
    /// leading slash.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// A program of the unpacked packages with their libraries.
    pub fn command(&self, inside: &str) -> Result<Command> {
        let program = self.path(inside);
        if !program.is_file() {
            bail!(
                "a program that tests use is not unpacked: no {}; run `cargo xtask setup`",
                program.display()
            );
        }
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.library_path());
        Ok(command)
    }

    /// The nginx binary.
    #[must_use]
    pub fn nginx(&self) -> PathBuf {
        self.root.join("usr/sbin/nginx")
    }

    /// A dynamic module of nginx, by its name without `.so`.
    #[must_use]
    pub fn module(&self, name: &str) -> PathBuf {
        self.root
            .join("usr/lib/nginx/modules")
            .join(name)
            .with_extension("so")
    }

    /// The folder of Lua files (`resty.core` and what it needs).
    #[must_use]
    pub fn lua_files(&self) -> PathBuf {
        self.root.join("usr/share/lua/5.1")
    }

    /// The folder of Perl's module `nginx`, which nginx's Perl module needs.
    #[must_use]
    pub fn perl_files(&self) -> PathBuf {
        let triple = format!("{}-linux-gnu", env::consts::ARCH);
        self.root.join("usr/lib").join(triple).join("perl5/5.36")
    }

    /// `LD_LIBRARY_PATH` for nginx: its Lua module needs `LuaJIT` from here.
    #[must_use]
    pub fn library_path(&self) -> OsString {
        // Debian's multiarch triples differ from Rust's architecture names for none of those
        // that the agent supports.
        let triple = format!("{}-linux-gnu", env::consts::ARCH);
        let mut path = self.root.join("usr/lib").join(&triple).into_os_string();
        path.push(":");
        path.push(self.root.join("lib").join(&triple));
        path
    }
}

fn folder() -> Result<PathBuf> {
    // Set to nothing counts as not set.
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("NGINX_PROBE_TOOLS")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("nginx-probe")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/nginx-probe")))
        .context("neither NGINX_PROBE_TOOLS, XDG_CACHE_HOME nor HOME says where the tools are")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_is_refused_with_the_command_that_fills_it() {
        let error = Tools::at(Path::new("/nonexistent")).map_err(|e| e.to_string());
        assert!(error.is_err_and(|text| {
            text.contains("/nonexistent/root/usr/sbin/nginx") && text.contains("cargo xtask setup")
        }));
    }
}
