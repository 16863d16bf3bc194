//! The files of each runtime, in a host's root that the test made.

use std::{fs, os::unix::fs::symlink};

use super::*;

const ID: &str = "3f4e0c1a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f";

fn known(path: &str, text: &str, runtime: Option<Runtime>) -> Option<Known> {
    let folder = tempfile::tempdir().expect("temp folder");
    let path = folder.path().join(path.replace("ID", ID));
    fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
    fs::write(&path, text.replace("ID", ID)).expect("written");
    let found = Found {
        runtime,
        id: Some(ID.to_owned()),
        ..Found::default()
    };
    find(&Host::at(folder.path()).expect("a root"), &found)
}

const DOCKER: &str = "var/lib/docker/containers/ID/config.v2.json";
const BUNDLE: &str = "run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json";
const STORAGE: &str = "run/containers/storage/overlay-containers/ID/userdata/config.json";
const LIST: &str = "var/lib/containers/storage/overlay-containers/containers.json";

#[test]
fn each_runtime_is_asked_in_its_own_files() {
    let docker = r#"{"Name":"/web","State":{"Pid":7},"Config":{"Labels":null}}"#;
    let cri = r#"{"annotations":{"io.kubernetes.cri.container-name":"nginx",
        "io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.sandbox-namespace":"shop"}}"#;
    let crio = r#"{"annotations":{"io.container.manager":"cri-o","io.kubernetes.container.name":"nginx",
        "io.kubernetes.pod.name":"web-0","io.kubernetes.pod.namespace":"shop"}}"#;
    let list = r#"[{"id":"x","names":["no"]},{"id":"ID","names":["web"]}]"#;
    let nerdctl = r#"{"annotations":{"nerdctl/name":"web"}}"#;
    for (path, text, asked, name, pod, runtime) in [
        (
            DOCKER,
            docker,
            Some(Runtime::Docker),
            "web",
            None,
            Some(Runtime::Docker),
        ),
        (DOCKER, docker, None, "web", None, Some(Runtime::Docker)),
        (
            BUNDLE,
            cri,
            Some(Runtime::Containerd),
            "nginx",
            Some("web-0"),
            Some(Runtime::Containerd),
        ),
        (
            BUNDLE,
            nerdctl,
            Some(Runtime::Containerd),
            "web",
            None,
            Some(Runtime::Containerd),
        ),
        (
            STORAGE,
            crio,
            Some(Runtime::CriO),
            "nginx",
            Some("web-0"),
            Some(Runtime::CriO),
        ),
        (LIST, list, Some(Runtime::Podman), "web", None, None),
    ] {
        let known = known(path, text, asked).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(known.name.as_deref(), Some(name), "{path}");
        assert_eq!(known.pod.as_deref(), pod, "{path}");
        assert_eq!(known.namespace.is_some(), pod.is_some(), "{path}");
        assert_eq!(known.runtime, runtime, "{path}");
    }
}

#[test]
fn what_is_not_plain_is_not_believed() {
    for text in ["", "{", "[]", r#"{"Name":7}"#] {
        let known = known(DOCKER, text, Some(Runtime::Docker));
        assert_eq!(known.and_then(|known| known.name), None, "{text}");
    }
    let escape = known(DOCKER, r#"{"Name":"/a\u001b[2J"}"#, Some(Runtime::Docker));
    assert_eq!(escape.expect("docker's").name, None);
    let long = format!("{{\"Name\":\"/web\"}}{}", " ".repeat(2 << 20));
    assert_eq!(known(DOCKER, &long, Some(Runtime::Docker)), None);
}

#[test]
fn a_moved_folder_is_followed_and_no_link_out_of_it() {
    let host = tempfile::tempdir().expect("temp folder");
    let at = |path: &str| host.path().join(path);
    let container = |folder: &str| at(&format!("{folder}/containers/{ID}"));
    let found = Found {
        runtime: Some(Runtime::Docker),
        id: Some(ID.to_owned()),
        ..Found::default()
    };
    let name = || {
        let known = find(&Host::at(host.path()).expect("a root"), &found);
        known.and_then(|known| known.name)
    };
    fs::create_dir_all(container("data")).expect("folder");
    fs::create_dir_all(at("var/lib")).expect("folder");
    let state = container("data").join("config.v2.json");
    fs::write(&state, r#"{"Name":"/web"}"#).expect("written");
    symlink("/data", at("var/lib/docker")).expect("link");
    assert_eq!(name().as_deref(), Some("web"));
    // The same file, by a link that leads out of the folder.
    fs::rename(&state, at("elsewhere")).expect("moved");
    for target in ["/elsewhere", "../../../elsewhere"] {
        symlink(target, &state).expect("link");
        assert_eq!(name(), None, "{target}");
        fs::remove_file(&state).expect("removed");
    }
    mkfifo(&state);
    assert_eq!(name(), None, "a pipe would be waited for");
}

fn mkfifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).expect("a pipe");
}
