use super::super::tests::{at, correlator, fact, incidents, one, states};
use super::*;
use crate::facts::{Event, MasterExit, Role, Sender, Stop, WorkerStart};

fn master(reason: Reason, orphans: u32, detail: Option<Name>) -> Event {
    Event::MasterExit(MasterExit {
        pid: 1,
        reason,
        signal: (reason == Reason::Killed).then_some("SIGKILL"),
        exit_code: None,
        sender: None,
        orphans,
        detail,
    })
}

fn gone(stop: Option<Stop>, reason: Option<Reason>) -> Event {
    Event::Down(Down {
        master: 1,
        stop,
        reason,
        left_pid_file: false,
    })
}

fn stop(after_oom_ms: Option<u64>) -> Stop {
    Stop {
        time: at(0),
        signal: "SIGQUIT",
        sender: Some(Sender {
            pid: 1,
            uid: 0,
            comm: "systemd".into(),
        }),
        managed: true,
        after_oom_ms,
    }
}

fn failed(task: Task, managed: bool) -> Event {
    Event::StartFailed(FailedStart {
        pid: 9,
        task,
        signal: None,
        exit_code: Some(1),
        managed,
    })
}

#[test]
fn a_killed_master_whose_workers_live_is_told_after_the_wait() {
    let mut correlator = correlator();
    assert_eq!(
        states(&correlator.fact(fact(0, master(Reason::Killed, 2, None)))),
        []
    );
    assert_eq!(states(&correlator.tick(at(999))), []);
    one(&correlator.tick(at(1000)), "opened", "master_died");
}

#[test]
fn a_master_and_its_workers_are_one_event_until_it_serves_again() {
    let mut correlator = correlator();
    correlator.fact(fact(0, master(Reason::Killed, 2, None)));
    let down = correlator.fact(fact(10, gone(None, Some(Reason::Killed))));
    one(&down, "opened", "nginx_down");
    assert_eq!(incidents(&down)[0]["detail"], "killed");
    assert_eq!(states(&correlator.tick(at(600_000))), [], "it stays down");
    let start = WorkerStart {
        pid: 5,
        role: Role::Worker,
        generation: 1,
    };
    let serves = correlator.fact(fact(700_000, Event::WorkerStart(start)));
    one(&serves, "closed", "nginx_down");
}

#[test]
fn a_stop_is_no_incident_and_a_failed_start_after_it_is() {
    for (event, opened) in [
        (failed(Task::Serve, false), 1),
        (failed(Task::Test, true), 1),
        (failed(Task::Test, false), 0),
    ] {
        let mut correlator = correlator();
        let stopped = master(Reason::Graceful, 0, Some(detail::STOPPED));
        assert_eq!(states(&correlator.fact(fact(0, stopped))), []);
        let down = gone(Some(stop(None)), Some(Reason::Graceful));
        assert_eq!(states(&correlator.fact(fact(0, down))), []);
        let records = correlator.fact(fact(100, event));
        assert_eq!(incidents(&records).len(), opened);
        if let [incident] = &incidents(&records)[..] {
            assert_eq!(incident["detail"], "failed_start");
        }
    }
}

#[test]
fn a_stop_after_an_oom_kill_is_the_service_managers_policy() {
    let mut correlator = correlator();
    let down = correlator.fact(fact(0, gone(Some(stop(Some(3))), Some(Reason::Graceful))));
    one(&down, "opened", "nginx_down");
    assert_eq!(incidents(&down)[0]["detail"], "oom_policy");
    assert_eq!(incidents(&down)[0]["confidence"], "confirmed");
}

