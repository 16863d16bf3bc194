//! The end of the demo: what the agent has counted, from `/metrics`.

use anyhow::Result;
use nginx_probe_tests::metrics::by_label;

use super::page::Page;
use super::stage::Stage;

/// What is shown: a name for a person, the metric, and the label that splits it.
const TABLE: [(&str, &str, &str); 3] = [
    ("responses by status", RESPONSES, "code"),
    (
        "ended workers by reason",
        "nginx_worker_exits_total",
        "reason",
    ),
    ("incidents by cause", "nginx_incidents_total", "cause"),
];
const RESPONSES: &str = "nginx_http_responses_total";

/// Prints what the agent has counted, once it has read all that nginx logged.
pub(super) fn print(stage: &Stage, page: &mut Page) -> Result<()> {
    let logged = stage.logs().access_since(&stage.begin).lines().count();
    let what = format!("{logged} responses in nginx-probe's metrics");
    let text = stage.wait(&what, || {
        let text = stage.agent.metrics()?;
        let counted: f64 = by_label(&text, RESPONSES, "code").values().sum();
        Ok((format!("{counted:.0}") == logged.to_string()).then_some(text))
    })?;
    page.paragraph(&format!("From {}:", stage.agent.metrics_url()))?;
    page.blank()?;
    for (title, metric, label) in TABLE {
        let mut title = title;
        for (value, count) in by_label(&text, metric, label) {
            // Counters of what never happened are there from the start.
            if count > 0.0 {
                page.put(&format!(
                    "  {title:<24} {value:<16} {count:>5.0}   {metric}"
                ))?;
                title = "";
            }
        }
    }
    Ok(())
}
