//! The agent in a container, as `deploy/kubernetes` runs it on a node, and nginx in another one.

use anyhow::Result;
use nginx_probe_tests::command::binary;
use nginx_probe_tests::container::proof;
use nginx_probe_tests::container::root::Root;

#[test]
fn an_nginx_of_another_container_gets_its_verdicts_with_the_pods_capabilities_alone() -> Result<()>
{
    let folder = tempfile::tempdir()?;
    let mut root = Root::new(folder.path());
    root.program(&binary()?, "/usr/bin/nginx-probe")?;
    for mount in ["/proc", "/dev", "/sys", "/var/lib/nginx-probe"] {
        root.folder(mount, 0o755)?;
    }
    for line in proof::run(folder.path())? {
        println!("{line}");
    }
    Ok(())
}
