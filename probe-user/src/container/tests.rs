//! A process of a made `/proc` and a made host.

use std::fs;

use super::*;

const ID: &str = "3f4e0c1a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f";

#[test]
fn an_id_that_is_running_elsewhere_gives_no_name() {
    let folder = tempfile::tempdir().expect("temp folder");
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        fs::write(path, text).expect("written");
    };
    put(
        &format!("var/lib/docker/containers/{ID}/config.v2.json"),
        r#"{"Name":"/web","State":{"Pid":7}}"#,
    );
    put("7/cgroup", &format!("0::/system.slice/docker-{ID}.scope\n"));
    put(
        "8/cgroup",
        &format!("0::/system.slice/docker-{ID}.scope/x\n"),
    );
    put(
        "9/cgroup",
        &format!("0::/system.slice/mine.service/docker-{ID}.scope\n"),
    );
    let (proc, host) = (
        Proc::at(folder.path()),
        Host::at(folder.path()).expect("it"),
    );
    let name = |pid| {
        let identity = Identity::of_process(&proc, pid, Some(&host));
        let container = identity.container.expect("one");
        assert_eq!(container.id.as_deref(), Some(ID));
        container.name
    };
    assert_eq!(name(7).as_deref(), Some("web"));
    assert_eq!(name(8).as_deref(), Some("web"));
    assert_eq!(name(9), None, "another's id");
    assert!(Identity::of_process(&proc, 10, Some(&host)).is_empty());
}
