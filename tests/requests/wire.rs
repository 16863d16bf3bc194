//! The same origins however the bytes come: in pieces, late, pipelined, over kept connections.

use anyhow::{Result, ensure};
use nginx_probe_tests::answers::Told;
use nginx_probe_tests::client::{Client, request};
use nginx_probe_tests::ports;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::scene::{OWN, Scene};

fn is_passed(told: &[Told], status: u16) -> bool {
    matches!(told, [one] if one.status == status
        && one.cause == "upstream_response"
        && one.upstream_status == [Some(status)]
        && one.protocol.as_deref() == Some("http"))
}

#[test]
fn answers_on_one_connection_are_told_one_by_one() -> Result<()> {
    let scene = Scene::start()?;
    let mut client = scene.client()?;
    for round in 0..5 {
        for (path, status) in [
            ("kept/status/500", 500),
            ("kept/status/200", 200),
            ("status/503", 503),
        ] {
            ensure!(client.get(&format!("/{path}/{round}"))? == status);
        }
    }
    ensure!(client.ask("HEAD", "/kept/status/500/head")? == 500);
    ensure!(client.ask("HEAD", "/status/503/head")? == 503);
    ensure!(client.get("/status/304/a")? == 304);
    ensure!(client.get("/index.html")? == 200);
    ensure!(client.get("/status/204/a")? == 204);
    ensure!(client.get("/masked/status/500/kept")? == 404);
    let all = scene.all()?;
    for round in 0..5 {
        ensure!(
            is_passed(&all[&format!("/kept/status/500/{round}")], 500),
            "{all:?}"
        );
        ensure!(
            is_passed(&all[&format!("/status/503/{round}")], 503),
            "{all:?}"
        );
    }
    let head = &all["/kept/status/500/head"];
    ensure!(is_passed(head, 500) && head[0].method.as_deref() == Some("HEAD"));
    ensure!(is_passed(&all["/status/503/head"], 503));
    ensure!(all["/masked/status/500/kept"][0].cause == "upstream_masked");
    ensure!(all.len() == 13, "{all:?}");
    // One connection for the upstreams that are kept, one for each other request that was proxied.
    let kept = scene.upstream.connections();
    ensure!(kept == 1 + 5 + 4, "{kept} connections");
    Ok(())
}

#[test]
fn pipelined_requests_are_answered_and_told_in_order() -> Result<()> {
    let scene = Scene::start()?;
    let mut client = scene.client()?;
    let paths = [
        ("/status/500/p1", 500),
        ("/kept/status/500/p2", 500),
        ("/status/200/p3", 200),
        ("/kept/status/503/p4", 503),
        ("/own/503/p5", 503),
        // nginx closes the connection after a 500 that passes its hands.
        ("/masked/status/500/p6", 404),
    ];
    let all: String = paths.iter().map(|(path, _)| request("GET", path)).collect();
    client.send(all)?;
    for (path, status) in paths {
        ensure!(client.answer()? == status, "{path}");
    }
    // Only the first one's bytes begin what was read, so the others go without a path; and where the
    // upstream's head came before its body, without an upstream. What is told is never wrong.
    let told: Vec<Told> = scene.all()?.into_values().flatten().collect();
    for one in &told {
        let path = one.path.as_deref().unwrap_or_default();
        ensure!(path.is_empty() || path == paths[0].0, "{one:?}");
        let upstreams = one.upstream_status.as_slice();
        let right = match (one.status, one.cause.as_str()) {
            (404, "upstream_masked") => upstreams == [Some(500)],
            (status, "upstream_response") => upstreams == [Some(status)],
            (_, cause) => OWN.contains(&cause) && upstreams.is_empty(),
        };
        ensure!(right, "{one:?}");
    }
    let mut statuses: Vec<_> = told.iter().map(|one| one.status).collect();
    statuses.sort_unstable();
    ensure!(
        statuses
            .iter()
            .filter(|status| **status >= 500)
            .eq(&[500, 500, 503, 503]),
        "{told:?}"
    );
    Ok(())
}

