//! Many incidents: the latest state of each, the newest first.

use std::{
    cmp::Reverse,
    collections::HashMap,
    io::{self, Write},
};

use super::{
    columns::{count, cut, lasted},
    files::{Files, Unreadable},
    line::{Digest, State, digest, head},
};
use crate::{
    clock::Time,
    sinks::{journal::Writer, printable::printable},
};

/// Incidents that are listed at most; of more, those that began last.
const MOST: usize = 10_000;
/// Columns of an instance's name.
const INSTANCE: usize = 30;
/// Columns of a terminal.
const WIDTH: usize = 80;

/// Which incidents are wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Not over by then.
    pub since: Option<Time>,
    /// Begun by then.
    pub until: Option<Time>,
    /// Any of these; all when there are none.
    pub causes: Vec<String>,
    /// Any of these; all when there are none.
    pub instances: Vec<String>,
}

impl Wanted {
    /// Whether none is left out.
    pub(super) const fn all(&self) -> bool {
        self.since.is_none()
            && self.until.is_none()
            && self.causes.is_empty()
            && self.instances.is_empty()
    }

    /// What stays as it is for an incident's whole life.
    fn begun_right(&self, incident: &Digest) -> bool {
        let any =
            |wanted: &[String], has: &str| wanted.is_empty() || wanted.iter().any(|one| one == has);
        self.until.is_none_or(|until| incident.opened_at <= until)
            && any(&self.causes, &incident.cause)
            && any(&self.instances, &incident.instance)
    }

    fn ended_right(&self, incident: &Digest, writer: Writer) -> bool {
        let over = match incident.stands(writer) {
            Stands::Open => None,
            Stands::LeftOpen => Some(incident.time.max(incident.last)),
            Stands::Closed => Some(incident.closed_at.unwrap_or(incident.time)),
        };
        self.since
            .is_none_or(|since| over.is_none_or(|over| over >= since))
    }
}

/// Where an incident stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// It goes on.
    Open,
    /// Nobody saw its end: the agent ended before it.
    LeftOpen,
    /// It is over.
    Closed,
}

impl Digest {
    pub(super) fn stands(&self, writer: Writer) -> Stands {
        match (self.state, writer) {
            (State::Closed, _) => Stands::Closed,
            (_, Writer::Gone) => Stands::LeftOpen,
            (_, Writer::Since(start)) if self.time < start => Stands::LeftOpen,
            _ => Stands::Open,
        }
    }
}

/// The incidents of a journal that are wanted.
pub(super) struct Listing {
    /// The newest first.
    pub incidents: Vec<Digest>,
    /// Older ones are left out: there are too many.
    pub cut: bool,
    /// Whether the journal has any incident.
    pub any: bool,
    /// Lines that are no records, wholly or in part.
    pub malformed: u64,
}

impl Listing {
    /// Reads the journal.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn read(files: &Files, wanted: &Wanted, writer: Writer) -> Result<Self, Unreadable> {
        Self::at_most(MOST, files, wanted, writer)
    }

    fn at_most(
        most: usize,
        files: &Files,
        wanted: &Wanted,
        writer: Writer,
    ) -> Result<Self, Unreadable> {
        let mut latest: HashMap<String, Digest> = HashMap::new();
        let (mut any, mut cut, mut malformed) = (false, false, 0);
        let too_long = files.scan(|place, line| {
            if line.is_empty() {
                return;
            }
            let Some(head) = head(line) else {
                malformed += 1;
                return;
            };
            if head.kind != "incident" {
                return;
            }
            let Some(incident) = digest(place, &head, line) else {
                malformed += 1;
                return;
            };
            any = true;
            if wanted.begun_right(&incident) {
                latest.insert(incident.id.clone(), incident);
            }
            if latest.len() >= most.saturating_mul(2) {
                cut = true;
                keep_newest(&mut latest, most);
            }
        })?;
        let mut incidents: Vec<_> = latest
            .into_values()
            .filter(|incident| wanted.ended_right(incident, writer))
            .collect();
        incidents.sort_by(|one, other| order(one).cmp(&order(other)));
        cut |= incidents.len() > most;
        incidents.truncate(most);
        let malformed = malformed + too_long;
        Ok(Self {
            incidents,
            cut,
            any,
            malformed,
        })
    }
}

fn order(incident: &Digest) -> Reverse<(Time, &str)> {
    Reverse((incident.opened_at, &incident.id))
}

fn keep_newest(latest: &mut HashMap<String, Digest>, most: usize) {
    let mut all: Vec<_> = latest.drain().map(|(_, incident)| incident).collect();
    all.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
    all.truncate(most);
    let pairs = all.into_iter().map(|one| (one.id.clone(), one));
    latest.extend(pairs);
}

/// Writes the incidents as a table of two lines each, which fits 80 columns.
///
/// # Errors
/// When it cannot be written.
pub(super) fn table(out: &mut impl Write, listing: &Listing, writer: Writer) -> io::Result<()> {
    let mut left_open = false;
    writeln!(
        out,
        "{:<15} {:<19}  {:<9}  {:<20} {:>6} {:>4}",
        "ID", "OPENED (UTC)", "LASTED", "CAUSE", "FAILED", "LOST"
    )?;
    for one in &listing.incidents {
        let opened = one.opened_at.to_string().replacen('T', " ", 1);
        let stands = one.stands(writer);
        left_open |= stands == Stands::LeftOpen;
        let long = match stands {
            Stands::Open => "open".to_owned(),
            Stands::LeftOpen => "left open".to_owned(),
            Stands::Closed => lasted(one.last.since(one.opened_at)),
        };
        let lost = one.lost.map_or_else(|| "-".to_owned(), count);
        let line = format!(
            "{} {}  {long:<9}  {} {:>6} {lost:>4}",
            cut(&one.id, 15),
            opened.get(..19).unwrap_or(&opened),
            cut(&one.cause, 20),
            count(one.failed),
        );
        writeln!(out, "{line}")?;
        let about = format!("    {}: ", cut(&one.instance, INSTANCE).trim_end());
        let room = WIDTH.saturating_sub(unicode_width::UnicodeWidthStr::width(about.as_str()));
        writeln!(out, "{about}{}", cut(&one.summary, room).trim_end())?;
    }
    let number = listing.incidents.len();
    let plural = if number == 1 { "" } else { "s" };
    let more = if listing.cut {
        " (older ones are left out: narrow the list with --since and --until)"
    } else {
        ""
    };
    writeln!(out, "\n{number} incident{plural}{more}")?;
    if left_open {
        writeln!(
            out,
            "left open: the agent ended first, so nobody saw the end"
        )?;
    }
    writeln!(
        out,
        "`nginx-probe incidents ID` shows one with its evidence"
    )
}

/// What to say when there is nothing to list.
pub(super) fn nothing(journal: &str, listing: &Listing, wanted: &Wanted) -> String {
    let journal = printable(journal);
    if listing.any && !wanted.all() {
        format!("no incident in the journal {journal} is of that time, cause and nginx")
    } else {
        format!("no incident is in the journal {journal}")
    }
}

#[cfg(test)]
mod tests;
