//! What the package's own files say of each other and of the system.

use super::*;

fn repo() -> PathBuf {
    crate::repository()
}

fn text(path: &str) -> String {
    fs::read_to_string(repo().join(path)).expect(path)
}

/// The places of all files of a package whose generated parts are empty.
fn places() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for file in ["agent", "made/config.toml", "made/man/nginx-probe.1"]
        .into_iter()
        .chain([
            "made/completions/bash",
            "made/completions/zsh",
            "made/completions/fish",
        ])
    {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let files = stage::files(&stage::Sources {
        repo: &repo(),
        agent: &folder.path().join("agent"),
        made: &folder.path().join("made"),
        licenses: "",
    });
    let root = folder.path().join("root");
    let files = files.unwrap();
    stage::write(&files, &root).unwrap();
    assert!(files.iter().all(|file| root.join(&file.place).is_file()));
    files
        .into_iter()
        .map(|file| format!("/{}", file.place))
        .collect()
}

#[test]
fn scripts_and_the_unit_name_files_that_the_package_has() {
    let places = places();
    let mut named = 0;
    for file in [
        "deploy/nginx-probe.service",
        "deploy/package/deb/postinst",
        "deploy/package/rpm/post",
    ] {
        let text = text(file);
        let words = text.split(|c: char| c.is_whitespace() || c == '=' || c == '"');
        for word in words.filter(|word| word.starts_with("/usr/") && word.contains("nginx-probe")) {
            assert!(
                places.iter().any(|place| place == word),
                "{file} names {word}: {places:?}"
            );
            named += 1;
        }
    }
    assert!(named >= 3, "{named}");
}

#[test]
fn the_changelog_begins_with_this_version() {
    let changelog = text("deploy/package/changelog");
    let begins = format!("nginx-probe ({}-", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&begins), "{changelog}");
}

#[test]
fn every_script_is_one_that_a_shell_can_read() {
    for script in [
        "kernel-note",
        "deb/postinst",
        "deb/postrm",
        "rpm/post",
        "rpm/preun",
        "rpm/postun",
    ] {
        let path = repo().join("deploy/package").join(script);
        progress::output(Command::new("sh").arg("-n").arg(path)).unwrap();
    }
}

#[test]
fn only_a_kernel_that_asks_for_more_is_told_of_the_drop_in() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let script = text("deploy/package/kernel-note")
        .replace(
            "/usr/share/nginx-probe/systemd",
            &place("share").display().to_string(),
        )
        .replace("/etc/systemd/system", &place("etc").display().to_string())
        .replace("$(uname -r)", "$1");
    let note = |release: &str| {
        let mut shell = Command::new("sh");
        progress::output(shell.args(["-euc", &script, "sh", release])).unwrap()
    };
    assert_eq!(note("6.1.0-57-cloud-amd64"), "", "there is no drop-in");
    fs::create_dir(place("share")).unwrap();
    fs::write(place("share/sys-admin.conf"), "").unwrap();
    for old in [
        "5.10.0-46-amd64",
        "6.1.0-57-cloud-amd64",
        "6.5",
        "4.18.0-553.el8.x86_64",
    ] {
        let said = note(old);
        assert!(
            said.contains(old) && said.lines().count() == 1,
            "{old}: {said}"
        );
        assert!(said.contains("install -D -m 644"), "{said}");
    }
    for new in [
        "6.6.0",
        "6.12.118+deb13-amd64",
        "6.18",
        "7.3.0-rc1",
        "10.0.1",
        "odd",
        "6",
        "x.y",
    ] {
        assert_eq!(note(new), "", "{new}");
    }
    fs::create_dir_all(place("etc/nginx-probe.service.d")).unwrap();
    fs::write(place("etc/nginx-probe.service.d/sys-admin.conf"), "").unwrap();
    assert_eq!(note("6.1.0"), "", "it is installed");
}

#[test]
fn the_maintainer_is_who_debians_tools_would_name() {
    assert_eq!(
        maintainer(|_| None),
        "nginx-probe contributors <maintainers@nginx-probe.invalid>"
    );
    let set = |name: &str| {
        Some(
            if name == "DEBEMAIL" {
                "a@b.example"
            } else {
                "A B"
            }
            .to_owned(),
        )
    };
    assert_eq!(maintainer(set), "A B <a@b.example>");
}
