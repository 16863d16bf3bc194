//! What a new master's instance is called: the same after each restart, and never a process id.
//!
//! The pid file's path is the name, after what tells it from the same path elsewhere: the container's
//! name, else the systemd service, else where the master's root folder is. Where another nginx has
//! that name, the beginning of the container's id is put behind it, else a number, which the next one
//! in that place gets again.

use std::{collections::HashMap, path::Path, sync::Arc};

use super::{Fleet, Track, master::Master, place::Place};
use crate::{
    config,
    container::{
        Container, Identity,
        label::{Subject, Template, default_name, join},
        state::Host,
    },
    facts::{Event, Instance},
    proc::Proc,
    sinks::printable::steers,
};

/// The longest name, in characters.
const MAX_NAME: usize = 1024;
/// Instances of one name that are told apart.
const MAX_ALIKE: usize = 10_000;

/// How instances are named.
#[derive(Debug, Default)]
pub struct Naming {
    host: Option<Host>,
    host_name: String,
    template: Option<Template>,
    /// Device and inode of our own root folder.
    own_root: Option<(u64, u64)>,
}

impl Naming {
    /// Names by the files of the host whose first process is in that `/proc`.
    #[must_use]
    pub fn of_host(proc: &Proc) -> Self {
        Self::new(&proc.root().join("1/root"), String::new(), None)
    }

    /// Names by the files of the host whose root folder is at `host`, and by a template where there is
    /// one. Without that folder, containers go by their ids.
    #[must_use]
    pub fn new(host: &Path, host_name: String, template: Option<Template>) -> Self {
        let opened = Host::at(host);
        if let Err(error) = &opened {
            log::debug!("no container's name is known: {}: {error}", host.display());
        }
        Self {
            host: opened.ok(),
            host_name,
            template,
            own_root: Host::at(Path::new("/")).ok().map(|own| own.id()),
        }
    }

    pub(super) fn identity(&self, proc: &Proc, pid: u32) -> Identity {
        Identity::of_process(proc, pid, self.host.as_ref())
    }

    /// Whether a root folder is neither the host's nor ours.
    fn is_foreign(&self, config: &config::Master) -> bool {
        let host = self.host.as_ref().map(Host::id);
        config.root.id_of(Path::new("/")).is_some_and(|root| {
            host.is_some_and(|host| host != root) && self.own_root != Some(root)
        })
    }

    /// What a master is called where no other is called the same.
    fn name(
        &self,
        proc: &Proc,
        pid: u32,
        config: Option<&config::Master>,
        identity: &Identity,
    ) -> String {
        let pid_file = config
            .map(|config| printable(&config.settings.pid_path))
            .unwrap_or_default();
        if let Some(template) = &self.template {
            let name = template.name(&Subject {
                pid_file: &pid_file,
                identity,
                host: &self.host_name,
            });
            if !name.is_empty() {
                return name;
            }
        }
        let name = default_name(&pid_file, identity);
        let in_container = identity.container.is_some() && name != pid_file;
        if in_container || (!name.is_empty() && config.is_none_or(|one| !self.is_foreign(one))) {
            return name;
        }
        let service = identity.unit.as_deref();
        let service = service.filter(|unit| unit.ends_with(".service"));
        match (service, name.is_empty()) {
            (Some(service), true) => service.to_owned(),
            (Some(service), false) => join(service, &name),
            (None, true) => program(proc, pid),
            (None, false) => {
                let places = proc.root_paths(pid).into_iter().flatten();
                let mut elsewhere = places.filter(|place| place != Path::new("/"));
                elsewhere
                    .next()
                    .map_or_else(|| name.clone(), |root| join(&printable(&root), &name))
            }
        }
    }
}

impl<T: Track> Fleet<T> {
    /// Names instances in another way. Call it before [`Self::scan`].
    pub fn set_naming(&mut self, naming: Naming) {
        self.naming = naming;
    }

