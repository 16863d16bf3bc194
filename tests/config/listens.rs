//! Where nginx listens, and where its `stub_status` answers.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use nginx_probe::config::listen::ListenAddress;

use crate::raw::{Raw, Start, ask};

const LISTENS: &str = r"events {}
    http {
        FOLDERS
        server { }
        server { listen 127.0.0.1:8080; listen *:8080 reuseport; listen 127.0.0.2:8080 reuseport; }
        server { listen 127.0.0.2:8080 default_server; listen [::]:8081; listen [::1]:8081; }
        server { listen 127.0.0.1:8082 reuseport; listen 9000-9002; listen [::1]; }
        server { listen unix:PREFIX/a.sock; listen localhost:8083; listen 127.0.0.3; }
    }";

/// The sockets that the process listens on, as `/proc` shows them.
fn listening(pid: u32) -> Result<BTreeSet<String>> {
    let process = procfs::process::Process::new(i32::try_from(pid)?)?;
    let sockets = process.tcp()?.into_iter().chain(process.tcp6()?);
    let mut found: BTreeSet<String> = sockets
        .filter(|socket| socket.state == procfs::net::TcpState::Listen)
        .map(|socket| socket.local_address.to_string())
        .collect();
    for socket in process.unix()? {
        if let Some(path) = socket
            .path
            .filter(|path| path.to_string_lossy().ends_with(".sock"))
        {
            found.insert(path.display().to_string());
        }
    }
    Ok(found)
}

#[test]
fn nginx_listens_where_the_model_says() -> Result<()> {
    for (how, port) in [(Start::Alone, 80), (Start::Unprivileged, 8000)] {
        let text = if how == Start::Alone {
            LISTENS.to_owned()
        } else {
            "events {} http { FOLDERS server {} }".to_owned()
        };
        let nginx = Raw::start(&[("conf/nginx.conf", &text)], how)?;
        let settings = nginx.model()?;
        let own = settings.sockets().into_iter().filter(|socket| socket.own);
        let expected: BTreeSet<String> = own
            .map(|socket| match socket.address {
                ListenAddress::Tcp(address) => address.to_string(),
                ListenAddress::Name { host, port } => {
                    assert_eq!(&*host, "localhost");
                    SocketAddr::from(([127, 0, 0, 1], port)).to_string()
                }
                ListenAddress::Unix(path) => path.display().to_string(),
            })
            .collect();
        let mut found = listening(nginx.pid())?;
        // `localhost` may have an address of the other family too.
        found.remove("[::1]:8083");
        assert_eq!(found, expected);
        assert!(found.contains(&format!("0.0.0.0:{port}")));
        let default = settings.readable_logs();
        assert_eq!(default[0].path, Path::new("/var/log/nginx/access.log"));
    }
    Ok(())
}

#[test]
fn stub_status_answers_where_the_model_says() -> Result<()> {
    let text = r"events {}
    http {
        FOLDERS
        access_log off;
        server { listen 127.0.0.1:PORT0; server_name other; location / { return 404; } }
        server { listen 127.0.0.1:PORT0; server_name ~x a.b; location = /exact { stub_status; } }
        server { listen 127.0.0.1:PORT0; server_name a.b none; location = /no { return 404; } }
        server { listen PORT1; location ^~ '/a b' { stub_status; } }
        server { listen 127.0.0.1:PORT1; server_name _; return 404; location = /s { stub_status; } }
        server { listen unix:PREFIX/s.sock; location ~ ^/re\.gex$ { stub_status; } }
        server { listen 127.0.0.1:PORT2; server_name named; return 404; }
        server { listen 127.0.0.1:PORT2; location /x { location /x/y { stub_status; } } }
        server { listen 127.0.0.1:PORT3; stub_status; location /x { } }
        server { listen 127.0.0.1:PORT4; server_name *.star; location /s { stub_status; } }
        server { listen 127.0.0.1:PORT5 proxy_protocol; location /p { stub_status; } }
    }";
    let nginx = Raw::start(&[("conf/nginx.conf", text)], Start::Plain)?;
    let ways = nginx.model()?.stub_statuses();
    assert_eq!(ways.len(), 7, "{ways:#?}");
    for way in &ways {
        if way.proxy_protocol {
            assert_eq!(way.path, "/p");
            continue;
        }
        let (status, body) = ask(&way.address, "GET", &way.host, &way.path)?;
        assert_eq!(status, 200, "{way:?}");
        assert!(body.starts_with("Active connections"), "{way:?}");
    }
    assert!(ways.last().is_some_and(|way| way.proxy_protocol));
    Ok(())
}
