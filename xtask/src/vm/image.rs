//! What the guest holds: one archive with the agent, the tests, nginx and all their libraries.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cpio::Archive;
use super::files::TestFile;
use super::init;
use super::release::Guest;
use crate::debian;
use crate::progress;
use crate::toolchain;
use crate::tools::Tools;

/// Where the guest has the tools folder.
const TOOLS: &str = "/tools";
/// What nginx's fixture starts from: nginx, its modules, its Lua files.
const NGINX: [&str; 3] = [
    "root/usr/sbin/nginx",
    "root/usr/lib/nginx/modules",
    "root/usr/share/lua/5.1",
];
/// The application servers behind nginx, when they are among the tools.
const APPLICATIONS: [&str; 4] = [
    "root/usr/sbin/php-fpm8.2",
    "root/usr/bin/uwsgi-core",
    "root/usr/lib/uwsgi/plugins",
    PYTHON,
];
/// Python's own library, which is among the tools where the machine has none.
const PYTHON: &str = "root/usr/lib/python3.11";
/// Of Python's library, what no test needs.
const LEFT_OUT: [&str; 4] = ["__pycache__", "dist-packages", "test", "idlelib"];
/// Of the machine's own programs: busybox has it too, but not with all that the tests ask of it.
const PROGRAMS: [&str; 1] = ["unshare"];
/// Modules that a distribution loads by itself when they are asked for, each after what it needs.
const MODULES: [&str; 3] = [
    "kernel/net/ipv4/inet_diag.ko",
    "kernel/net/ipv4/tcp_diag.ko",
    "kernel/net/unix/unix_diag.ko",
];
const FILES: [(&str, &str); 4] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    ),
    ("/etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    (
        "/etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files\n",
    ),
];

/// Writes the archive to `path`.
///
/// # Errors
/// When a part of it cannot be read.
pub(crate) fn write(
    path: &Path,
    tools: &Tools,
    guest: &Guest,
    agent: &Path,
    tests: &[TestFile],
    patience: u32,
) -> Result<()> {
    let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    let mut image = Image {
        archive: Archive::new(BufWriter::new(file)),
        tools,
        scratch: tempfile::tempdir().context("making a folder for stripped programs")?,
    };
    for folder in ["/proc", "/sys", "/dev", "/tmp", "/run", "/root", "/bin"] {
        image.archive.folder(Path::new(folder))?;
    }
    for (path, text) in FILES {
        image.archive.file(path.as_ref(), text.as_bytes(), false)?;
    }
    let modules = guest.modules()?;
    for module in MODULES {
        let compressed = format!("{module}.xz");
        for module in [module, &compressed] {
            let name = Path::new(module).file_name().unwrap_or_default();
            let from = modules.join(module);
            if from.is_file() {
                image.copy(&from, &Path::new("/modules").join(name))?;
            }
        }
    }
    image.copy(&guest.busybox(), Path::new("/bin/busybox"))?;
    image.program(agent, Path::new(init::AGENT))?;
    for name in PROGRAMS {
        if let Some(program) = toolchain::on_path(name) {
            image.program(&program, &Path::new("/usr/bin").join(name))?;
        }
    }
    for test in tests {
        image.program(&test.program, &Path::new(init::TESTS).join(&test.name))?;
    }
    for part in NGINX {
        image.part(&tools.path(part))?;
    }
    for part in APPLICATIONS {
        let part = tools.path(part);
        if part.exists() {
            image.part(&part)?;
        }
    }
    if !tools.path(PYTHON).join("os.py").is_file() {
        image.part(Path::new("/usr/lib/python3.11"))?;
    }
    let script = init::script(tests, patience);
    image
        .archive
        .file(Path::new("/init"), script.as_bytes(), true)?;
    image.archive.finish()?;
    Ok(())
}

struct Image<'a> {
    archive: Archive<BufWriter<File>>,
    tools: &'a Tools,
    scratch: tempfile::TempDir,
}

impl Image<'_> {
    /// A program of this build, without its debugging information, and the libraries it needs.
    fn program(&mut self, from: &Path, to: &Path) -> Result<()> {
        let stripped = self.scratch.path().join("stripped");
        let mut strip = Command::new("strip");
        strip.arg("--strip-debug").arg("-o").args([&stripped, from]);
        // Without `strip` the archive is larger, no more.
        let smaller = strip.output().is_ok_and(|output| output.status.success());
        self.copy(if smaller { &stripped } else { from }, to)?;
        self.libraries(from)
    }

    /// A file or folder, with the libraries of what is in it.
    fn part(&mut self, from: &Path) -> Result<()> {
        let name = from.file_name().unwrap_or_default();
        let for_linking = from.extension().is_some_and(|end| end == "o" || end == "a");
        // A link may lead to a file that only an installed package has.
        if for_linking || !from.exists() || LEFT_OUT.iter().any(|left_out| name == *left_out) {
            return Ok(());
        }
        if from.is_dir() {
            let entries = fs::read_dir(from).with_context(|| from.display().to_string())?;
            for entry in entries {
                self.part(&entry?.path())?;
            }
            return Ok(());
        }
        if self.copy(from, &self.place(from))? {
            self.libraries(from)?;
        }
        Ok(())
    }

    fn libraries(&mut self, of: &Path) -> Result<()> {
        let mut ldd = Command::new("ldd");
        ldd.arg(of)
            .env("LC_ALL", "C")
            .env("LD_LIBRARY_PATH", self.tools.path(&debian::libraries()));
        let listed = progress::output(&mut ldd)
            .with_context(|| format!("asking for the libraries of {}", of.display()))?;
        for library in libraries(&listed) {
            let place = self.place(&library);
            self.copy(&library, &place)?;
        }
        Ok(())
    }

    /// Where the guest has a file of this machine: at its own place, or among the tools.
    fn place(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.tools.folder()).map_or_else(
            |_| path.to_path_buf(),
            |inside| Path::new(TOOLS).join(inside),
        )
    }

    /// Gives whether the file is a program or a library.
    fn copy(&mut self, from: &Path, to: &Path) -> Result<bool> {
        let content = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
        self.archive.file(to, &content, true)?;
        Ok(content.starts_with(b"\x7fELF"))
    }
}

/// The files that `ldd` names.
fn libraries(listed: &str) -> Vec<PathBuf> {
    listed
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_is_a_library_and_the_kernels_own_is_none() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffc)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            libraries(listed),
            [
                PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6"),
                PathBuf::from("/lib64/ld-linux-x86-64.so.2")
            ]
        );
    }
}