    /// The instance of a new master, and the number of its configuration. A master that follows
    /// another in the same place goes on with its name; of two places with one name, the second has
    /// its container's id beside it, else a number, so that nothing is mixed up. Nobody has the name of
    /// what another user runs, or ran last, whatever the title says; `owner` is where the master
    /// belongs to, where that is known.
    pub(super) fn name(
        &self,
        pid: u32,
        config: Option<&config::Master>,
        identity: &Identity,
        owner: Option<&Place>,
    ) -> (Instance, u32) {
        let wanted = self.naming.name(&self.proc, pid, config, identity);
        let mut holders: HashMap<&str, Vec<&Master>> = HashMap::new();
        for master in self.masters.values() {
            holders.entry(&master.instance).or_default().push(master);
        }
        let mut names = self.names(&wanted, identity);
        let is_own = |place: &Place| owner.is_none_or(|owner| owner.has_user_of(place));
        let free = names.find_map(|name| {
            let mut holders = holders.get(&*name).into_iter().flatten();
            let ended = self.ends.get(&*name);
            match holders.find(|master| self.is_alive(master)) {
                None if ended.is_none_or(|ended| is_own(&ended.place)) => Some((name.into(), 1)),
                Some(holder)
                    if is_own(&holder.place) && is_same_place(holder, config, identity) =>
                {
                    Some((holder.instance.clone(), holder.generation + 1))
                }
                _ => None,
            }
        });
        let (name, generation) = free.unwrap_or_else(|| (wanted.clone().into(), 1));
        if generation == 1 && *name != *wanted {
            log::warn!(
                "master {pid} is called {name}: another nginx is called {wanted} as well; \
                 --instance-label can tell them apart"
            );
        }
        (name, generation)
    }

    /// What an instance may be called, the best first. A container that was told from others by its
    /// id is called the same after a restart, though its plain name may be free by then.
    fn names(&self, wanted: &str, identity: &Identity) -> impl Iterator<Item = String> {
        let container = identity.container.as_ref();
        let id = container.and_then(Container::short_id);
        let by_id = id.map(|id| format!("{wanted}#{id}"));
        let known = by_id.as_deref();
        let known = known.filter(|name| self.identified.contains(*name));
        let known = known.map(str::to_owned);
        let plain = wanted.to_owned();
        let numbered = move |number| match id {
            Some(id) => format!("{wanted}#{id}-{number}"),
            None => format!("{wanted}#{number}"),
        };
        let first = known.into_iter().chain([plain]).chain(by_id);
        first.chain((2..MAX_ALIKE).map(numbered))
    }

    /// Says where an instance runs; nothing where nothing is known and nothing was said before.
    pub(super) fn identify(&mut self, boot_ns: u64, instance: &Instance, identity: &Identity) {
        let known = self.identified.contains(instance);
        if !identity.is_empty() {
            self.identified.insert(instance.clone());
        } else if !known {
            return;
        }
        let identity = Arc::new(identity.clone());
        self.fact(boot_ns, instance, Event::Identity(identity));
    }

    /// An instance has been gone for long.
    pub fn forget_instance(&mut self, instance: &Instance) {
        self.identified.remove(instance);
        self.ends.remove(instance);
    }

    /// A master whose end nobody told of still has its name.
    fn is_alive(&self, master: &Master) -> bool {
        self.processes
            .get(&master.pid)
            .is_some_and(|process| self.is_same(master.pid, process))
    }
}

/// Whether a new master runs where another does: the same container, the same files.
fn is_same_place(one: &Master, config: Option<&config::Master>, identity: &Identity) -> bool {
    let id = |identity: &Identity| identity.container.as_ref().and_then(|one| one.id.clone());
    match (id(&one.identity), id(identity)) {
        (Some(one), Some(other)) if one != other => return false,
        (None, Some(_)) | (Some(_), None) => return false,
        _ => {}
    }
    let (Some(one), Some(other)) = (one.config.as_ref(), config) else {
        return false;
    };
    let pid_folder = |config: &config::Master| {
        let folder = config.settings.pid_path.parent();
        config.root.id_of(folder.unwrap_or_else(|| Path::new("/")))
    };
    let root = one.root.id_of(Path::new("/"));
    root.is_some()
        && root == other.root.id_of(Path::new("/"))
        && pid_folder(one) == pid_folder(other)
}

/// The program and its arguments that say which nginx it is, for one whose configuration cannot be
/// read.
fn program(proc: &Proc, pid: u32) -> String {
    let title = proc.title(pid).unwrap_or_default();
    let command = config::invocation::command_of(&title);
    let command = String::from_utf8_lossy(command);
    let command = printable(Path::new(command.trim()));
    if command.is_empty() {
        let status = proc.status(pid);
        return status.map_or_else(|| "nginx".to_owned(), |status| status.comm);
    }
    command
}

/// A path from a configuration, which may hold any byte, fit for a label and a terminal.
pub(super) fn printable(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = text.chars().take(MAX_NAME);
    text.map(|char| if steers(char) { '?' } else { char })
        .collect()
}
