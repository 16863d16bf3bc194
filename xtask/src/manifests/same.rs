//! One pod, two ways to install it: the chart's defaults are the manifests for Kustomize.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// Compares the pods of what the chart rendered and of what Kustomize did.
///
/// # Errors
/// When they differ in anything but the image's name.
pub(crate) fn check(chart: &str, base: &str) -> Result<()> {
    let (chart, base) = (pod(chart)?, pod(base)?);
    ensure!(
        chart == base,
        "the chart's pod is another one than that of deploy/kubernetes/base:\n{}\n{}",
        serde_json::to_string_pretty(&chart)?,
        serde_json::to_string_pretty(&base)?
    );
    Ok(())
}

fn pod(manifests: &str) -> Result<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifests)?;
    let mut sets = documents
        .into_iter()
        .filter(|document| document["kind"] == "DaemonSet");
    let mut set = sets.next().context("no DaemonSet")?;
    ensure!(sets.next().is_none(), "more than one DaemonSet");
    let container = set
        .pointer_mut("/spec/template/spec/containers/0")
        .context("no container")?;
    container["image"] = Value::Null;
    Ok(json!({
        "update": set.pointer("/spec/updateStrategy"),
        "pod": set.pointer("/spec/template/spec"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_capability_more_is_another_pod() {
        let set = |add: &str| {
            format!(
                "kind: Namespace\n---\nkind: DaemonSet\nspec:\n  template:\n    spec:\n      containers:\n        \
                 - image: {}\n          securityContext: {{capabilities: {{add: [{add}]}}}}\n",
                add.len()
            )
        };
        check(&set("BPF"), &set("BPF")).unwrap();
        let error = check(&set("BPF, SYSLOG"), &set("BPF")).unwrap_err();
        assert!(error.to_string().contains("SYSLOG"), "{error}");
    }
}
