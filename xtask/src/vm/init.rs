//! The guest's first process: a script that runs the doctor and the tests, and tells the host how
//! far it is.

use std::fmt::Write as _;

use super::files::TestFile;

/// Where the guest has the agent.
pub(super) const AGENT: &str = "/usr/bin/nginx-probe";
/// Where the guest has the tests.
pub(super) const TESTS: &str = "/tests";
/// Begins a line to the host: `MARK begin NAME`, `MARK end NAME STATUS`, `MARK done`.
pub(super) const MARK: &str = "@@vm";
/// The name of the doctor among the tests.
pub(super) const DOCTOR: &str = "doctor";

const BEGIN: &str = "\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin HOME=/root RUST_BACKTRACE=0
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/shm
mount -t tmpfs none /dev/shm
mount -t tmpfs none /tmp
mount -t cgroup2 none /sys/fs/cgroup
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
ip link set lo up
# A crash in a test is meant, and leaves no dump.
ulimit -c 0
for module in inet_diag tcp_diag unix_diag; do
    [ ! -f /modules/$module.ko.xz ] || unxz /modules/$module.ko.xz
    [ ! -f /modules/$module.ko ] || insmod /modules/$module.ko
done
run() {
    name=$1
    shift
    echo \"$MARK begin $name\"
    \"$@\" 2>&1
    status=$?
    # What died in the middle of a line has not ended it.
    echo
    echo \"$MARK end $name $status\"
}
";

/// The script.
pub(super) fn script(tests: &[TestFile], patience: u32) -> String {
    let (head, rest) = BEGIN.split_once('\n').unwrap_or_default();
    let mut script = format!(
        "{head}\nMARK={MARK}\n{rest}\
         export NGINX_PROBE_BIN={AGENT} NGINX_PROBE_TOOLS=/tools\n\
         export NGINX_PROBE_TEST_PATIENCE={patience}\n\
         echo \"$MARK begin kernel\"; uname -r; echo \"$MARK end kernel 0\"\n\
         run {DOCTOR} {AGENT} doctor\n"
    );
    for TestFile { name, .. } in tests {
        // One at a time: the machine is slow, and its output stays in order.
        let _ = writeln!(script, "run {name} {TESTS}/{name} --test-threads 1");
    }
    let _ = writeln!(script, "echo \"$MARK done\"\nsync\npoweroff -f");
    script
}