#[test]
fn heads_in_pieces_and_interim_answers_are_read_as_one() -> Result<()> {
    let scene = Scene::start()?;
    ensure!(scene.get("/pieces/500/a")? == 500);
    ensure!(scene.get("/pieces/200/a")? == 200);
    // The client's request in pieces, over the point where its path ends.
    let mut client = scene.client()?;
    for piece in [
        "GET /sta",
        "tus/500/in-pieces HT",
        "TP/1.1\r\nHost: x",
        "\r\n\r",
        "\n",
    ] {
        client.send(piece)?;
        client.wait_read()?;
    }
    ensure!(client.answer()? == 500);
    client.send(
        "POST /status/500/continued HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    )?;
    ensure!(client.answer()? == 100);
    client.send("body")?;
    ensure!(client.answer()? == 500);
    let all = scene.all()?;
    for path in [
        "/pieces/500/a",
        "/status/500/in-pieces",
        "/status/500/continued",
    ] {
        ensure!(
            all.get(path).is_some_and(|told| is_passed(told, 500)),
            "{path}: {all:?}"
        );
    }
    ensure!(all.len() == 3, "{all:?}");
    Ok(())
}

#[test]
fn an_answer_that_is_passed_on_later_than_it_was_read_keeps_its_upstream() -> Result<()> {
    let scene = Scene::start()?;
    let held: Vec<_> = [
        ("/late/500/a", 500),
        ("/late/200/a", 200),
        ("/held/503/a", 503),
    ]
    .into_iter()
    .map(|(path, status)| -> Result<_> {
        let mut client = scene.client()?;
        client.send(request("GET", path))?;
        Ok((client, path, status))
    })
    .collect::<Result<_>>()?;
    until_true("the upstream to have all three", DEADLINE, || {
        Ok(scene.upstream.requests() == 3)
    })?;
    // Others come and go meanwhile.
    for (path, status) in [
        ("/status/503/between", 503),
        ("/own/500/between", 500),
        ("/status/200/between", 200),
        ("/refused/between", 502),
    ] {
        ensure!(scene.get(path)? == status);
    }
    scene.upstream.release();
    for (mut client, path, status) in held {
        ensure!(client.answer()? == status, "{path}");
    }
    let all = scene.all()?;
    ensure!(is_passed(&all["/late/500/a"], 500), "{all:?}");
    ensure!(is_passed(&all["/held/503/a"], 503), "{all:?}");
    ensure!(is_passed(&all["/status/503/between"], 503), "{all:?}");
    ensure!(
        OWN.contains(&all["/own/500/between"][0].cause.as_str()),
        "{all:?}"
    );
    ensure!(
        all["/own/500/between"][0].upstream_status.is_empty(),
        "{all:?}"
    );
    ensure!(
        all["/refused/between"][0].cause == "upstream_refused",
        "{all:?}"
    );
    ensure!(all.len() == 5, "{all:?}");
    Ok(())
}

#[test]
fn cached_failures_are_told_without_an_upstream() -> Result<()> {
    let scene = Scene::start()?;
    for _ in 0..3 {
        ensure!(scene.get("/cached/status/500/a")? == 500);
    }
    ensure!(scene.upstream.requests() == 1);
    let told = scene.told("/cached/status/500/a")?;
    ensure!(told.len() == 3, "{told:?}");
    ensure!(
        told[0].cause == "upstream_response" && told[0].upstream_status == [Some(500)],
        "{told:?}"
    );
    // What a cache answers is nginx's own, as far as system calls tell.
    ensure!(
        told[1..].iter().all(|one| one.upstream_status.is_empty()),
        "{told:?}"
    );
    ensure!(
        told[1..].iter().all(|one| one.cause == "unknown"),
        "{told:?}"
    );
    Ok(())
}

#[test]
fn bodies_larger_than_buffers_change_nothing() -> Result<()> {
    let scene = Scene::start()?;
    let body = "GET /x HTTP/1.1 HTTP/1.1 500 \r\n".repeat(20_000);
    for path in [
        "/body/status/500/a",
        "/streamed/status/500/a",
        "/own/500/body",
    ] {
        let mut client = scene.client()?;
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ))?;
        // nginx may answer before it has taken everything.
        let _ = client.send(&body);
        ensure!(client.answer()? == 500, "{path}");
    }
    let all = scene.all()?;
    ensure!(is_passed(&all["/body/status/500/a"], 500), "{all:?}");
    ensure!(is_passed(&all["/streamed/status/500/a"], 500), "{all:?}");
    ensure!(all["/own/500/body"].len() == 1, "{all:?}");
    ensure!(
        all.values()
            .flatten()
            .all(|told| told.method.as_deref() == Some("POST")),
        "{all:?}"
    );
    ensure!(all.len() == 3, "{all:?}");
    Ok(())
}

#[test]
fn a_proxy_protocol_header_is_no_request() -> Result<()> {
    let (port, healthy) = (ports::free()?, "{ proxy_pass http://kept/; }");
    let scene = Scene::of(|builder| {
        builder.http(&format!(
            "server {{ listen 127.0.0.1:{port} proxy_protocol; access_log off; location / {healthy} location /own {{ return 500; }} }}"
        ))
    })?;
    for (together, path) in [(true, "/status/500/together"), (false, "/status/500/apart")] {
        let mut client = Client::connect(port)?;
        let header = "PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n";
        if together {
            client.send(format!("{header}{}", request("GET", path)))?;
        } else {
            client.send(header)?;
            client.wait_read()?;
            client.send(request("GET", path))?;
        }
        ensure!(client.answer()? == 500);
        ensure!(client.get("/own")? == 500);
    }
    let all = scene.all()?;

    ensure!(is_passed(&all["/status/500/apart"], 500), "{all:?}");
    ensure!(is_passed(&all["/status/500/together"], 500), "{all:?}");
    ensure!(all["/own"].len() == 2 && all.len() == 3, "{all:?}");
    Ok(())
}
