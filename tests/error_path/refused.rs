//! A sandbox that refuses the calls by which programs are attached to functions.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::records::is;
use rustix::thread::set_no_new_privs;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::stage::{Stage, get, links_of};
use crate::{FAILED, watch};

/// The command of `bpf` by which links are made (`linux/bpf.h`). Perf events do without.
const LINK_CREATE: u64 = 28;

/// Refuses links, `uprobe_multi` ones among them, to the calling thread and to what it starts, with `perf_events` perf
/// events too.
fn refuse(perf_events: bool) -> Result<()> {
    let command = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, LINK_CREATE)?;
    let mut rules = BTreeMap::from([(libc::SYS_bpf, vec![SeccompRule::new(vec![command])?])]);
    if perf_events {
        rules.insert(libc::SYS_perf_event_open, Vec::new());
    }
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    set_no_new_privs(true)?;
    seccompiler::apply_filter(&program).context("refusing calls")
}

/// An agent in such a sandbox.
fn sandboxed(nginx: &Nginx, perf_events: bool) -> Result<Agent> {
    let started = thread::scope(|scope| {
        let start = scope.spawn(|| {
            refuse(perf_events)?;
            watch(nginx, &["--responses"])
        });
        start.join()
    });
    started.map_err(|_| anyhow!("the thread that starts the agent panicked"))?
}

#[test]
fn perf_events_do_where_links_are_refused() -> Result<()> {
    let stage = Stage::start()?;
    let agent = sandboxed(&stage.nginx, false)?;
    agent.wait_count("nginx_probe_source_up", &[("source", "error_path")], 1)?;
    assert_eq!(get(stage.nginx.port(), "/cycle")?, 500);
    agent.wait_count(FAILED, &[("code", "500"), ("cause", "redirect_cycle")], 1)?;
    agent.stop().map(|_| ())
}

#[test]
fn functions_that_cannot_be_attached_to_stay_missing_after_a_reload() -> Result<()> {
    let stage = Stage::start()?;
    let mut agent = sandboxed(&stage.nginx, true)?;
    let up = |agent: &Agent| agent.sample("nginx_probe_source_up", &[("source", "error_path")]);
    assert_eq!(up(&agent)?, Some(0.0));
    agent.wait_stderr("why, and what to do", |line| {
        line.contains("error_path") && line.contains("CAP_SYS_ADMIN")
    })?;
    agent.wait_stderr("what that means for verdicts", |line| {
        line.contains("error_path is down") && line.contains("nginx-probe doctor")
    })?;
    for generation in 2..4 {
        stage.nginx.reload()?;
        agent.wait_for("the reload", |record| {
            is(record, "reload") && record["generation"] == generation
        })?;
        // What a reload changes is looked at behind its record: the second one finds what the first left.
        assert_eq!(up(&agent)?, Some(0.0), "after reload {generation}");
    }
    assert_eq!(links_of(agent.pid())?, 0);
    agent.stop().map(|_| ())
}
