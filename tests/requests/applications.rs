//! Real applications behind nginx, over the protocols that they speak.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use anyhow::{Result, ensure};
use nginx_probe_tests::applications::Application;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::Answer;

use crate::scene::Scene;

const PHP: &[(&str, &str)] = &[
    ("fine.php", "echo 'fine';"),
    ("missing.php", "http_response_code(404); echo 'none';"),
    ("explicit.php", "http_response_code(500); echo 'sorry';"),
    ("uncaught.php", "throw new Exception('asked for');"),
    (
        "noisy.php",
        "for ($i = 0; $i < 3; $i++) error_log(\"line $i\"); echo 'fine';",
    ),
    (
        "noisy-500.php",
        "for ($i = 0; $i < 3; $i++) error_log(\"line $i\"); http_response_code(503); echo 'sorry';",
    ),
    (
        "killed.php",
        "shell_exec('kill -9 ' . getmypid()); sleep(5);",
    ),
];

const PYTHON: &str = "
def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/wsgi/raises':
        raise ValueError('asked for')
    status = '500 Sorry' if path == '/wsgi/explicit' else '200 Fine'
    start_response(status, [('Content-Type', 'text/plain')])
    return [b'text']
";

/// A path, the client's status, and what is told: causes and the upstream's status, zero for none.
type Case = (&'static str, u16, Option<(&'static [&'static str], u16)>);

fn check(scene: &Scene, cases: &[Case], protocol: &str) -> Result<()> {
    for (path, status, _) in cases {
        let got = scene.get(path)?;
        ensure!(got == *status, "{path}: {got}");
    }
    let mut all = scene.all()?;
    for (path, status, expected) in cases {
        let told = all.remove(*path).unwrap_or_default();
        let right = match (expected, told.as_slice()) {
            (None, []) => true,
            (Some((reasons, upstream)), [told]) => {
                told.status == *status
                    && reasons.contains(&told.cause.as_str())
                    && told.upstream_status == [(*upstream != 0).then_some(*upstream)]
                    && told.protocol.as_deref() == Some(protocol)
            }
            _ => false,
        };
        ensure!(right, "{path}: expected {expected:?}, told {told:?}");
    }
    ensure!(all.is_empty(), "{all:?}");
    Ok(())
}

const PASSED: &[&str] = &["upstream_response"];
const GONE: &[&str] = &["upstream_closed", "backend_crash"];

#[test]
fn php_says_itself_what_failed() -> Result<()> {
    let php = Application::php(PHP)?;
    let scene = Scene::of(|builder| builder.location(&php.fastcgi_location("/php/")))?;
    check(
        &scene,
        &[
            ("/php/fine.php", 200, None),
            ("/php/missing.php", 404, None),
            ("/php/explicit.php", 500, Some((PASSED, 500))),
            ("/php/uncaught.php", 500, Some((PASSED, 500))),
            ("/php/noisy.php", 200, None),
            ("/php/noisy-500.php", 503, Some((PASSED, 503))),
            ("/php/killed.php", 502, Some((GONE, 0))),
        ],
        "fastcgi",
    )?;
    scene.agent.stop().map(|_| ())
}

#[test]
fn an_exception_behind_uwsgi_is_an_answer_that_never_came() -> Result<()> {
    let uwsgi = Application::uwsgi(PYTHON)?;
    let scene = Scene::of(|builder| builder.location(&uwsgi.uwsgi_location("/wsgi/")))?;
    check(
        &scene,
        &[
            ("/wsgi/fine", 200, None),
            ("/wsgi/explicit", 500, Some((PASSED, 500))),
            ("/wsgi/raises", 502, Some((GONE, 0))),
        ],
        "uwsgi",
    )?;
    ensure!(uwsgi.output().contains("ValueError"), "{}", uwsgi.output());
    scene.agent.stop().map(|_| ())
}

#[test]
fn scgi_answers_have_a_status_header_or_none() -> Result<()> {
    let failing = scgi("Status: 500 Sorry\r\nContent-Type: text/plain\r\n\r\nsorry")?;
    let fine = scgi("Content-Type: text/plain\r\n\r\nfine")?;
    let scene = Scene::of(|builder| {
        let location = |path: &str, port: u16| {
            format!(
                "location /scgi/{path} {{ scgi_pass 127.0.0.1:{port}; scgi_param REQUEST_METHOD $request_method; }}"
            )
        };
        builder
            .location(&location("failing", failing))
            .location(&location("fine", fine))
    })?;
    check(
        &scene,
        &[
            ("/scgi/fine", 200, None),
            ("/scgi/failing", 500, Some((PASSED, 500))),
        ],
        "scgi",
    )?;
    scene.agent.stop().map(|_| ())
}

/// Answers every request with the same bytes.
fn scgi(answer: &'static str) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut some = [0; 4096];
            let _ = stream.read(&mut some);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    Ok(port)
}

#[test]
fn a_lua_error_is_a_failure_of_nginxs_own() -> Result<()> {
    let scene = Scene::start()?;
    ensure!(scene.nginx.cause(Fault::LuaError) == Answer::Status(500));
    let told = scene.told(Fault::LuaError.path())?;
    ensure!(
        told.len() == 1 && told[0].upstream_status.is_empty(),
        "{told:?}"
    );
    ensure!(
        matches!(told[0].cause.as_str(), "unknown" | "lua_error"),
        "{told:?}"
    );
    scene.agent.stop().map(|_| ())
}
