//! Lines of at most 80 columns, with colours where they are seen.

use std::fmt::Write as _;

use crate::sinks::printable::printable;

const WIDTH: usize = 80;
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const PLAIN: &str = "\x1b[0m";

/// What is written so far. All text is made safe for a terminal.
pub struct Page {
    out: String,
    colours: bool,
}

impl Page {
    /// An empty page.
    #[must_use]
    pub const fn new(colours: bool) -> Self {
        Self {
            out: String::new(),
            colours,
        }
    }

    /// The page.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.out.push('\n');
    }

    /// A heading.
    pub fn bold(&mut self, text: &str) {
        self.styled(BOLD, text);
    }

    /// A heading of something wrong.
    pub fn bad(&mut self, text: &str) {
        self.styled(RED, text);
    }

    fn styled(&mut self, style: &str, text: &str) {
        for line in wrap(&printable(text), WIDTH) {
            if self.colours {
                let _ = writeln!(self.out, "{style}{line}{PLAIN}");
            } else {
                let _ = writeln!(self.out, "{line}");
            }
        }
    }

    /// Text, each line behind `indent`.
    pub fn text(&mut self, indent: &str, text: &str) {
        for line in wrap(&printable(text), WIDTH - width(indent)) {
            let _ = writeln!(self.out, "{indent}{line}");
        }
    }

    /// Text behind `head`; its further lines begin below its first word.
    pub fn hanging(&mut self, head: &str, text: &str) {
        let head = printable(head);
        let indent = width(&head).min(WIDTH / 2);
        for (at, line) in wrap(&printable(text), WIDTH - indent).iter().enumerate() {
            if at == 0 {
                let _ = writeln!(self.out, "{head}{line}");
            } else {
                let _ = writeln!(self.out, "{:indent$}{line}", "");
            }
        }
    }

    /// Columns of these widths, the last one to the right.
    pub fn row(&mut self, columns: &[(&str, usize)], marked: bool) {
        let mut line = String::from("   ");
        for (at, (text, width)) in columns.iter().enumerate() {
            if at + 1 == columns.len() {
                let _ = write!(line, "{text:>width$}");
            } else {
                let _ = write!(line, "{text:<width$} ");
            }
        }
        if marked && self.colours {
            let _ = writeln!(self.out, "{BOLD}{line}{PLAIN}");
        } else {
            let _ = writeln!(self.out, "{line}");
        }
    }

    /// A vital sign.
    pub fn vital(&mut self, name: &str, value: &str, limit: &str, ok: bool) {
        let mark = if ok { "  " } else { "!!" };
        let line = format!("{mark} {name:<37} {value:>9} {limit}");
        let line = printable(line.trim_end());
        if !ok && self.colours {
            let _ = writeln!(self.out, "{RED}{line}{PLAIN}");
        } else {
            let _ = writeln!(self.out, "{line}");
        }
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Cuts at spaces; a word that is too long has a line of its own.
fn wrap(text: &str, width_of_line: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > width_of_line {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_too_long_and_none_steers_the_terminal() {
        let mut page = Page::new(false);
        page.bold(&"word ".repeat(40));
        page.text("   ", &"é→ ".repeat(60));
        page.hanging("   → ", &"some advice that goes on ".repeat(8));
        page.text("", "red \x1b[31m and\nmore");
        let out = page.finish();
        assert!(out.lines().all(|line| width(line) <= WIDTH), "{out}");
        assert!(!out.contains('\x1b'), "{out}");
        let indented = |line: &str| line.starts_with("     ") && !line.starts_with("      ");
        assert!(out.lines().any(indented), "{out}");
    }
}
