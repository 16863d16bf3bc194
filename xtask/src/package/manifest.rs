//! What cargo-deb and cargo-generate-rpm are told: a manifest of its own, beside the files of the package.

use std::fmt::Write as _;

use crate::package::glibc::Needs;
use crate::package::stage::{File, In};

/// Facts about the package that no file holds.
pub(crate) struct About<'a> {
    /// The agent's version.
    pub(crate) version: &'a str,
    /// Who makes the package: `NAME <ADDRESS>`.
    pub(crate) maintainer: &'a str,
    pub(crate) needs: &'a Needs,
}

const SUMMARY: &str = "Tells why clients get HTTP 500s from nginx";
/// The description of both packages. cargo-deb marks its empty line as Debian wants it.
const DESCRIPTION: &str = "\
Watches every nginx of the host from the kernel (eBPF), reads the logs
that nginx writes anyway, and says of each failed response whose it was
and why: an upstream, the configuration, a crash, the OOM killer,
descriptors, limits.

It exports Prometheus metrics, keeps a journal of incidents, and asks for no
change of nginx.
";

/// The text of the manifest.
pub(crate) fn text(files: &[File], about: &About<'_>) -> String {
    let mut text = format!(
        "# Written by `cargo xtask package`.\n\
         [workspace]\n\n\
         [package]\n\
         name = \"nginx-probe\"\n\
         version = {version}\n\
         edition = \"2024\"\n\
         license = \"MIT OR Apache-2.0\"\n\
         description = {summary}\n\n\
         [package.metadata.deb]\n\
         maintainer = {maintainer}\n\
         copyright = \"2026 The nginx-probe contributors\"\n\
         extended-description = {description}\n\
         section = \"admin\"\n\
         priority = \"optional\"\n\
         changelog = \"changelog\"\n\
         maintainer-scripts = \"deb\"\n\
         systemd-units = {{ unit-scripts = \"units\", enable = true, start = true, \
         restart-after-upgrade = true, stop-on-upgrade = false }}\n\
         depends = {depends}\n",
        version = quoted(about.version),
        summary = quoted(SUMMARY),
        maintainer = quoted(about.maintainer),
        description = quoted(DESCRIPTION),
        depends = quoted(&debian_depends(about.needs)),
    );
    text.push_str("assets = [\n");
    for file in files
        .iter()
        .filter(|file| matches!(file.of, In::Both | In::Deb))
    {
        let _ = writeln!(
            text,
            "    [{}, {}, \"{:o}\"],",
            quoted(&format!("root/{}", file.place)),
            quoted(&file.place),
            file.mode
        );
    }
    let _ = write!(
        text,
        "]\n\n\
         [package.metadata.generate-rpm]\n\
         summary = {summary}\n\
         description = {description}\n\
         release = \"1\"\n\
         auto-req = \"no\"\n\
         post_install_script = \"rpm/post\"\n\
         pre_uninstall_script = \"rpm/preun\"\n\
         post_uninstall_script = \"rpm/postun\"\n\
         assets = [\n",
        summary = quoted(SUMMARY),
        description = quoted(DESCRIPTION),
    );
    for file in files.iter().filter(|file| file.of != In::Deb) {
        let kind = if file.is_configuration() {
            ", config = \"noreplace\""
        } else if file.is_documentation() {
            ", doc = true"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "    {{ source = {}, dest = {}, mode = \"{:o}\"{kind} }},",
            quoted(&format!("root/{}", file.place)),
            quoted(&format!("/{}", file.place)),
            file.mode
        );
    }
    text.push_str("]\n\n[package.metadata.generate-rpm.requires]\n");
    for requirement in rpm_requires(about.needs) {
        let _ = writeln!(text, "{} = \"*\"", quoted(&requirement));
    }
    text
}

/// The libraries as Debian's packages.
fn debian_depends(needs: &Needs) -> String {
    let mut depends = match needs.glibc {
        Some(release) => format!("libc6 (>= {release})"),
        None => "libc6".to_owned(),
    };
    if needs
        .versions
        .iter()
        .any(|(library, _)| library == "libgcc_s.so.1")
    {
        depends.push_str(", libgcc-s1");
    }
    depends
}

/// The libraries as RPM names them, whatever the distribution calls their packages.
fn rpm_requires(needs: &Needs) -> Vec<String> {
    let versions = needs.versions.iter();
    versions
        .map(|(library, version)| format!("{library}({version})(64bit)"))
        .collect()
}

/// A string as TOML writes it; JSON's strings are among them.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::glibc::Release;

    #[test]
    fn a_package_depends_on_the_libraries_that_its_program_names() {
        let version = |library: &str, name: &str| (library.to_owned(), name.to_owned());
        let needs = Needs {
            glibc: Some(Release(2, 34)),
            versions: vec![
                version("libc.so.6", "GLIBC_2.34"),
                version("libgcc_s.so.1", "GCC_3.0"),
            ],
        };
        assert_eq!(debian_depends(&needs), "libc6 (>= 2.34), libgcc-s1");
        assert_eq!(
            rpm_requires(&needs),
            [
                "libc.so.6(GLIBC_2.34)(64bit)",
                "libgcc_s.so.1(GCC_3.0)(64bit)"
            ]
        );
    }
}
