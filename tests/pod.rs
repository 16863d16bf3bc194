//! The agent in a container, as `deploy/kubernetes` runs it on a node, and nginx in another one.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use nginx_probe_tests::command::binary;
use nginx_probe_tests::container::proof;
use nginx_probe_tests::container::root::Root;
use tempfile::TempDir;

/// An agent in a pod watches every nginx of the machine, also the one of another test.
static ALONE: Mutex<()> = Mutex::new(());

/// The agent and what it is linked to, as the image has them.
fn image() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let mut root = Root::new(folder.path());
    root.program(&binary()?, "/usr/bin/nginx-probe")?;
    for mount in ["/proc", "/dev", "/sys", "/var/lib/nginx-probe"] {
        root.folder(mount, 0o755)?;
    }
    Ok(folder)
}

#[test]
fn an_nginx_of_another_container_gets_its_verdicts_with_the_pods_capabilities_alone() -> Result<()>
{
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for line in proof::run(image()?.path())? {
        println!("{line}");
    }
    Ok(())
}

#[test]
fn an_nginx_that_logs_to_its_containers_streams_gets_its_verdicts_from_the_kernel() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for line in proof::without_logs(image()?.path())? {
        println!("{line}");
    }
    Ok(())
}

#[test]
fn an_nginx_of_another_container_is_found_with_what_is_shipped() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{}", proof::unaided(image()?.path())?);
    Ok(())
}

#[test]
fn nothing_is_hidden_from_a_pod_that_may_enter_networks() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{}", proof::with_sys_admin(image()?.path())?);
    Ok(())
}

#[test]
fn doctor_says_in_the_pod_what_takes_more_than_it_has() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{}", proof::doctor(image()?.path())?);
    Ok(())
}
