//! What came of a reload, where a fork or a death beside it could mislead.

use anyhow::{Context as _, Result};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, children, signal};
use nginx_probe_tests::records::{is, is_exit, opens, pid};
use nginx_probe_tests::wait::{DEADLINE, until};

#[test]
fn a_command_that_a_refused_configuration_runs_is_no_reload() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    nginx.run_in_config("os.execute('true'); error('refused')")?;
    nginx.signal(Signal::HUP)?;
    let reload = agent.wait_for("what came of the reload", |r| is(r, "reload"))?;
    assert_eq!(reload["result"], "failed", "{reload}");
    agent.wait_count("nginx_workers", &[], 2)?;
    agent.stop().map(|_| ())
}

#[test]
fn a_worker_that_dies_while_the_configuration_is_read_does_not_hide_the_reload() -> Result<()> {
    let nginx = Nginx::builder().workers(1).start()?;
    let agent = Agent::watch(&nginx)?;
    let (master, old) = (nginx.master()?, nginx.workers()?);
    let old = *old.first().context("a worker")?;
    nginx.run_in_config("os.execute('sleep 0.5')")?;
    nginx.signal(Signal::HUP)?;
    until("the configuration to be read", DEADLINE, || {
        Ok(children(master)
            .into_iter()
            .find(|child| child.title.contains("sleep")))
    })?;
    signal(old, Signal::KILL)?;
    agent.wait_for("the death", |r| is_exit(r, "killed") && pid(r) == Some(old))?;
    let reload = agent.wait_for("what came of the reload", |r| is(r, "reload"))?;
    assert_eq!(reload["result"], "ok", "{reload}");
    agent.wait_count("nginx_workers", &[], 1)?;
    agent.wait_count("nginx_workers_draining", &[], 0)?;
    let records = agent.stop()?;
    assert!(!records.iter().any(|r| opens(r, "reload_failed")));
    Ok(())
}
