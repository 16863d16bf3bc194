//! Where each answer came from: the four paths of a 500, and the other failures of an upstream.

use anyhow::{Result, ensure};
use nginx_probe_tests::answers::Way;
use nginx_probe_tests::full_listener::FullListener;

use crate::scene::{OWN, Scene};

/// A path, what the client is sent, and what is told of it: the causes that it may be given, and the
/// upstreams' statuses (0 for one that brought none).
type Case = (
    &'static str,
    u16,
    Option<(&'static [&'static str], &'static [u16])>,
);

const PASSED: &[&str] = &["upstream_response"];
const INTERCEPTED: &[&str] = &["upstream_intercepted"];
const MASKED: &[&str] = &["upstream_masked"];
const REFUSED: &[&str] = &["upstream_refused"];
const CLOSED: &[&str] = &["upstream_closed"];
const TIMEOUT: &[&str] = &["upstream_timeout"];
/// nginx failed after a good answer: why it says at level `error`, which the log leaves out.
const UNSAID: &[&str] = &["unknown"];

const CASES: &[Case] = &[
    ("/index.html", 200, None),
    ("/none", 404, None),
    ("/status/200/a", 200, None),
    ("/status/404/a", 404, None),
    // The four paths of a 500; exhaustion has tests of its own.
    ("/status/500/a", 500, Some((PASSED, &[500]))),
    ("/own/500/a", 500, Some((OWN, &[]))),
    (
        "/intercepted/status/404/a",
        500,
        Some((INTERCEPTED, &[404])),
    ),
    ("/made/status/404/a", 500, Some((INTERCEPTED, &[404]))),
    // Statuses that are passed through although errors are intercepted.
    ("/intercepted/status/500/a", 500, Some((PASSED, &[500]))),
    ("/status/503/a", 503, Some((PASSED, &[503]))),
    ("/own/503/a", 503, Some((OWN, &[]))),
    (
        "/own/cycle/a",
        500,
        Some((&["unknown", "redirect_cycle"], &[])),
    ),
    ("/masked/status/500/a", 404, Some((MASKED, &[500]))),
    ("/better/status/500/a", 200, Some((MASKED, &[500]))),
    ("/refused/a", 502, Some((REFUSED, &[0]))),
    ("/close/a", 502, Some((CLOSED, &[0]))),
    ("/garbage/a", 502, Some((UNSAID, &[200]))),
    ("/silent/a", 504, Some((TIMEOUT, &[0]))),
    // Retries.
    ("/second/status/200/a", 200, None),
    ("/second/status/500/a", 500, Some((PASSED, &[0, 500]))),
    ("/again/status/200/a", 200, None),
    ("/again/status/500/a", 500, Some((PASSED, &[500, 500]))),
    ("/again/close/a", 502, Some((CLOSED, &[500, 0]))),
    // Upstreams of other kinds.
    ("/unix/status/500/a", 500, Some((PASSED, &[500]))),
    ("/kept/status/500/a", 500, Some((PASSED, &[500]))),
    ("/kept/status/200/a", 200, None),
    ("/kept/status/503/a", 503, Some((PASSED, &[503]))),
    // A kept connection that is closed without an answer is no attempt that counts: nginx has another.
    ("/kept/close/a", 502, Some((CLOSED, &[0, 0]))),
    // Subrequests and internal redirects.
    (
        "/auth-500/a",
        500,
        Some((&["upstream_response", "auth_request"], &[500])),
    ),
    (
        "/auth-404/a",
        500,
        Some((&["upstream_intercepted", "auth_request"], &[404])),
    ),
    ("/auth-403/a", 403, None),
    (
        "/auth-dead/a",
        500,
        Some((&["upstream_refused", "auth_request"], &[0])),
    ),
    ("/auth-good/a", 500, Some((PASSED, &[200, 500]))),
    ("/redirect/200/a", 500, Some((UNSAID, &[200]))),
];

#[test]
fn each_answer_is_told_with_its_origin() -> Result<()> {
    Way::ALL.into_iter().try_for_each(tell_each)
}

fn tell_each(way: Way) -> Result<()> {
    let scene = Scene::watched(way)?;
    for (path, status, _) in CASES {
        let got = scene.get(path)?;
        ensure!(got == *status, "{path}: {got}, {}", scene.nginx.error_log());
    }
    let mut all = scene.all()?;
    let mut wrong = Vec::new();
    for (path, status, expected) in CASES {
        let told = all.remove(*path).unwrap_or_default();
        let right = match (expected, told.as_slice()) {
            (None, []) => true,
            (Some((causes, upstreams)), [told]) => {
                told.status == *status
                    && causes.contains(&told.cause.as_str())
                    && told.method.as_deref() == Some("GET")
                    && told
                        .upstream_status
                        .iter()
                        .map(|one| one.unwrap_or(0))
                        .eq(upstreams.iter().copied())
                    && told.upstream.is_some() != upstreams.is_empty()
            }
            _ => false,
        };
        if !right {
            wrong.push(format!(
                "{path}: expected {status} {expected:?}, told {told:?}"
            ));
        }
    }
    wrong.extend(
        all.into_iter()
            .map(|extra| format!("of no request: {extra:?}")),
    );
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let labels = [("seen_by", "kernel")];
    let answered = CASES.iter().filter(|case| case.1 == 500).count() + 1;
    let answered = u32::try_from(answered)?;
    scene.agent.wait_count(
        "nginx_http_responses_total",
        &[labels[0], ("code", "500")],
        answered,
    )?;
    scene.agent.stop().map(|_| ())
}

#[test]
fn an_upstream_that_cannot_be_connected_to_in_time_is_a_timeout() -> Result<()> {
    let full = FullListener::start()?;
    let port = full.port();
    let scene = Scene::of(|builder| {
        builder.location(&format!(
            "location /full {{ proxy_connect_timeout 300ms; proxy_pass http://127.0.0.1:{port}; }}"
        ))
    })?;
    ensure!(scene.get("/full/a")? == 504);
    let told = scene.told("/full/a")?;
    ensure!(
        told.len() == 1 && told[0].cause == "upstream_timeout" && told[0].upstream_status == [None],
        "{told:?}"
    );
    Ok(())
}
