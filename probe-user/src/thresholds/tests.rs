use std::fmt::Write as _;

use super::*;

/// An nginx whose figures are set by hand, looked at every ten seconds.
struct Host {
    thresholds: Thresholds,
    now: Instant,
    /// 200s and 500s, as the log has them.
    answers: [u64; 2],
    errors: u64,
    crits: u64,
    workers: u32,
    open_fds: u32,
    active: u32,
    /// Attempts of up to 0.1 s, up to 1 s, and longer.
    upstream: [u64; 3],
    exceeded: Vec<Threshold>,
}

impl Host {
    fn new() -> Self {
        Self {
            thresholds: Thresholds::default(),
            now: Instant::now(),
            answers: [0; 2],
            errors: 0,
            crits: 0,
            workers: 2,
            open_fds: 10,
            active: 5,
            upstream: [0; 3],
            exceeded: Vec::new(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut add = |name: &str, labels: &str, value: u64| {
            let _ = writeln!(text, "{name}{{nginx=\"n\"{labels}}} {value}");
        };
        let answers = "nginx_http_responses_total";
        add(answers, ",code=\"200\",seen_by=\"log\"", self.answers[0]);
        add(answers, ",code=\"500\",seen_by=\"log\"", self.answers[1]);
        add(answers, ",code=\"200\",seen_by=\"kernel\"", 0);
        let messages = "nginx_error_log_messages_total";
        add(messages, ",level=\"error\",class=\"x\"", self.errors);
        add(messages, ",level=\"crit\",class=\"x\"", self.crits);
        add("nginx_workers", "", self.workers.into());
        add("nginx_workers_configured", "", 2);
        add(
            "nginx_worker_open_fds",
            ",worker=\"1\"",
            self.open_fds.into(),
        );
        add("nginx_worker_max_fds", ",worker=\"1\"", 100);
        add("nginx_worker_max_connections", ",worker=\"1\"", 100);
        add("nginx_connections_active", "", self.active.into());
        let [fast, slow, slowest] = self.upstream;
        let bucket = "nginx_http_upstream_duration_seconds_bucket";
        add(bucket, ",le=\"0.1\"", fast);
        add(bucket, ",le=\"1.0\"", fast + slow);
        add(bucket, ",le=\"+Inf\"", fast + slow + slowest);
        text
    }

    /// So many looks, before each of which something happens.
    fn look(&mut self, times: u32, mut first: impl FnMut(&mut Self)) -> &[Threshold] {
        for _ in 0..times {
            first(self);
            self.now += EVERY;
            let snapshot = Snapshot::parse(&self.text());
            for change in self.thresholds.look(self.now, &snapshot) {
                assert_eq!(change.nginx, "n");
                if change.exceeded {
                    self.exceeded.push(change.threshold);
                } else {
                    self.exceeded.retain(|one| *one != change.threshold);
                }
            }
        }
        &self.exceeded
    }
}

#[test]
fn a_share_of_failures_counts_after_a_while_and_a_large_one_with_traffic() {
    let mut host = Host::new();
    let serve = |good: u64, bad: u64| {
        move |host: &mut Host| {
            host.answers[0] += good;
            host.answers[1] += bad;
        }
    };
    assert_eq!(host.look(31, serve(99, 1)), [], "1 % is not more than 1 %");
    assert_eq!(host.look(31, serve(98, 2)), [Threshold::ErrorRatio]);
    let both = [Threshold::ErrorRatio, Threshold::ErrorRatioHigh];
    assert_eq!(host.look(7, serve(90, 10)), both);
    assert_eq!(host.look(7, serve(100, 0)), [Threshold::ErrorRatio]);
    assert_eq!(host.look(31, serve(100, 0)), []);
    // Of next to no traffic nothing is made.
    assert_eq!(host.look(1, serve(0, 9)), []);
    assert_eq!(host.look(31, serve(0, 0)), []);
}

#[test]
fn one_severe_message_is_enough_and_eleven_errors_a_minute() {
    let mut host = Host::new();
    assert_eq!(host.look(7, |host| host.errors += 1), []);
    assert_eq!(
        host.look(6, |host| host.errors += 2),
        [Threshold::ErrorMessages]
    );
    assert_eq!(host.look(7, |_| ()), []);
    assert_eq!(
        host.look(1, |host| host.crits += 1),
        [Threshold::SevereMessages]
    );
    assert_eq!(host.look(28, |_| ()), [Threshold::SevereMessages]);
    assert_eq!(host.look(4, |_| ()), []);
}

#[test]
fn messages_of_the_first_ten_seconds_count() {
    let mut host = Host::new();
    assert_eq!(
        host.look(1, |host| host.crits = 1),
        [Threshold::SevereMessages]
    );
    assert_eq!(host.look(30, |_| ()), [Threshold::SevereMessages]);
    assert_eq!(host.look(2, |_| ()), []);
}

#[test]
fn a_worker_may_take_half_a_minute_to_be_replaced() {
    let mut host = Host::new();
    host.look(1, |_| ());
    assert_eq!(host.look(4, |host| host.workers = 1), []);
    assert_eq!(host.look(1, |_| ()), [Threshold::WorkersMissing]);
    assert_eq!(host.look(1, |host| host.workers = 2), []);
    assert_eq!(host.look(3, |host| host.workers = 1), [], "begins anew");
}

#[test]
fn limits_count_when_they_are_as_good_as_reached() {
    let mut host = Host::new();
    assert_eq!(host.look(1, |host| host.open_fds = 95), []);
    assert_eq!(
        host.look(1, |host| host.open_fds = 96),
        [Threshold::OpenFds]
    );
    host.open_fds = 1;
    assert_eq!(
        host.look(1, |host| host.active = 91),
        [Threshold::Connections]
    );
    assert_eq!(host.look(1, |host| host.active = 90), []);
}

#[test]
fn upstreams_are_compared_with_their_hour_before() {
    let mut host = Host::new();
    let fast = |host: &mut Host| host.upstream[0] += 20;
    let slow = |host: &mut Host| {
        host.upstream[0] += 15;
        host.upstream[1] += 5;
    };
    assert_eq!(host.look(30, slow), [], "nothing to compare with yet");
    let mut host = Host::new();
    assert_eq!(host.look(6 * 16, fast), []);
    assert_eq!(host.look(30, slow), [Threshold::UpstreamTime]);
    // A day later that is how they are.
    assert_eq!(host.look(6 * 60 * 2, slow), []);
    assert_eq!(host.look(31, |_| ()), [], "nobody asks");
}

#[test]
fn an_nginx_that_is_gone_is_forgotten() {
    let mut host = Host::new();
    assert_eq!(
        host.look(1, |host| host.open_fds = 99),
        [Threshold::OpenFds]
    );
    let changes = host.thresholds.look(host.now, &Snapshot::default());
    assert_eq!(changes, []);
    assert!(host.thresholds.judges.is_empty());
}
