//! Lines as real hosts have them, and lines that nobody should believe.

use proptest::prelude::*;

use super::*;

const ID: &str = "3f4e0c1a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f";
const OTHER: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const UID: &str = "0f3c1a2b-1111-2222-3333-444455556666";

fn of(path: &str) -> Group {
    let path = path.replace("OTHER", OTHER).replace("ID", ID);
    parse(format!("0::{path}\n").as_bytes())
}

#[test]
fn each_runtime_is_known_by_its_paths() {
    let uid = UID.replace('-', "_");
    let slice =
        format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice");
    for (path, runtime) in [
        ("/docker/ID".to_owned(), Runtime::Docker),
        ("/system.slice/docker-ID.scope".to_owned(), Runtime::Docker),
        ("/system.slice:docker:ID".to_owned(), Runtime::Docker),
        (
            "/../../system.slice/docker-ID.scope".to_owned(),
            Runtime::Docker,
        ),
        ("/default/ID".to_owned(), Runtime::Containerd),
        (
            "/system.slice/nerdctl-ID.scope".to_owned(),
            Runtime::Containerd,
        ),
        (
            format!("/kubepods/burstable/pod{UID}/ID"),
            Runtime::Containerd,
        ),
        (format!("/../../pod{UID}/ID"), Runtime::Containerd),
        (
            format!("{slice}/cri-containerd-ID.scope"),
            Runtime::Containerd,
        ),
        (
            format!(
                "/system.slice/containerd.service/kubepods-burstable-pod{uid}.slice:cri-containerd:ID"
            ),
            Runtime::Containerd,
        ),
        (format!("{slice}/crio-ID.scope/container"), Runtime::CriO),
        (
            "/machine.slice/libpod-ID.scope/container".to_owned(),
            Runtime::Podman,
        ),
        ("/libpod_parent/libpod-ID".to_owned(), Runtime::Podman),
        (
            "/system.slice/web.service/libpod-payload-ID".to_owned(),
            Runtime::Podman,
        ),
        (
            "/ecs/00112233445566778899aabbccddeeff/ID".to_owned(),
            Runtime::Ecs,
        ),
    ] {
        let found = of(&path).container.unwrap_or_else(|| panic!("{path}"));
        assert_eq!(
            (found.runtime, found.id.as_deref()),
            (Some(runtime), Some(ID)),
            "{path}"
        );
        assert_eq!(found.in_pod, path.contains("pod0f"), "{path}");
        assert!(!found.foreign, "{path}");
    }
    for (path, runtime, name) in [
        (
            "/lxc.payload.web/system.slice/nginx.service",
            Runtime::Lxc,
            "web",
        ),
        ("/lxc/101/ns", Runtime::Lxc, "101"),
        (
            "/machine.slice/machine-we\\x2db.scope/payload",
            Runtime::SystemdNspawn,
            "we-b",
        ),
        (
            "/machine.slice/systemd-nspawn@web.service/payload",
            Runtime::SystemdNspawn,
            "web",
        ),
        (
            "/machine.slice/machine-lxc\\x2d79\\x2dweb.scope",
            Runtime::LibvirtLxc,
            "web",
        ),
    ] {
        let found = of(path).container.unwrap_or_else(|| panic!("{path}"));
        assert_eq!(
            (found.runtime, found.name.as_deref()),
            (Some(runtime), Some(name)),
            "{path}"
        );
    }
}

#[test]
fn what_is_no_container_is_none() {
    for path in [
        "/",
        "/system.slice/nginx.service",
        "/machine.slice/libpod-conmon-ID.scope",
        "/kubepods.slice/crio-conmon-ID.scope",
        "/lxc.monitor.web",
        "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
        "/docker/3f4e0c1a9b8d",
        "/docker/../x",
        "/lxc.payload.\u{1b}[2J",
        "/init.scope",
    ] {
        assert_eq!(of(path).container, None, "{path}");
    }
}

#[test]
fn units_are_the_innermost() {
    for (path, unit) in [
        ("/system.slice/nginx.service", "nginx.service"),
        (
            "/system.slice/system-nginx.slice/nginx@a\\x2db.service",
            "nginx@a\\x2db.service",
        ),
        (
            "/user.slice/user-7.slice/user@7.service/app.slice/web.service",
            "web.service",
        ),
        (
            "/user.slice/user-0.slice/session-3.scope",
            "session-3.scope",
        ),
        (
            "/lxc.payload.web/system.slice/nginx.service",
            "nginx.service",
        ),
    ] {
        assert_eq!(of(path).unit.as_deref(), Some(unit), "{path}");
    }
    assert_eq!(of("/").unit, None);
}

#[test]
fn hierarchies_are_put_together() {
    let text = format!(
        "9:name=systemd:/docker/{ID}\n4:memory:/docker/{ID}\n0::/system.slice/containerd.service\n"
    );
    let group = parse(text.as_bytes());
    assert_eq!(
        group.container.and_then(|found| found.id).as_deref(),
        Some(ID)
    );
    assert_eq!(
        group.unit, None,
        "the runtime's unit is not the container's"
    );
    let group = parse(b"4:memory:/\n9:name=systemd:/system.slice/nginx.service\n0::/\n");
    assert_eq!(group.unit.as_deref(), Some("nginx.service"));
}

#[test]
fn the_hosts_runtimes_do_not_know_what_a_user_or_a_container_made() {
    let nested = of("/docker/OTHER/docker/ID").container.expect("one");
    assert!(nested.foreign && nested.id.as_deref() == Some(ID));
    let rootless = "/user.slice/user-7.slice/user@7.service/user.slice/docker-ID.scope";
    assert!(of(rootless).container.expect("one").foreign);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_or_keep_what_is_no_name(text in "[0-9]{0,2}:[a-z=]{0,6}:(/|[^\n]{0,12}|\\.scope|docker|lxc\\.payload\\.|pod|machine-|\\\\x2d|[0-9a-f]{64}){0,8}", bytes in any::<Vec<u8>>()) {
        for text in [text.as_bytes(), &bytes] {
            let group = parse(text);
            let found = group.container.unwrap_or_default();
            for name in found.id.iter().chain(&found.name) {
                prop_assert!(crate::container::is_name(name), "{name:?}");
            }
        }
    }
}

#[test]
fn the_group_of_a_service_is_read_in_either_version() {
    for (text, group) in [
        (
            "0::/system.slice/nginx.service\n",
            Some("/system.slice/nginx.service"),
        ),
        (
            "3:cpu:/x\n1:name=systemd:/a.service\n0::/\n",
            Some("/a.service"),
        ),
        ("1:name=systemd:/b\n0::/a\n", Some("/a")),
        ("3:cpu:/x\n0::/\n", None),
        ("nonsense", None),
    ] {
        assert_eq!(path(text.as_bytes()).as_deref(), group, "{text}");
    }
}
