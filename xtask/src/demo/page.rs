//! What the demo prints: headings, paragraphs and quotations, in a width that is easy to read.

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};

/// What every terminal shows, and a page that the output is pasted into.
const WIDTH: usize = 80;

const BOLD: &str = "1";
const DIM: &str = "2";
const CYAN: &str = "36";

/// Standard output as the demo uses it.
pub(super) struct Page {
    stdout: io::Stdout,
    closed: bool,
    colours: bool,
}

impl Page {
    /// In colours on a terminal only.
    pub(super) fn on_stdout() -> Self {
        let stdout = io::stdout();
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            colours: stdout.is_terminal() && !dumb && !set("NO_COLOR"),
            stdout,
            closed: false,
        }
    }

    /// A rule with a title in it.
    pub(super) fn heading(&mut self, title: &str) -> Result<()> {
        let text = format!("── {title} ");
        let rule = WIDTH.saturating_sub(text.chars().count());
        self.blank()?;
        self.blank()?;
        self.put(&self.coloured(BOLD, &(text + &"─".repeat(rule))))
    }

    /// Words of the demo itself.
    pub(super) fn paragraph(&mut self, text: &str) -> Result<()> {
        for line in wrapped(text, WIDTH, 0) {
            self.put(&line)?;
        }
        Ok(())
    }

    /// Who is quoted next.
    pub(super) fn label(&mut self, text: &str) -> Result<()> {
        self.blank()?;
        self.put(&self.coloured(DIM, text))
    }

    /// What a log says of a step.
    pub(super) fn log(&mut self, name: &str, lines: &[&str]) -> Result<()> {
        if lines.is_empty() {
            return self.label(&format!("{name}: nothing about it"));
        }
        self.label(&format!("{name}:"))?;
        for line in lines {
            for line in wrapped(&format!("  {line}"), WIDTH, HANGING) {
                self.put(&line)?;
            }
        }
        Ok(())
    }

    /// What the agent said, line by line as it said it but for the width.
    pub(super) fn quoted(&mut self, texts: &[String]) -> Result<()> {
        for line in texts.iter().flat_map(|text| text.lines()) {
            for line in wrapped(&format!("  {line}"), WIDTH, HANGING) {
                self.put(&self.coloured(CYAN, &line))?;
            }
        }
        Ok(())
    }

    /// A remark.
    pub(super) fn aside(&mut self, text: &str) -> Result<()> {
        self.put(&self.coloured(DIM, &format!("  {text}")))
    }

    /// One line as it is. Not with `println!`, which panics when nobody reads any more.
    pub(super) fn put(&mut self, line: &str) -> Result<()> {
        let outcome = writeln!(self.stdout, "{line}").and_then(|()| self.stdout.flush());
        self.closed |= outcome.is_err();
        outcome.context("writing to standard output")
    }

    /// Whether nobody reads any more.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    pub(super) fn blank(&mut self) -> Result<()> {
        self.put("")
    }

    fn coloured(&self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// How much further to the right a broken line goes on.
const HANGING: usize = 4;

/// `text` in lines of at most `width` characters, unless a word is longer. It keeps the spaces
/// that it begins with, and goes on `hanging` further to the right.
fn wrapped(text: &str, width: usize, hanging: usize) -> Vec<String> {
    let indent = text.len() - text.trim_start_matches(' ').len();
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut used = indent;
    let mut fresh = true;
    // Each word with the spaces before it: the agent's columns are kept.
    let mut spaces = 0;
    for word in text.trim_start_matches(' ').split(' ') {
        if word.is_empty() {
            spaces += 1;
            continue;
        }
        let length = word.chars().count();
        // A word that no line can hold does not leave an empty one behind.
        let fits = indent + hanging + length <= width;
        if !fresh && fits && used + 1 + spaces + length > width {
            lines.push(std::mem::take(&mut line));
            line.push_str(&" ".repeat(indent + hanging));
            used = indent + hanging;
            fresh = true;
        }
        let gap = if fresh { 0 } else { spaces + 1 };
        // Writing to a String cannot fail.
        let _ = write!(line, "{:gap$}{word}", "");
        used += gap + length;
        (fresh, spaces) = (false, 0);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_go_on_further_in() {
        assert_eq!(
            wrapped("  one two  three four", 12, 2),
            ["  one two", "    three", "    four"]
        );
        assert_eq!(wrapped("a  b c", 80, 0), ["a  b c"]);
        assert_eq!(wrapped("", 80, 0), [""]);
        assert_eq!(wrapped("x unbreakable", 5, 1), ["x unbreakable"]);
    }
}
