//! Walks a configuration: the main file, and what it includes, in nginx's order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::include;
use super::lexer::{Lexer, Statement, Words};
use crate::rooted::Root;

/// How deep includes may nest.
pub const MAX_INCLUDE_DEPTH: usize = 32;
/// How many files are read. A file that is included twice counts once.
pub const MAX_FILES: usize = 1_000;
/// How often files are included, repetitions and missing ones counted.
pub const MAX_INCLUDES: usize = 20_000;
/// The size of one file, in bytes.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// The size of everything that is walked, in bytes; a file that is included twice counts twice.
pub const MAX_TOTAL_BYTES: usize = 32 * 1024 * 1024;
/// How deep blocks may nest.
pub const MAX_BLOCK_DEPTH: usize = 128;
/// Warnings that are kept.
pub const MAX_WARNINGS: usize = 100;
/// Names that all wildcards together may look at.
const MAX_NAMES: usize = 100_000;

/// Blocks that hold values, not directives. Their includes are tables that can be huge (a `geo`
/// base), so they are not read.
const TABLES: [&[u8]; 5] = [b"types", b"map", b"geo", b"split_clients", b"charset_map"];

/// A block that is open where a directive stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// `http`, `server`, `location` …
    pub name: Vec<u8>,
}

impl Block {
    /// Whether it holds values, not directives.
    #[must_use]
    pub fn is_table(&self) -> bool {
        is_table(&self.name)
    }
}

/// Whether blocks of this name hold values, not directives.
#[must_use]
pub fn is_table(name: &[u8]) -> bool {
    TABLES.contains(&name)
}

/// What a walk comes by, in order.
#[derive(Debug)]
pub enum Event<'a> {
    /// A directive that ends in `;`. Never an `include` outside a table: those are followed.
    Directive(&'a Words<'a>),
    /// A block begins; it is not among the open blocks yet.
    Open(&'a Words<'a>),
    /// The last of the open blocks ends.
    Close,
}

/// Called with the open blocks, outermost first, and each event.
pub type Visit<'a> = dyn FnMut(&[Block], &Event) + 'a;

/// What a walk read, and what it could not.
#[derive(Debug, Default)]
pub struct Report {
    /// Every file read, in the order of their first use.
    pub files: Vec<PathBuf>,
    /// What was left out, for people. At most [`MAX_WARNINGS`] and one that counts the rest.
    pub warnings: Vec<String>,
    /// Files that could not be read, or not to their end: what they say is not known.
    pub unread: usize,
    unkept_warnings: usize,
}

impl Report {
    /// Adds a warning, or counts it.
    pub fn warn(&mut self, warning: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning);
        } else {
            self.unkept_warnings += 1;
        }
    }
}

/// Walks the directives of `-g`, then the file `main` in `root`.
///
/// A part that cannot be read becomes a warning, and the walk goes on with the next: what an
/// operator has half edited still says where the logs are.
pub fn walk(root: &Root, global: Option<&[u8]>, main: &Path, visit: &mut Visit) -> Report {
    let folder = main.parent().unwrap_or(Path::new("/")).to_owned();
    let mut walker = Walker {
        root,
        folder,
        visit,
        report: Report::default(),
        blocks: Vec::new(),
        including: Vec::new(),
        texts: HashMap::new(),
        includes: 0,
        bytes: 0,
        names: MAX_NAMES,
    };
    if let Some(text) = global {
        walker.text(text, Path::new("the option -g"));
    }
    walker.file(main);
    let mut report = walker.report;
    if report.unkept_warnings > 0 {
        report
            .warnings
            .push(format!("{} more warnings", report.unkept_warnings));
    }
    report
}

struct Walker<'a, 'v> {
    root: &'a Root,
    folder: PathBuf,
    visit: &'a mut Visit<'v>,
    report: Report,
    blocks: Vec<Block>,
    including: Vec<PathBuf>,
    /// Kept because a snippet is often included once per server.
    texts: HashMap<PathBuf, Rc<[u8]>>,
    includes: usize,
    bytes: usize,
    names: usize,
}

