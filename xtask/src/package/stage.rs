//! The files of a package, and where each is installed.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};

/// Which packages have a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum In {
    Both,
    Deb,
    Rpm,
    /// Both; cargo-deb adds it by itself.
    Unit,
}

/// An installed file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// The place below `/`.
    pub(crate) place: String,
    pub(crate) mode: u32,
    pub(crate) of: In,
    content: Vec<u8>,
}

impl File {
    /// Whether an operator may change it, and an upgrade must not.
    pub(crate) fn is_configuration(&self) -> bool {
        self.place.starts_with("etc/")
    }

    /// Whether it is documentation.
    pub(crate) fn is_documentation(&self) -> bool {
        ["usr/share/man/", "usr/share/doc/", "usr/share/licenses/"]
            .iter()
            .any(|folder| self.place.starts_with(folder))
    }
}

/// What the files are made of.
pub(crate) struct Sources<'a> {
    pub(crate) repo: &'a Path,
    /// The agent, for the machine of the package.
    pub(crate) agent: &'a Path,
    /// What `nginx-probe package-files` wrote.
    pub(crate) made: &'a Path,
    /// The licenses of what is linked into it.
    pub(crate) licenses: &'a str,
}

/// All files of the packages.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn files(from: &Sources<'_>) -> Result<Vec<File>> {
    let deploy = from.repo.join("deploy");
    let ours = deploy.join("package");
    let read =
        |path: PathBuf| fs::read(&path).with_context(|| format!("reading {}", path.display()));
    let mut files = Vec::new();
    let mut add = |place: &str, mode: u32, of: In, content: Vec<u8>| {
        files.push(File {
            place: place.to_owned(),
            mode,
            of,
            content,
        });
    };
    add(
        "usr/bin/nginx-probe",
        0o755,
        In::Both,
        read(from.agent.into())?,
    );
    add(
        "usr/lib/systemd/system/nginx-probe.service",
        0o644,
        In::Unit,
        read(deploy.join("nginx-probe.service"))?,
    );
    add(
        "etc/nginx-probe/config.toml",
        0o644,
        In::Both,
        read(from.made.join("config.toml"))?,
    );
    add(
        "usr/share/nginx-probe/kernel-note",
        0o755,
        In::Both,
        read(ours.join("kernel-note"))?,
    );
    for path in listed(&deploy.join("systemd"))? {
        let extension = path.extension().unwrap_or_default();
        if extension == "conf" || extension == "socket" {
            let place = format!("usr/share/nginx-probe/systemd/{}", name(&path));
            add(&place, 0o644, In::Both, read(path)?);
        }
    }
    for path in listed(&from.made.join("man"))? {
        let place = format!("usr/share/man/man1/{}.gz", name(&path));
        add(&place, 0o644, In::Both, compressed(&read(path)?)?);
    }
    for (shell, place, of) in [
        ("bash", "bash-completion/completions/nginx-probe", In::Both),
        (
            "fish",
            "fish/vendor_completions.d/nginx-probe.fish",
            In::Both,
        ),
        ("zsh", "zsh/vendor-completions/_nginx-probe", In::Deb),
        ("zsh", "zsh/site-functions/_nginx-probe", In::Rpm),
    ] {
        let script = read(from.made.join("completions").join(shell))?;
        add(&format!("usr/share/{place}"), 0o644, of, script);
    }
    let doc = "usr/share/doc/nginx-probe";
    for (file, place, of) in [
        (
            "deploy/package/copyright",
            format!("{doc}/copyright"),
            In::Both,
        ),
        (
            "deploy/package/lintian-overrides",
            "usr/share/lintian/overrides/nginx-probe".to_owned(),
            In::Deb,
        ),
        (
            "LICENSE-APACHE",
            "usr/share/licenses/nginx-probe/LICENSE-APACHE".to_owned(),
            In::Rpm,
        ),
        (
            "LICENSE-MIT",
            "usr/share/licenses/nginx-probe/LICENSE-MIT".to_owned(),
            In::Rpm,
        ),
    ] {
        add(&place, 0o644, of, read(from.repo.join(file))?);
    }
    let licenses = compressed(from.licenses.as_bytes())?;
    add(
        &format!("{doc}/third-party-licenses.gz"),
        0o644,
        In::Both,
        licenses,
    );
    Ok(files)
}

/// Writes the files below a folder, which is emptied before.
///
/// # Errors
/// When one cannot be written.
pub(crate) fn write(files: &[File], root: &Path) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("emptying {}", root.display()))?;
    }
    for file in files {
        let path = root.join(&file.place);
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, &file.content))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// As gzip writes it without name and time: the same input gives the same bytes.
fn compressed(content: &[u8]) -> Result<Vec<u8>> {
    let mut writer = GzBuilder::new().write(Vec::new(), Compression::best());
    writer.write_all(content).context("compressing")?;
    writer.finish().context("compressing")
}

/// The files of a folder in the order of their names; none when there is no such folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.with_context(|| format!("listing {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
