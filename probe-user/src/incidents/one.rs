//! One incident: its latest state, how it came to that, and what else happened to that nginx.

use std::{collections::VecDeque, time::Duration};

use super::{
    files::{Files, Place, Unreadable},
    line::{Digest, State, digest, head},
};
use crate::clock::Time;

/// Incidents whose id begins so that are named when there are several.
const NAMED: usize = 8;
/// Records at the beginning of an incident that are shown, and at its end.
const SHOWN: usize = 50;
/// The same of failed responses, of which there may be many more than of all others.
const SHOWN_RESPONSES: usize = 10;
/// What led to an incident came so long before it at most.
const BEFORE: Duration = Duration::from_secs(2);

/// What was found of an id.
pub(super) enum Found {
    /// No incident has it.
    None,
    /// Several begin with it; some of them.
    Several(Vec<String>),
    /// This one.
    One(Box<Whole>),
}

/// All that the journal has of an incident.
pub(super) struct Whole {
    /// Its latest state.
    pub latest: Digest,
    /// Its first record, unless that is not there any more.
    pub first: Option<Digest>,
    /// How often it was told to go on, and when last.
    pub updates: u64,
    pub updated: Option<Time>,
    /// What happened to the same nginx while it lasted, responses aside.
    pub records: Trail,
    /// Failed responses.
    pub responses: Trail,
}

/// The first records of many and the last.
pub(super) struct Trail {
    first: Vec<Place>,
    last: VecDeque<Place>,
    most: usize,
    /// So many between them are left out.
    pub omitted: u64,
}

impl Trail {
    const fn new(most: usize) -> Self {
        Self {
            first: Vec::new(),
            last: VecDeque::new(),
            most,
            omitted: 0,
        }
    }

    fn push(&mut self, place: Place) {
        if self.first.len() < self.most {
            self.first.push(place);
            return;
        }
        self.last.push_back(place);
        if self.last.len() > self.most {
            self.last.pop_front();
            self.omitted += 1;
        }
    }

    /// Where they are, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.first.iter().chain(&self.last).copied()
    }
}

/// Finds the incident with this id, or the only one whose id begins so, and all about it.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn find(files: &Files, id: &str) -> Result<Found, Unreadable> {
    let mut exact = None;
    let mut alike: Vec<Digest> = Vec::new();
    files.scan(|place, line| {
        let Some(incident) = incident(place, line) else {
            return;
        };
        if incident.id == id {
            exact = Some(incident);
        } else if incident.id.starts_with(id) {
            if let Some(known) = alike.iter_mut().find(|known| known.id == incident.id) {
                *known = incident;
            } else if alike.len() < NAMED {
                alike.push(incident);
            }
        }
    })?;
    let latest = match (exact, alike.len()) {
        (Some(exact), _) => exact,
        (None, 0) => return Ok(Found::None),
        (None, 1) => alike.remove(0),
        (None, _) => {
            return Ok(Found::Several(
                alike.into_iter().map(|one| one.id).collect(),
            ));
        }
    };
    Ok(Found::One(Box::new(Whole::read(files, latest)?)))
}

fn incident(place: Place, line: &[u8]) -> Option<Digest> {
    let head = head(line)?;
    (head.kind == "incident")
        .then(|| digest(place, &head, line))
        .flatten()
}

impl Whole {
    fn read(files: &Files, latest: Digest) -> Result<Self, Unreadable> {
        let from = Time(latest.opened_at.0.saturating_sub(micros(BEFORE)));
        let end = latest.closed_at.unwrap_or(latest.time).max(latest.last);
        let mut whole = Self {
            latest,
            first: None,
            updates: 0,
            updated: None,
            records: Trail::new(SHOWN),
            responses: Trail::new(SHOWN_RESPONSES),
        };
        files.scan(|place, line| {
            let Some(head) = head(line) else {
                return;
            };
            if head.kind == "incident" {
                let same = |one: &Digest| one.id == whole.latest.id;
                if let Some(one) = digest(place, &head, line).filter(same) {
                    whole.told(one);
                }
                return;
            }
            let here = head.instance == whole.latest.instance && head.host == whole.latest.host;
            if here && (from..=end).contains(&head.time) {
                if head.kind == "response" {
                    whole.responses.push(place);
                } else {
                    whole.records.push(place);
                }
            }
        })?;
        Ok(whole)
    }

