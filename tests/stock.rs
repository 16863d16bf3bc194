//! Debian's nginx with the configuration that the package brings, and one broken route: the agent
//! is told nothing and has to find all of it out.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::http::{Answer, get};
use nginx_probe_tests::processes::{self, require_root};
use nginx_probe_tests::tools::Tools;
use nginx_probe_tests::wait::{DEADLINE, until, until_true};
use nginx_probe_tests::{metrics, ports};
use tempfile::TempDir;

/// Puts the package's files over a copy of this host's root that exists in this namespace alone,
/// adds the site, and becomes nginx.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs tmpfs "$FOLDER"
mkdir "$FOLDER/upper" "$FOLDER/work" "$FOLDER/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$FOLDER/upper,workdir=$FOLDER/work" "$FOLDER/root"
cd "$FOLDER/root"
mount --rbind /dev dev
mount -t proc proc proc
rm -rf etc/nginx var/log/nginx
mkdir -p etc/nginx usr/lib/nginx usr/share/nginx var/log/nginx var/lib/nginx var/www/html run
for part in etc/nginx usr/share/nginx usr/lib/nginx; do cp -a "$TOOLS/$part/." "$part/"; done
cp -a "$TOOLS/usr/sbin/nginx" usr/sbin/
for library in "$TOOLS"/usr/lib/*-linux-gnu/* "$TOOLS"/lib/*-linux-gnu/*; do
    [ -e "${library#"$TOOLS"/}" ] || cp -a "$library" "${library#"$TOOLS"/}" 2>/dev/null || true
done
cat > etc/nginx/sites-enabled/site <<END
server {
    listen 127.0.0.1:$PORT;
    root /var/www/html;
    location /app { proxy_pass http://127.0.0.1:$DEAD; }
    location = /basic_status { stub_status; access_log off; }
}
END
echo hello > var/www/html/index.html
exec chroot . /usr/sbin/nginx -g 'daemon off;'
"#;

/// Debian's nginx. Dropping it ends it, and with it its namespace and all its files.
struct Stock {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Stock {
    fn start() -> Result<Self> {
        require_root()?;
        let tools = Tools::find()?.nginx();
        let root = tools.ancestors().nth(3).context("the unpacked packages")?;
        let folder = tempfile::Builder::new()
            .prefix("nginx-probe-stock-")
            .tempdir()?;
        let (port, dead) = (ports::free()?, ports::free()?);
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT])
            .env("FOLDER", folder.path())
            .env("TOOLS", root)
            .env("PORT", port.to_string())
            .env("DEAD", dead.to_string())
            .stdin(Stdio::null())
            .spawn()
            .context("starting unshare")?;
        let mut stock = Self {
            child,
            port,
            _folder: folder,
        };
        until_true("Debian's nginx answers", DEADLINE, || {
            let ended = stock.child.try_wait()?;
            ensure!(ended.is_none(), "it ended: {ended:?}");
            Ok(get(port, "/") == Answer::Status(200))
        })?;
        Ok(stock)
    }

    fn master(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        // Its workers end with it on TERM; SIGKILL would leave them.
        let _ = processes::signal(self.master(), processes::Signal::TERM);
        let _ = self.child.wait();
    }
}

#[test]
fn a_stock_nginx_needs_no_word_of_configuration() -> Result<()> {
    let nginx = Stock::start()?;
    let master = nginx.master().to_string();
    let agent = Agent::start(["--master", &master, "--stub-status-every", "200ms"])?;
    for _ in 0..20 {
        ensure!(get(nginx.port, "/") == Answer::Status(200));
        ensure!(get(nginx.port, "/app") == Answer::Status(502));
        ensure!(get(nginx.port, "/nothing-here") == Answer::Status(404));
    }
    let nginx_label = ("nginx", "/run/nginx.pid");
    for code in ["200", "502", "404"] {
        let labels = [nginx_label, ("code", code), ("seen_by", "log")];
        agent.wait_count("nginx_http_responses_total", &labels, 20)?;
    }
    for class in ["connect_refused", "open_not_found"] {
        let labels = [nginx_label, ("level", "error"), ("class", class)];
        agent.wait_count("nginx_error_log_messages_total", &labels, 20)?;
    }
    agent.wait_count("nginx_up", &[nginx_label], 1)?;
    agent.wait_sample("nginx_http_requests_total", &[nginx_label], |n| n >= 60.0)?;
    let worker = processes::children(nginx.master())
        .first()
        .map(|seen| seen.pid)
        .context("no worker")?;
    let open = until("a sample of its descriptors", DEADLINE, || {
        let text = agent.metrics()?;
        let labels = [nginx_label, ("worker", "0")];
        Ok(metrics::sum(&text, "nginx_worker_open_fds", &labels))
    })?;
    // Another connection may come between the two looks.
    let held = std::fs::read_dir(Path::new("/proc").join(worker.to_string()).join("fd"))?.count();
    let held = f64::from(u32::try_from(held)?);
    ensure!((open - held).abs() <= 2.0, "{open} are told, {held} held");
    let labels = [nginx_label, ("worker", "0")];
    agent.wait_sample("nginx_worker_resident_memory_bytes", &labels, |bytes| {
        bytes > 1_000_000.0
    })?;
    agent.wait_count("nginx_worker_max_connections", &labels, 768)?;
    agent.stop().map(|_| ())
}
