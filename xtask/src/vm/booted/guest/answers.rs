//! Failing answers: each is counted once, with its cause.

use anyhow::Result;

use super::host::Host;
use super::report::Report;

/// How many requests of a kind.
const EACH: u32 = 5;

/// A rewrite rule that leads to itself.
pub(super) fn cycle(host: &mut Host, report: &mut Report) -> Result<()> {
    let causes = ["response 500 redirect_cycle", "incident redirect_cycle"];
    fail(host, report, "/cycle/", 500, causes)
}

/// An upstream that does not listen.
pub(super) fn refused(host: &mut Host, report: &mut Report) -> Result<()> {
    let causes = ["response 502 upstream_refused", "incident upstream_refused"];
    fail(host, report, "/refused/", 502, causes)
}

/// An upstream that answers 500 itself.
pub(super) fn upstream(host: &mut Host, report: &mut Report) -> Result<()> {
    let causes = [
        "response 500 upstream_response",
        "incident upstream_response",
    ];
    fail(host, report, "/upstream/status/500/", 500, causes)
}

fn fail(
    host: &mut Host,
    report: &mut Report,
    path: &str,
    status: u16,
    [response, incident]: [&str; 2],
) -> Result<()> {
    // With answers that are well between them.
    for number in 0..EACH {
        host.ask([format!("{path}{number}")], status)?;
        host.ask(["/ok".to_owned()], 200)?;
    }
    host.expect(report, &[(response, EACH), (incident, 1)])
}
