//! One look at what listens at the addresses of upstreams, and whose it is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::Path,
};

use rustix::fs::{major, minor};

use super::{Address, Order, Report, Target, scan};
use crate::{
    facts::Instance,
    listen_queue::{
        Listening, SocketFile, listening,
        namespace::{self, Namespace},
    },
    proc::Proc,
    rooted::Root,
};

/// Which upstreams each listening socket serves, by its inode.
pub(super) type Wanted = BTreeMap<u64, BTreeSet<(Instance, Address)>>;

/// What is kept between passes.
#[derive(Debug)]
pub struct Pass {
    proc: Proc,
    home: Option<Namespace>,
    /// Names of processes that are looked after elsewhere.
    names: Vec<String>,
    /// What listened when all processes were looked at last.
    last: Wanted,
}

impl Pass {
    /// Nothing was seen yet. Processes of these names are passed over.
    #[must_use]
    pub fn new(proc_root: &Path, names: Vec<String>) -> Self {
        Self {
            proc: Proc::at(proc_root),
            home: Namespace::own(proc_root).ok(),
            names,
            last: Wanted::new(),
        }
    }

    /// Looks at the listening sockets of each network namespace, and at all processes if others
    /// listen than before, or if that is asked for.
    pub fn look(&mut self, order: &Order) -> Report {
        let mut report = Report::default();
        let mut wanted = Wanted::new();
        let mut namespaces: HashMap<Namespace, Vec<&Target>> = HashMap::new();
        for target in order.targets.iter().filter(|one| !one.addresses.is_empty()) {
            // One that is gone has nothing behind it.
            if let Ok(namespace) = Namespace::of(self.proc.root(), target.pid) {
                namespaces.entry(namespace).or_default().push(target);
            }
        }
        for (namespace, targets) in &namespaces {
            match self.sockets(*namespace, targets, &mut report) {
                Ok((sockets, local)) => {
                    for target in targets {
                        self.match_up(target, &sockets, &local, &mut wanted);
                    }
                }
                Err(why) => report.problems.extend(
                    targets
                        .iter()
                        .map(|target| (target.instance.clone(), why.clone())),
                ),
            }
        }
        if report.stranded || !(order.all || wanted != self.last) {
            return report;
        }
        let (groups, left_out) = if wanted.is_empty() {
            (Vec::new(), 0)
        } else {
            match scan::groups(&self.proc, &wanted, &self.names) {
                Ok(found) => found,
                Err(error) => {
                    log::debug!("cannot look at processes: {error}");
                    return report;
                }
            }
        };
        (report.groups, report.left_out) = (Some(groups), left_out);
        self.last = wanted;
        report
    }

    /// What listens in a namespace, and which addresses of upstreams there are its own.
    fn sockets(
        &self,
        namespace: Namespace,
        targets: &[&Target],
        report: &mut Report,
    ) -> Result<(Vec<Listening>, BTreeSet<IpAddr>), String> {
        let look = || {
            let ips: BTreeSet<IpAddr> = targets
                .iter()
                .flat_map(|target| &target.addresses)
                .filter_map(|address| match address {
                    Address::Tcp(address) => Some(address.ip()),
                    Address::Unix(_) => None,
                })
                .collect();
            let local = ips.into_iter().filter(|ip| is_local(*ip)).collect();
            listening().map(|sockets| (sockets, local))
        };
        let of_look = |error: io::Error| {
            format!("the kernel does not list listening sockets ({error}); is inet_diag built?")
        };
        let pid = targets.first().map_or(0, |target| target.pid);
        if self.home == Some(namespace) {
            return look().map_err(of_look);
        }
        match namespace::within(self.proc.root(), pid, look) {
            Ok(seen) => seen.map_err(of_look),
            Err(Ok(error)) => Err(format!(
                "its network namespace cannot be entered ({error}); give the agent CAP_SYS_ADMIN"
            )),
            Err(Err(stranded)) => {
                report.stranded = true;
                let error = stranded.0;
                Err(format!(
                    "cannot come back from its network namespace: {error}"
                ))
            }
        }
    }

    fn match_up(
        &self,
        target: &Target,
        sockets: &[Listening],
        local: &BTreeSet<IpAddr>,
        wanted: &mut Wanted,
    ) {
        let root = Root::of_process(self.proc.root(), target.pid).ok();
        let file = |path: &str| file_of(root.as_ref()?, path);
        for address in &target.addresses {
            for inode in listeners(address, sockets, local, file) {
                let serves = (target.instance.clone(), address.clone());
                wanted.entry(inode).or_default().insert(serves);
            }
        }
    }
}

/// The sockets that take connections to an address. `file` gives what is at a path of nginx's root.
pub(super) fn listeners(
    address: &Address,
    sockets: &[Listening],
    local: &BTreeSet<IpAddr>,
    file: impl Fn(&str) -> Option<SocketFile>,
) -> Vec<u64> {
    let named = |name: &str| {
        let named = sockets.iter().filter(|socket| socket.name == name);
        named.map(|socket| socket.inode).collect::<Vec<_>>()
    };
    match address {
        Address::Tcp(address) if local.contains(&address.ip()) => {
            let of = |ip: IpAddr| named(&SocketAddr::new(ip, address.port()).to_string());
            let exact = of(address.ip());
            if !exact.is_empty() {
                return exact;
            }
            let own = match address.ip() {
                IpAddr::V4(_) => of(Ipv4Addr::UNSPECIFIED.into()),
                IpAddr::V6(_) => Vec::new(),
            };
            // A socket for both kinds.
            let both = || of(Ipv6Addr::UNSPECIFIED.into());
            Some(own).filter(|own| !own.is_empty()).unwrap_or_else(both)
        }
        Address::Tcp(_) => Vec::new(),
        Address::Unix(path) => {
            // The same file may have been bound by another name: /var/run is /run.
            let file = file(path);
            let same = sockets
                .iter()
                .filter(|socket| socket.file.is_some() && socket.file == file);
            let inodes: Vec<_> = same.map(|socket| socket.inode).collect();
            if inodes.is_empty() {
                named(&address.shown())
            } else {
                inodes
            }
        }
    }
}

/// The file at a path, as `unix_diag` tells of it.
fn file_of(root: &Root, path: &str) -> Option<SocketFile> {
    let stat = root.stat(Path::new(path)).ok()?;
    // 12 bits and 20: the kernel's own numbering.
    let device = major(stat.st_dev) << 20 | minor(stat.st_dev);
    let [a, b, c, d, ..] = stat.st_ino.to_le_bytes();
    let inode = u32::from_le_bytes([a, b, c, d]);
    Some(SocketFile { inode, device })
}

/// Whether an address is one of the calling thread's namespace, to which alone we may bind.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}
