//! What `deploy` asks for is what the agent uses: the unit, the manifests and the chart, each read as written.

use std::{collections::BTreeSet, fs, path::Path};

use caps::Capability;
use serde_json::Value;

use super::{LOADED, READING};
use crate::source::{ALL, PROBES};

type Names = BTreeSet<String>;

fn deployed(name: &str) -> String {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    fs::read_to_string(deploy.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Values of a unit's capability settings: `CAP_BPF CAP_PERFMON`.
fn of_unit(name: &str) -> Names {
    let text = deployed(name);
    let lists = text
        .lines()
        .filter_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    lists
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

/// Names in a manifest's list, which Kubernetes has without their prefix.
fn of_manifest(name: &str, pointer: &str) -> Names {
    let manifest: Value =
        serde_saphyr::from_str(&deployed(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let list = manifest.pointer(pointer).and_then(Value::as_array);
    let list = list.unwrap_or_else(|| panic!("{name} has no list {pointer}"));
    list.iter()
        .filter_map(Value::as_str)
        .map(|capability| format!("CAP_{capability}"))
        .collect()
}

fn used() -> Names {
    let sources = ALL.iter().flat_map(|source| source.needs);
    sources
        .chain(PROBES)
        .chain(&READING)
        .chain(&LOADED)
        .map(Capability::to_string)
        .collect()
}

#[test]
fn the_unit_the_manifests_and_the_chart_ask_for_what_the_agent_uses() {
    let used = used();
    // With it the bounding set is given up too. A pod's is as small from the start, and its
    // allowPrivilegeEscalation is false: nothing can be gained from what is left.
    let mut unit = used.clone();
    unit.insert(Capability::CAP_SETPCAP.to_string());
    assert_eq!(of_unit("nginx-probe.service"), unit);
    let capabilities = "/spec/template/spec/containers/0/securityContext/capabilities";
    let pod = "kubernetes/base/daemonset.yaml";
    assert_eq!(of_manifest(pod, &format!("{capabilities}/add")), used);
    let dropped = of_manifest(pod, &format!("{capabilities}/drop"));
    assert_eq!(dropped, Names::from(["CAP_ALL".to_owned()]));
    let chart = "helm/nginx-probe/values.yaml";
    let capabilities = "/securityContext/capabilities";
    assert_eq!(of_manifest(chart, &format!("{capabilities}/add")), used);
    assert_eq!(of_manifest(chart, &format!("{capabilities}/drop")), dropped);
}

#[test]
fn what_is_added_for_older_kernels_is_the_same_everywhere() {
    let admin = Names::from([Capability::CAP_SYS_ADMIN.to_string()]);
    assert_eq!(of_unit("systemd/sys-admin.conf"), admin);
    let component = deployed("kubernetes/components/sys-admin/kustomization.yaml");
    let added = component
        .lines()
        .filter_map(|line| line.trim().strip_prefix("value: "));
    assert_eq!(added.collect::<Vec<_>>(), ["SYS_ADMIN"]);
    let template = deployed("helm/nginx-probe/templates/_helpers.tpl");
    assert!(template.contains(r#"(append $context.capabilities.add "SYS_ADMIN")"#));
}
