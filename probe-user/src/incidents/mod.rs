//! `nginx-probe incidents`: what the journal says, for whoever may read it.
//!
//! The journal is read from its oldest file on ([`files`]); of each record no more is kept than is
//! asked for ([`line`]), and where it is, so that it can be read again. Nothing in it is trusted:
//! what is no record is passed over and counted, what steers a terminal is escaped.

mod columns;
mod files;
mod json;
mod line;
mod listing;
mod one;
mod said;
mod show;
mod when;

use std::io::{self, BufWriter, Write};

use anyhow::{Context as _, bail};

pub use self::when::When;
use self::{
    files::Files,
    listing::{Listing, Wanted},
    one::{Found, find},
};
use crate::{
    clock::Time,
    options::IncidentsOptions,
    sinks::{
        console::Output,
        journal::{Writer, writer},
        printable::printable,
    },
};

/// `nginx-probe incidents`.
///
/// # Errors
/// When the journal cannot be read, has no incident with the id that was asked for or several, or
/// standard output cannot be written.
pub fn run(options: &IncidentsOptions) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let result = to(&mut out, options, Time::now());
    let result = result.and_then(|()| out.flush().context("cannot write to standard output"));
    let gone = |error: &anyhow::Error| {
        let cause = error.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    };
    match result {
        // Who reads through `head` has what he wants.
        Err(error) if gone(&error) => Ok(()),
        result => result,
    }
}

fn to(out: &mut impl Write, options: &IncidentsOptions, now: Time) -> anyhow::Result<()> {
    let Some(journal) = options.journal() else {
        bail!("there is no journal to read: --journal (or NGINX_PROBE_JOURNAL) says none");
    };
    let wanted = Wanted {
        since: options.since.map(|when| when.time(now)),
        until: options.until.map(|when| when.time(now)),
        causes: options.cause.clone(),
        instances: options.nginx.clone(),
    };
    if let (Some(since), Some(until)) = (wanted.since, wanted.until)
        && since > until
    {
        bail!("--since ({since}) is after --until ({until}): no time is between them");
    }
    // Before the journal, so that an agent that begins meanwhile is not taken for the last one.
    let writer = writer(journal);
    let files = Files::open(journal)?;
    let name = journal.display().to_string();
    match &options.id {
        Some(id) => single(out, options.output, &files, &name, id, writer),
        None => many(out, options.output, &files, &name, &wanted, writer),
    }
}

fn single(
    out: &mut impl Write,
    output: Output,
    files: &Files,
    journal: &str,
    id: &str,
    writer: Writer,
) -> anyhow::Result<()> {
    let shown = printable(id);
    match find(files, id)? {
        Found::None => bail!(
            "no incident in the journal {journal} has an id that begins with {shown}; \
             `nginx-probe incidents` lists them"
        ),
        Found::Several(ids) => {
            let ids: Vec<_> = ids.iter().map(printable).collect();
            bail!(
                "several incidents have an id that begins with {shown}; say which: {}",
                ids.join(", ")
            )
        }
        Found::One(whole) => match output {
            Output::Text => show::show(out, files, &whole, writer),
            Output::Json => json::object(out, files, &whole, writer),
        },
    }
}

fn many(
    out: &mut impl Write,
    output: Output,
    files: &Files,
    journal: &str,
    wanted: &Wanted,
    writer: Writer,
) -> anyhow::Result<()> {
    let listing = Listing::read(files, wanted, writer)?;
    if listing.malformed > 0 {
        let number = listing.malformed;
        let lines = if number == 1 { "line is" } else { "lines are" };
        log::warn!("{number} {lines} torn or no records, and passed over: {journal}");
    }
    let written = "cannot write to standard output";
    match output {
        Output::Json => {
            for one in &listing.incidents {
                let line = json::line(&files.line(one.place)?);
                writeln!(out, "{line}").context(written)?;
            }
        }
        Output::Text if listing.incidents.is_empty() => {
            writeln!(out, "{}", listing::nothing(journal, &listing, wanted)).context(written)?;
        }
        Output::Text => listing::table(out, &listing, writer).context(written)?,
    }
    if output == Output::Json && listing.incidents.is_empty() {
        log::info!("{}", listing::nothing(journal, &listing, wanted));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