#[test]
fn a_guess_stays_a_guess_and_names_no_other_reason() {
    // The end that nobody saw, and tests of the configuration that somebody runs.
    let mut blind = Correlator::new("host".into(), std::time::Duration::from_mins(1), true);
    let refused = |ms| fact(ms, Event::ConfigRefused("unknown directive".into()));
    blind.fact(fact(0, gone(None, None)));
    let mut said = Vec::new();
    for ms in [100, 2_000, 4_000] {
        said.extend(blind.fact(refused(ms)));
    }
    said.extend(blind.finish(at(9_000)));
    let said = incidents(&said);
    assert!(!said.is_empty());
    assert!(
        said.iter().all(|it| it["confidence"] == "possible"),
        "{said:#?}"
    );

    let mut correlator = correlator();
    correlator.fact(fact(0, master(Reason::Killed, 2, None)));
    let mut said = correlator.fact(fact(10, gone(None, Some(Reason::Killed))));
    said.extend(correlator.fact(fact(100, failed(Task::Unknown, false))));
    said.extend(correlator.finish(at(9_000)));
    let said = incidents(&said);
    assert!(said.iter().all(|it| it["detail"] == "killed"), "{said:#?}");
}

#[test]
fn the_summary_tells_the_last_failed_start_however_it_ended() {
    let mut correlator = correlator();
    let killed = Event::StartFailed(FailedStart {
        pid: 9,
        task: Task::Serve,
        signal: Some("SIGSEGV"),
        exit_code: None,
        managed: true,
    });
    correlator.fact(fact(0, gone(Some(stop(None)), Some(Reason::Graceful))));
    correlator.fact(fact(50, failed(Task::Test, false)));
    let down = incidents(&correlator.fact(fact(100, killed)));
    let summary = down[0]["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("was ended by SIGSEGV"), "{summary}");
}

#[test]
fn a_failed_start_does_not_prove_that_a_master_is_gone() {
    let mut correlator = correlator();
    let found = Orphans {
        workers: 2,
        master: Some(1),
    };
    let mut said = correlator.fact(fact(0, Event::Orphans(found)));
    said.extend(correlator.fact(fact(100, failed(Task::Serve, true))));
    said.extend(correlator.finish(at(5_000)));
    let said = incidents(&said);
    assert!(
        said.iter().all(|it| it["confidence"] == "probable"),
        "{said:#?}"
    );
}

#[test]
fn a_master_whose_successor_serves_is_missed_by_nobody() {
    for (orphans, told) in [(0, 0), (2, 1)] {
        let mut correlator = correlator();
        let exit = master(Reason::Killed, orphans, Some(detail::SUCCEEDED));
        let mut said = correlator.fact(fact(0, exit));
        said.extend(correlator.tick(at(2_000)));
        assert_eq!(incidents(&said).len(), told, "{orphans}");
        // It is over when nothing more is seen of it.
        let open = correlator.tick(at(120_000));
        assert_eq!(incidents(&open).len(), told, "{orphans}");
    }
}

#[test]
fn a_master_that_is_replaced_at_once_leaves_nothing_open() {
    let mut correlator = correlator();
    correlator.fact(fact(0, master(Reason::Killed, 2, None)));
    let start = WorkerStart {
        pid: 5,
        role: Role::Worker,
        generation: 1,
    };
    let said = correlator.fact(fact(300, Event::WorkerStart(start)));
    let state = |state: &str| (state.to_owned(), "master_died".to_owned());
    assert_eq!(states(&said), [state("opened"), state("closed")]);
    assert_eq!(states(&correlator.tick(at(5_000))), []);
}

#[test]
fn orphans_that_are_told_to_end_leave_nothing_that_serves() {
    let mut correlator = correlator();
    correlator.fact(fact(0, master(Reason::Killed, 2, None)));
    one(&correlator.tick(at(1_000)), "opened", "master_died");
    let down = correlator.fact(fact(60_000, gone(None, Some(Reason::Graceful))));
    let causes: Vec<_> = states(&down);
    let state = |state: &str, cause: &str| (state.to_owned(), cause.to_owned());
    assert_eq!(
        causes,
        [
            state("closed", "master_died"),
            state("opened", "nginx_down")
        ]
    );
}