impl Walker<'_, '_> {
    fn file(&mut self, path: &Path) {
        if let Err(why) = self.try_file(path) {
            self.report.unread += 1;
            self.report.warn(why);
        }
    }

    fn try_file(&mut self, path: &Path) -> Result<(), String> {
        let shown = path.display();
        self.includes += 1;
        if self.includes > MAX_INCLUDES {
            return Err(format!(
                "{shown} was not read: more than {MAX_INCLUDES} includes"
            ));
        }
        if self.including.len() >= MAX_INCLUDE_DEPTH {
            return Err(format!(
                "{shown} was not read: includes nest over {MAX_INCLUDE_DEPTH} deep"
            ));
        }
        if self.including.iter().any(|open| open == path) {
            return Err(format!("{shown} includes itself"));
        }
        let text = match self.texts.get(path) {
            Some(text) => Rc::clone(text),
            None => self.load(path)?,
        };
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > MAX_TOTAL_BYTES {
            return Err(format!(
                "{shown} was not read: the configuration is over {MAX_TOTAL_BYTES} bytes"
            ));
        }
        self.including.push(path.to_owned());
        self.text(&text, path);
        self.including.pop();
        Ok(())
    }

    fn load(&mut self, path: &Path) -> Result<Rc<[u8]>, String> {
        let shown = path.display();
        if self.texts.len() >= MAX_FILES {
            return Err(format!("{shown} was not read: more than {MAX_FILES} files"));
        }
        let (file, _) = self
            .root
            .open_regular(path)
            .map_err(|error| error.to_string())?;
        let mut text = Vec::new();
        file.take(MAX_FILE_BYTES as u64 + 1)
            .read_to_end(&mut text)
            .map_err(|error| format!("{shown} could not be read: {error}"))?;
        if text.len() > MAX_FILE_BYTES {
            return Err(format!(
                "{shown} was not read: it is over {MAX_FILE_BYTES} bytes"
            ));
        }
        let text: Rc<[u8]> = text.into();
        self.texts.insert(path.to_owned(), Rc::clone(&text));
        self.report.files.push(path.to_owned());
        Ok(text)
    }

