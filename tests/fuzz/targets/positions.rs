//! Any file where positions of logs are kept.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nginx_probe::follow::Positions;
use nginx_probe_fuzz::Folder;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

fuzz_target!(|text: &[u8]| {
    FOLDER.write("positions.json", text);
    let (mut positions, problem) = Positions::open(FOLDER.path());
    if let Some(problem) = problem {
        assert!(!problem.to_string().is_empty());
        return;
    }
    let log = Path::new("/var/log/nginx/access.log");
    let found = positions.get("nginx", "access", log).cloned();
    if let Some(found) = &found {
        assert!(found.earlier.len() <= 8);
        positions.set("other", "access", log, found.clone());
    }
    positions.save().expect("the folder can be written");
    drop(positions);
    let (again, problem) = Positions::open(FOLDER.path());
    assert!(problem.is_none(), "what it writes it reads: {problem:?}");
    assert_eq!(again.get("nginx", "access", log), found.as_ref());
    if found.is_some() {
        assert_eq!(again.get("other", "access", log), found.as_ref());
    }
});
