//! Real application servers behind nginx: PHP-FPM and uWSGI with Python, unpacked like nginx.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::nginx_config::group_of_nobody;
use crate::processes::{self, Signal, signal};
use crate::tools::Tools;
use crate::wait::{DEADLINE, until_true};

/// A running application server, on a unix socket unless it says otherwise. Dropping it ends all its processes.
#[derive(Debug)]
pub struct Application {
    child: Child,
    folder: TempDir,
}

impl Application {
    /// PHP-FPM with these scripts, each a name and its text without the opening tag.
    pub fn php(scripts: &[(&str, &str)]) -> Result<Self> {
        Self::php_with(scripts, "")
    }

    /// The same with more lines for its pool.
    pub fn php_with(scripts: &[(&str, &str)], pool: &str) -> Result<Self> {
        let tools = Tools::find()?;
        let folder = folder()?;
        for (name, text) in scripts {
            fs::write(folder.path().join(name), format!("<?php {text}\n"))?;
        }
        let configuration = folder.path().join("fpm.conf");
        fs::write(
            &configuration,
            format!(
                "[global]\nerror_log = {folder}/fpm.log\ndaemonize = no\n\
                 [www]\nuser = nobody\ngroup = {group}\nlisten = {folder}/socket\nlisten.mode = 0666\n\
                 pm = static\npm.max_children = 2\n\
                 php_admin_flag[log_errors] = on\nphp_admin_flag[display_errors] = off\n{pool}\n",
                folder = folder.path().display(),
                group = group_of_nobody()?,
            ),
        )?;
        let mut command = tools.command("usr/sbin/php-fpm8.2")?;
        command
            .args(["--no-php-ini", "--allow-to-run-as-root", "--nodaemonize"])
            .arg("--fpm-config")
            .arg(configuration);
        Self::start(command, folder, None)
    }

    /// uWSGI with a Python application, `application(environ, start_response)`.
    pub fn uwsgi(python: &str) -> Result<Self> {
        Self::uwsgi_with(python, &[])
    }

    /// The same with more options.
    pub fn uwsgi_with(python: &str, more: &[&str]) -> Result<Self> {
        let folder = folder()?;
        let socket = folder.path().join("socket");
        let socket = socket.to_str().context("the folder's name")?.to_owned();
        let how = ["--master", "--processes", "2", "--chmod-socket=666"];
        let how = [&how, more].concat();
        Self::start_uwsgi(python, folder, &how, ("--socket", &socket))
    }

    /// A single process of uWSGI that speaks HTTP on a port of 127.0.0.1.
    pub fn uwsgi_at(python: &str, port: u16) -> Result<Self> {
        let address = format!("127.0.0.1:{port}");
        Self::start_uwsgi(python, folder()?, &[], ("--http-socket", &address))
    }

    fn start_uwsgi(
        python: &str,
        folder: TempDir,
        how: &[&str],
        (kind, at): (&str, &str),
    ) -> Result<Self> {
        let tools = Tools::find()?;
        let script = folder.path().join("app.py");
        fs::write(&script, python)?;
        let mut command = tools.command("usr/bin/uwsgi-core")?;
        command
            .arg("--plugins-dir")
            .arg(tools.path("usr/lib/uwsgi/plugins"))
            .args(["--plugin", "python311", "--need-app"])
            .args(how)
            .args([kind, at])
            .arg("--wsgi-file")
            .arg(script);
        // Where the system has no Python of its own, its library was unpacked too.
        let python = tools.path("usr/lib/python3.11/os.py");
        if python.is_file() {
            command.env("PYTHONHOME", tools.path("usr"));
        }
        let address = at.contains(':').then_some(at);
        Self::start(command, folder, address)
    }

    /// Starts it, and waits until it listens at `address`, or at its socket without one.
    fn start(mut command: Command, folder: TempDir, address: Option<&str>) -> Result<Self> {
        let log = fs::File::create(folder.path().join("output"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let mut application = Self { child, folder };
        let (socket, address) = (application.socket(), address.map(str::to_owned));
        until_true("the application server's socket", DEADLINE, || {
            if let Some(status) = application.child.try_wait()? {
                bail!("it ended with {status}: {}", application.output());
            }
            Ok(match &address {
                Some(address) => TcpStream::connect(address).is_ok(),
                None => UnixStream::connect(&socket).is_ok(),
            })
        })?;
        Ok(application)
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The folder of its scripts.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process that it was started as, its workers' master.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The location of nginx that passes paths below `path` to PHP-FPM's scripts.
    #[must_use]
    pub fn fastcgi_location(&self, path: &str) -> String {
        format!(
            r"location ~ ^{path}(?<script>.*)$ {{
                fastcgi_pass unix:{socket};
                fastcgi_param SCRIPT_FILENAME {folder}/$script;
                fastcgi_param REQUEST_METHOD $request_method;
                fastcgi_param REQUEST_URI $request_uri;
            }}",
            socket = self.socket().display(),
            folder = self.folder().display(),
        )
    }

    /// The location of nginx that passes paths below `path` to uWSGI.
    #[must_use]
    pub fn uwsgi_location(&self, path: &str) -> String {
        format!(
            r#"location {path} {{
                uwsgi_pass unix:{};
                uwsgi_param PATH_INFO $document_uri;
                uwsgi_param REQUEST_METHOD $request_method;
                uwsgi_param QUERY_STRING "";
                uwsgi_param SERVER_NAME x;
                uwsgi_param SERVER_PORT 80;
                uwsgi_param SERVER_PROTOCOL $server_protocol;
            }}"#,
            self.socket().display()
        )
    }

    /// What it wrote to its standard output and error.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let group = self.child.id();
        let gone = until_true("the end of the application server", DEADLINE, || {
            let members = processes::find(|seen| seen.group == group);
            for seen in &members {
                signal(seen.pid, Signal::KILL)?;
            }
            let _ = self.child.try_wait();
            Ok(members.is_empty())
        });
        if let Err(error) = gone {
            eprintln!("{error:#}");
        }
        let _ = self.child.wait();
    }
}

/// A folder that the servers' workers, who are nobody, can read.
fn folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new()
        .prefix("nginx-probe-application-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir()?)
}