    /// Walks one text. Blocks that it leaves open end with it, as nginx demands.
    fn text(&mut self, text: &[u8], from: &Path) {
        let base = self.blocks.len();
        let mut lexer = Lexer::new(text);
        let stopped = loop {
            match lexer.statement() {
                Ok(Some(Statement::Simple(words))) => self.directive(&words),
                Ok(Some(Statement::Open(words))) => {
                    if self.blocks.len() >= MAX_BLOCK_DEPTH {
                        break Some(Cow::from(format!(
                            "line {}: blocks nest over {MAX_BLOCK_DEPTH} deep",
                            words.line
                        )));
                    }
                    (self.visit)(&self.blocks, &Event::Open(&words));
                    self.blocks.push(Block {
                        name: words.name().to_vec(),
                    });
                }
                Ok(Some(Statement::Close)) if self.blocks.len() > base => self.close(),
                Ok(Some(Statement::Close)) => break Some("a `}` too many".into()),
                Ok(None) if self.blocks.len() > base => break Some("a block is not closed".into()),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string().into()),
            }
        };
        while self.blocks.len() > base {
            self.close();
        }
        if let Some(why) = stopped {
            self.report.unread += 1;
            self.report
                .warn(format!("{}: {why}; the rest was not read", from.display()));
        }
    }

    fn close(&mut self) {
        (self.visit)(&self.blocks, &Event::Close);
        self.blocks.pop();
    }

    fn directive(&mut self, words: &Words) {
        let in_table = self.blocks.last().is_some_and(Block::is_table);
        match words.argument(0) {
            Some(target) if words.name() == b"include" && !in_table => {
                let path = self.folder.join(super::path_of(target));
                if include::is_pattern(&path) {
                    self.includes += 1;
                    let expanded = include::expand(self.root, &path, &mut self.names);
                    for error in expanded.denied {
                        self.report.unread += 1;
                        self.report.warn(error.to_string());
                    }
                    for path in expanded.paths {
                        self.file(&path);
                    }
                    if self.names == 0 {
                        self.report.unread += 1;
                        self.report
                            .warn(format!("{}: too many files", path.display()));
                    }
                } else {
                    self.file(&path);
                }
            }
            _ => (self.visit)(&self.blocks, &Event::Directive(words)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// Walks `/m` of a root that has these files: the events as one line, and the report.
    fn walked(files: &[(&str, &[u8])]) -> (String, Report) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = Root::at(folder.path()).unwrap();
        let mut shown = String::new();
        let report = walk(&root, None, Path::new("/m"), &mut |blocks, event| {
            let text = |words: &Words| String::from_utf8_lossy(words.name()).into_owned();
            match event {
                Event::Directive(words) => write!(shown, "{}{};", blocks.len(), text(words)),
                Event::Open(words) => write!(shown, "{}{{", text(words)),
                Event::Close => write!(shown, "}}"),
            }
            .unwrap();
        });
        (shown, report)
    }

    #[test]
    fn includes_are_followed_where_they_stand() {
        let (shown, report) = walked(&[
            ("m", b"a; h { include d/*.c; include t; include t; b; }"),
            ("d/1.c", b"x { include t; }"),
            ("d/2.c", b"y;"),
            ("t", b"z;"),
        ]);
        assert_eq!(shown, "0a;h{x{2z;}1y;1z;1z;1b;}");
        assert_eq!(report.warnings, [""; 0]);
        assert_eq!(
            report.files,
            ["/m", "/d/1.c", "/t", "/d/2.c"].map(PathBuf::from)
        );
    }

    #[test]
    fn what_cannot_be_read_is_a_warning() {
        let (shown, report) = walked(&[
            (
                "m",
                b"h { include none; include d; include bad; include open; include m; a; }",
            ),
            ("d/x", b""),
            ("bad", b"b; } c;"),
            ("open", b"o { p; 'q"),
        ]);
        assert_eq!(shown, "h{1b;o{2p;}1a;}");
        assert_eq!(
            report.warnings,
            [
                "/none does not exist",
                "/d is not a regular file (a folder)",
                "/bad: a `}` too many; the rest was not read",
                "/open: line 1: a quote is not closed; the rest was not read",
                "/m includes itself",
            ]
        );
        assert_eq!(report.unread, report.warnings.len());
    }

    #[test]
    fn tables_hold_no_directives() {
        let (shown, report) =
            walked(&[("m", b"map $a $b { include big; pid x; } geo { include y; }")]);
        assert_eq!(shown, "map{1include;1pid;}geo{1include;}");
        assert_eq!(report.warnings, [""; 0]);
    }

    #[test]
    fn hostile_trees_end() {
        let (_, report) = walked(&[("m", &b"a{".repeat(2_000_000))]);
        assert_eq!(
            report.warnings,
            ["/m: line 1: blocks nest over 128 deep; the rest was not read"]
        );

        let mut chain = vec![("m".to_owned(), b"include 0;".to_vec())];
        for step in 0..40 {
            // Two paths to the same next file: 2^40 without a limit.
            let next = format!("include {0}; include ./{0};", step + 1);
            chain.push((step.to_string(), next.into_bytes()));
        }
        let chain: Vec<_> = chain
            .iter()
            .map(|(name, text)| (&**name, &**text))
            .collect();
        let (_, report) = walked(&chain);
        assert_eq!(report.warnings.len(), MAX_WARNINGS + 1);
        assert!(report.warnings.last().unwrap().ends_with("more warnings"));

        let large = vec![b'#'; MAX_FILE_BYTES];
        let over = vec![b'#'; MAX_FILE_BYTES + 1];
        let (_, report) = walked(&[("m", &b"include large; ".repeat(9)), ("large", &large)]);
        assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
        let (_, report) = walked(&[("m", &over)]);
        assert_eq!(
            report.warnings,
            ["/m was not read: it is over 4194304 bytes"]
        );
    }
}
