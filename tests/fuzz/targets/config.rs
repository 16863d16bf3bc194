//! Any configuration: the directives of `-g`, the main file, and one that it may include.
//!
//! Input: the main file, `%%`, the included file `/inc.conf`, `%%`, the text of `-g`.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use nginx_probe::access_log::Format;
use nginx_probe::config::lexer::{Lexer, Statement};
use nginx_probe::config::location::Handler;
use nginx_probe::config::read::{MAX_BLOCK_DEPTH, MAX_WARNINGS};
use nginx_probe::config::{Build, Invocation, Master, Settings};
use nginx_probe::rooted::Root;
use nginx_probe::stub_status::endpoints;
use nginx_probe_fuzz::{Folder, parts};

static FOLDER: LazyLock<(Folder, Arc<Root>)> = LazyLock::new(|| {
    let folder = Folder::new();
    let root = Root::at(folder.path()).expect("the folder");
    (folder, Arc::new(root))
});

fuzz_target!(|input: &[u8]| {
    let [main, included, global] = parts(input);
    lex(main);
    let (folder, root) = &*FOLDER;
    folder.write("nginx.conf", main);
    folder.write("inc.conf", included);
    let invocation = Invocation {
        conf_file: Some("/nginx.conf".into()),
        directives: (!global.is_empty()).then(|| global.to_vec()),
        ..Invocation::default()
    };
    let build = Build::default();
    let read = || Settings::read(root, &build, &invocation, Path::new("/"));
    let settings = read();
    // Reading the same files again gives an equal value.
    assert!(settings == read());
    // Those of reading and those of understanding, and what counts the rest of each.
    assert!(settings.warnings.len() <= 2 * (MAX_WARNINGS + 1));
    ask(&settings);
    let master = Master {
        root: Arc::clone(root),
        build,
        invocation,
        settings,
    };
    for endpoint in endpoints(&master) {
        let _ = endpoint.can_be_asked();
    }
});

/// Every statement takes at least a byte, and lines only go up.
fn lex(text: &[u8]) {
    let mut lexer = Lexer::new(text);
    let (mut count, mut line) = (0, 1);
    while let Ok(Some(statement)) = lexer.statement() {
        count += 1;
        assert!(count <= text.len() + 1);
        let (Statement::Simple(words) | Statement::Open(words)) = statement else {
            continue;
        };
        assert!(line <= words.line);
        line = words.line;
        let bytes: usize = words.arguments().map(<[u8]>::len).sum();
        assert!(bytes + words.name().len() <= text.len());
        assert_eq!(words.argument(0), words.arguments().next());
    }
}

fn ask(settings: &Settings) {
    for log in settings.readable_logs() {
        assert!(log.path.is_absolute());
        assert!(!log.formats.is_empty() || log.unknown_format);
        let _ = log.is_mixed();
    }
    for format in &settings.log_formats {
        let _ = Format::compile(&format.text, format.escape);
    }
    for socket in settings.sockets() {
        assert!(socket.servers.contains(&socket.default_server));
    }
    for status in settings.stub_statuses() {
        assert!(!status.path.bytes().any(|byte| byte.is_ascii_control()));
        assert!(!status.host.bytes().any(|byte| byte.is_ascii_control()));
    }
    for place in settings.places(|_| true) {
        assert!(place.locations.len() <= MAX_BLOCK_DEPTH);
        let levels = place.locations.iter().map(|location| &location.level);
        let Some(level) = levels.last().or(Some(&place.server.level)) else {
            continue;
        };
        let effective = &level.effective;
        let _ = (effective.error_page(500), effective.lua.names().count());
        if let Some(Handler::Pass(pass)) = &level.handler {
            let _ = (settings.upstream(pass), pass.port());
            let _ = effective.intercepts(pass.protocol);
        }
    }
}