    fn told(&mut self, one: Digest) {
        match one.state {
            State::Opened => drop(self.first.get_or_insert(one)),
            State::Updated => {
                self.updates += 1;
                self.updated = Some(one.time);
            }
            State::Closed => {}
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::{super::line::tests::incident, *};

    fn files(records: &[Value]) -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = folder.path().join("j");
        let lines = records.iter().map(|record| format!("{record}\n"));
        fs::write(&journal, lines.collect::<String>()).expect("written");
        let files = Files::open(&journal).expect("open");
        (folder, files)
    }

    fn record(kind: &str, time: &str, instance: &str, host: &str) -> Value {
        json!({"time": format!("2026-01-02T03:04:{time}Z"), "type": kind,
               "instance": instance, "host": host, "generation": 1})
    }

    #[test]
    fn an_id_or_its_beginning_finds_one() {
        let ids = ["a-1", "a-10", "ab-2", "c-1"];
        let records = ids.map(|id| incident(id, "opened", &json!({})));
        let (_folder, files) = files(&records);
        let found = |id| match find(&files, id).expect("read") {
            Found::None => "none".to_owned(),
            Found::Several(ids) => ids.join(" "),
            Found::One(one) => format!("= {}", one.latest.id),
        };
        assert_eq!(found("a-1"), "= a-1", "although another begins so");
        assert_eq!(found("c"), "= c-1");
        assert_eq!(found("a"), "a-1 a-10 ab-2");
        assert_eq!(found("d"), "none");
        assert_eq!(found("a-11"), "none");
    }

    #[test]
    fn what_happened_meanwhile_to_that_nginx_belongs_to_it() {
        let mine = "/run/nginx.pid";
        let closed = json!({"closed_at": "2026-01-02T03:04:20Z", "summary": "over"});
        let records = [
            record("reload", "02.9", mine, "web1"),
            record("reload", "03.1", mine, "web1"),
            record("worker_exit", "05", mine, "web1"),
            incident("a-1", "opened", &json!({})),
            incident("a-2", "opened", &json!({})),
            record("worker_exit", "06", "/run/other.pid", "web1"),
            record("worker_exit", "06", mine, "web2"),
            incident("a-1", "updated", &json!({})),
            json!("torn"),
            incident("a-1", "updated", &json!({"time": "2026-01-02T03:04:11Z"})),
            record("response", "07", mine, "web1"),
            incident("a-1", "closed", &closed),
            record("worker_start", "20", mine, "web1"),
            record("reload", "20.1", mine, "web1"),
        ];
        let (_folder, files) = files(&records);
        let Found::One(whole) = find(&files, "a-1").expect("read") else {
            panic!("it is there");
        };
        assert_eq!((whole.latest.summary.as_str(), whole.updates), ("over", 2));
        let updated = whole.updated.map(|time| time.to_string());
        assert_eq!(updated.as_deref(), Some("2026-01-02T03:04:11.000000Z"));
        assert_eq!(whole.first.map(|first| first.state), Some(State::Opened));
        let texts = |trail: &Trail| -> Vec<Value> {
            let text = |place| files.line(place).expect("the line");
            let read = |place| serde_json::from_slice(&text(place)).expect("JSON");
            trail.places().map(read).collect()
        };
        let expected = [&records[1], &records[2], &records[12]].map(Clone::clone);
        assert_eq!(texts(&whole.records), expected);
        assert_eq!(texts(&whole.responses), [records[10].clone()]);
    }

    #[test]
    fn of_many_records_the_first_and_the_last_stay() {
        let mut trail = Trail::new(2);
        for offset in 0..9 {
            let (file, length) = (0, 0);
            trail.push(Place::new(file, offset, length));
        }
        let places = [0, 1, 7, 8].map(|offset| Place::new(0, offset, 0));
        assert_eq!(trail.places().collect::<Vec<_>>(), places);
        assert_eq!(trail.omitted, 5);
    }
}
