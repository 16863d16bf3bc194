//! An application that is spoken to by gRPC answers 503, speaks HTTP/1 only, is down, or says nothing.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "grpc-upstream",
    about: "an application behind gRPC fails",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let http2 = ports::free()?;
    let _app = Nginx::builder()
        .workers(1)
        .location(&format!(
            "listen 127.0.0.1:{http2} http2; location = /shop.Shop/Order {{ return 503; }}"
        ))
        .start()?;
    let old = Fixed::closing("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
    let silent = Fixed::holding("")?;
    let mut stage = set
        .location(&format!(
            "location /shop.Shop/ {{ grpc_pass grpc://127.0.0.1:{http2}; }}
             location = /old {{ grpc_pass grpc://127.0.0.1:{}; }}
             location = /dead {{ grpc_pass grpc://127.0.0.1:{}; }}
             location = /silent {{ grpc_read_timeout 1s; grpc_pass grpc://127.0.0.1:{}; }}",
            old.port(),
            ports::free()?,
            silent.port()
        ))
        .start()?;
    stage.fail("/shop.Shop/Order", 503, 10, "upstream_response")?;
    stage.fail("/old", 502, 10, "upstream_closed")?;
    stage.fail("/dead", 502, 10, "upstream_refused")?;
    stage.fail("/silent", 504, 4, "upstream_timeout")?;
    stage.judge()
}
