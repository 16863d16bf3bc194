//! Connections that were there before the agent.

use anyhow::{Result, ensure};
use nginx_probe_tests::answers::{told_until, watch};
use nginx_probe_tests::client::{Client, request};
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::scene::{OWN, stage};

#[test]
fn connections_older_than_the_agent_are_followed_from_their_next_request() -> Result<()> {
    let (nginx, upstream, _folder) = stage(|builder| builder.location("access_log off;"))?;
    // A client whose connection is kept, and one that is kept to the upstream.
    let mut idle = Client::connect(nginx.port())?;
    ensure!(idle.get("/kept/status/200/before")? == 200);
    // One that is in the middle of a request.
    let mut asking = Client::connect(nginx.port())?;
    asking.send(request("GET", "/held/503/asked-before"))?;
    until_true("the upstream to have both", DEADLINE, || {
        Ok(upstream.requests() == 2)
    })?;
    let agent = watch(&nginx)?;
    let connections = upstream.connections();
    ensure!(idle.get("/kept/status/500/a")? == 500);
    ensure!(idle.get("/kept/status/200/a")? == 200);
    ensure!(idle.get("/kept/status/503/a")? == 503);
    ensure!(
        upstream.connections() == connections,
        "the connection was not kept"
    );
    upstream.release();
    ensure!(asking.answer()? == 503);
    ensure!(asking.get("/status/500/b")? == 500);
    ensure!(asking.get("/own/500/last")? == 500);
    let all = told_until(&agent, "/own/500/last")?;
    for (path, status) in [
        ("/kept/status/500/a", 500),
        ("/kept/status/503/a", 503),
        ("/status/500/b", 500),
    ] {
        let told = all.get(path).map_or(&[][..], |told| told);
        let [told] = told else {
            anyhow::bail!("{path}: {all:?}");
        };
        ensure!(told.cause == "upstream_response", "{told:?}");
        ensure!(told.upstream_status == [Some(status)], "{told:?}");
    }
    ensure!(
        OWN.contains(&all["/own/500/last"][0].cause.as_str()),
        "{all:?}"
    );
    // What was asked before the agent came has no path; its upstream is told if it was matched.
    let unnamed = all.get("").map_or(&[][..], |told| told);
    ensure!(unnamed.len() == 1 && unnamed[0].status == 503, "{all:?}");
    let right = unnamed[0].upstream_status == [Some(503)] || unnamed[0].upstream_status.is_empty();
    ensure!(right, "{unnamed:?}");
    ensure!(all.len() == 5, "{all:?}");
    agent.stop().map(|_| ())
}
