//! The end of the demo: what the agent has counted, from `/metrics`.

use anyhow::Result;
use nginx_probe_tests::metrics::by_label;

use super::page::Page;
use super::stage::Stage;

/// What is shown: a name for a person, the metric, and the label that splits it.
const TABLE: [(&str, &str, &str); 5] = [
    ("responses by status", RESPONSES, "code"),
    (
        "failed ones by cause",
        "nginx_http_error_responses_total",
        "cause",
    ),
    (
        "ended workers by reason",
        "nginx_worker_exits_total",
        "reason",
    ),
    (
        "error log by class",
        "nginx_error_log_messages_total",
        "class",
    ),
    ("incidents by cause", "nginx_incidents_total", "cause"),
];
const RESPONSES: &str = "nginx_http_responses_total";

/// Prints what the agent has counted, once it has read all that nginx logged.
pub(super) fn print(stage: &Stage, page: &mut Page) -> Result<()> {
    let logged = stage.logs().access_since(&stage.begin).lines().count();
    let what = format!("{logged} responses in nginx-probe's metrics");
    let text = stage.wait(&what, || {
        let text = of_logs(&stage.agent.metrics()?);
        let counted: f64 = by_label(&text, RESPONSES, "code").values().sum();
        Ok((format!("{counted:.0}") == logged.to_string()).then_some(text))
    })?;
    page.paragraph(&format!("From {}:", stage.agent.metrics_url()))?;
    page.blank()?;
    for (title, metric, label) in TABLE {
        let mut title = Some(title);
        for (value, count) in by_label(&text, metric, label) {
            // Counters of what never happened are there from the start.
            if count > 0.0 {
                if let Some(title) = title.take() {
                    page.put(&format!("  {title} ({metric})"))?;
                }
                page.put(&format!("      {count:>4.0}  {value}"))?;
            }
        }
    }
    Ok(())
}

/// The metrics without what the kernel saw: the log has the same responses once more.
fn of_logs(text: &str) -> String {
    let of_kernel = |line: &&str| !line.contains("seen_by=\"kernel\"");
    let lines: Vec<_> = text.lines().filter(of_kernel).collect();
    lines.join("\n")
}
