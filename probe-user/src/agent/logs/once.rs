//! Requests that several logs have are counted in one of them.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::config::{AccessLog, LogTarget, ReadableLog, Settings};

/// The logs that only repeat what others of `logs` have: wherever they are written, another one is
/// too, of every request (without `if=`).
pub(super) fn repeated(settings: &Settings, logs: &[ReadableLog]) -> HashSet<PathBuf> {
    let readable: HashSet<&Path> = logs.iter().map(|log| &*log.path).collect();
    let mut lists: Vec<Vec<(&Path, &AccessLog)>> = Vec::new();
    let mut known = HashSet::new();
    for server in &settings.servers {
        server.visit(&mut |_, level| {
            let list = &level.effective.access_logs;
            if known.insert(Arc::as_ptr(list).cast::<()>()) {
                lists.push(files(list, &readable));
            }
        });
    }
    // A place with one log, or with logs that each have a part of the requests, needs them all.
    let mut needed: HashSet<&Path> = HashSet::new();
    for list in &lists {
        let whole = list.iter().any(|(_, log)| log.condition.is_none());
        if list.len() == 1 || !whole {
            needed.extend(list.iter().map(|(path, _)| *path));
        }
    }
    for list in &lists {
        let mut whole = list.iter().filter(|(_, log)| log.condition.is_none());
        if !whole.clone().any(|(path, _)| needed.contains(path)) {
            // Of several that would do, what says more of upstreams.
            let telling = whole.clone().find(|(_, log)| says_whose_answer(log));
            needed.extend(telling.or_else(|| whole.next()).map(|(path, _)| *path));
        }
    }
    let written: HashSet<&Path> = lists.iter().flatten().map(|(path, _)| *path).collect();
    written
        .difference(&needed)
        .map(|path| path.to_path_buf())
        .collect()
}

fn files<'a>(
    list: &'a [Arc<AccessLog>],
    readable: &HashSet<&Path>,
) -> Vec<(&'a Path, &'a AccessLog)> {
    list.iter()
        .filter_map(|log| match &log.target {
            LogTarget::File(path) if readable.contains(&**path) => Some((&**path, &**log)),
            _ => None,
        })
        .collect()
}

fn says_whose_answer(log: &AccessLog) -> bool {
    log.log_format
        .as_ref()
        .is_some_and(|format| memchr::memmem::find(&format.text, b"$upstream_status").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Build, Invocation},
        rooted::Root,
    };

    fn repeated_in(http: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let text =
            format!("events {{}} http {{ log_format up '$status $upstream_status'; {http} }}");
        std::fs::write(folder.path().join("c"), text).expect("written");
        let invocation = Invocation {
            conf_file: Some("/c".into()),
            ..Invocation::default()
        };
        let root = Root::at(folder.path()).expect("opened");
        let settings = Settings::read(&root, &Build::default(), &invocation, Path::new("/"));
        let logs = settings.readable_logs();
        let mut found: Vec<_> = repeated(&settings, &logs)
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        found.sort();
        found
    }

    #[test]
    fn each_request_is_counted_once() {
        for (http, expected) in [
            ("access_log /a; server {}", vec![]),
            ("access_log /a; access_log /b; server {}", vec!["/b"]),
            ("access_log /a; access_log /b up; server {}", vec!["/a"]),
            // Each has a part.
            (
                "access_log /a combined if=$x; access_log /b combined if=$y; server {}",
                vec![],
            ),
            (
                "access_log /a combined if=$x; access_log /b; server {}",
                vec!["/a"],
            ),
            // The other server has nothing else.
            (
                "server { access_log /a; access_log /b; } server { access_log /b; }",
                vec!["/a"],
            ),
            (
                "access_log /a; server { location / { access_log /a; access_log /b; } location /x {} }",
                vec!["/b"],
            ),
            ("access_log /a; access_log off; server {}", vec![]),
        ] {
            assert_eq!(repeated_in(http), expected, "{http}");
        }
    }
}
