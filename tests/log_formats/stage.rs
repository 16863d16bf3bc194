//! The nginx that logs every request in every format.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use nginx_probe::access_log::{Entry, Escape, Format, KNOWN};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::sent::Sent;

/// Name, escape mode, text.
pub const FORMATS: [(&str, Escape, &str); 8] = [
    ("upstreaminfo", Escape::Default, KNOWN[2].text),
    (
        "json",
        Escape::Json,
        r#"{"t":"$time_iso8601","m":$msec,"a":"$remote_addr","port":$remote_port,"user":"$remote_user","request":"$request","method":"$request_method","uri":"$request_uri","status":$status,"bytes":$body_bytes_sent,"us":$upstream_status,"ua":"$upstream_addr","urt":"$upstream_response_time","uct":"$upstream_connect_time","uht":"$upstream_header_time","rt":$request_time,"referer":"$http_referer","agent":"$http_user_agent","id":"$request_id","conn":$connection,"pid":$pid}"#,
    ),
    (
        "pairs",
        Escape::Default,
        "t=$time_local m=$msec conn=$connection pid=$pid status=$status us=$upstream_status \
         urt=$upstream_response_time ua=$upstream_addr, server=$server_name \
         request=\"$request\" user=\"$remote_user\"",
    ),
    (
        "tabs",
        Escape::Default,
        "$time_local\t$status\t$request\t$remote_user\t$http_referer\t$http_user_agent\t\
         $upstream_status\t$upstream_addr\t$request_uri\t$upstream_response_time",
    ),
    (
        "json_tabs",
        Escape::Json,
        "$request\t$remote_user\t$upstream_addr\t$upstream_status\t$status\t$http_user_agent",
    ),
    (
        "joined",
        Escape::Default,
        "$time_local$status$msec$time_iso8601$request_time[$http_user_agent\"$request",
    ),
    (
        "raw",
        Escape::None,
        "\"$request\" $status $body_bytes_sent \"$http_user_agent\" $request_time $upstream_status",
    ),
    (
        "raw_last",
        Escape::None,
        "$status $pid $upstream_status;$request",
    ),
];

/// An nginx with one worker and a log in each format.
pub struct Stage {
    pub nginx: Nginx,
    /// Of the server whose requests are logged.
    pub port: u16,
    /// Of the upstream that answers.
    pub good: u16,
}

impl Stage {
    pub fn start() -> Result<Self> {
        let [port, good, bad, closed] = [
            ports::free()?,
            ports::free()?,
            ports::free()?,
            ports::free()?,
        ];
        let mut http = String::new();
        for (name, escape, text) in FORMATS {
            let escape = match escape {
                Escape::Default => "default",
                Escape::Json => "json",
                Escape::None => "none",
            };
            writeln!(http, "log_format {name} escape={escape} '{text}';")?;
        }
        write!(
            http,
            "upstream pair {{ server 127.0.0.1:{bad} max_fails=0; \
                              server 127.0.0.1:{good} backup max_fails=0; }}
            server {{ listen 127.0.0.1:{good}; access_log off;
                location / {{ return 200; }}
                location /missing {{ return 404; }}
                location /accel {{ add_header X-Accel-Redirect /pair; return 200; }} }}
            server {{ listen 127.0.0.1:{bad}; access_log off; return 500; }}
            server {{ listen 127.0.0.1:{port}; server_name 'a b';
                set $proxy_upstream_name 'default-web-80';
                set $proxy_alternative_upstream_name '';
                set $req_id $request_id;
                proxy_next_upstream http_500 error;
                access_log combined.log combined;\n"
        )?;
        for (name, ..) in FORMATS {
            writeln!(http, "access_log {name}.log {name};")?;
        }
        write!(
            http,
            "   location / {{ return 200; }}
                location = /good {{ proxy_pass http://127.0.0.1:{good}; }}
                location = /refused {{ proxy_pass http://127.0.0.1:{closed}; }}
                location = /pair {{ proxy_pass http://pair; }}
                location = /accel {{ proxy_pass http://127.0.0.1:{good}/accel; }}
                location = /handled {{ proxy_pass http://127.0.0.1:{good}/missing;
                    proxy_intercept_errors on; error_page 404 @other; }}
                location @other {{ proxy_pass http://127.0.0.1:{bad}; }} }}\n"
        )?;
        // One worker, so that lines are in the order of the requests.
        let nginx = Nginx::builder().workers(1).http(&http).start()?;
        Ok(Self { nginx, port, good })
    }

    fn log(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.nginx.folder().join(format!("{name}.log"));
        fs::read(&path).with_context(|| path.display().to_string())
    }

    /// Gives `check` each line of a log with what was sent.
    pub fn check(
        &self,
        name: &str,
        format: &Format,
        sent: &[Sent],
        mut check: impl FnMut(&Entry<'_>, &Sent) -> Result<()>,
    ) -> Result<()> {
        let lines = |text: &[u8]| text.split(|byte| *byte == b'\n').skip(1).count();
        until_true(
            &format!("a line for each request in {name}"),
            DEADLINE,
            || Ok(lines(&self.log(name)?) >= sent.len()),
        )?;
        let log = self.log(name)?;
        let mut result = Ok(());
        let mut requests = sent.iter();
        format.for_each_line(&log, |entry| {
            if result.is_err() {
                return;
            }
            result = match (entry, requests.next()) {
                (Ok(entry), Some(sent)) => check(entry, sent).with_context(|| {
                    let line = String::from_utf8_lossy(entry.line());
                    format!("{name}: {line}\nwas {}", sent.bytes.escape_ascii())
                }),
                (Err(line), _) => Err(anyhow::anyhow!("{name}: unread: {}", line.escape_ascii())),
                (Ok(_), None) => Err(anyhow::anyhow!("{name}: more lines than requests")),
            };
        });
        result?;
        ensure!(
            requests.next().is_none(),
            "{name}: fewer lines than requests"
        );
        Ok(())
    }
}
