//! Which variable each value of a line is: by its label first, then by what the values look like and
//! where they stand.

use super::names::Label;
use super::value;
use crate::access_log::Field;

/// The values at one place of several lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Column<'a> {
    /// What the log calls them, if it does.
    pub label: Label,
    /// One for each line that has it.
    pub values: Vec<&'a [u8]>,
}

impl Column<'_> {
    /// Whether all that are there look so, and one is there.
    fn all(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        let mut there = self
            .values
            .iter()
            .filter(|value| !value::is_nothing(value))
            .peekable();
        there.peek().is_some() && there.all(|value| is(value))
    }

    /// Whether most that are there look so.
    fn most(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        let there = || self.values.iter().filter(|value| !value::is_nothing(value));
        let count = there().filter(|value| is(value)).count();
        count > 0 && count * 2 >= there().count()
    }

    fn nothing_there(&self) -> bool {
        self.values.iter().all(|value| value::is_nothing(value))
    }

    fn some_missing(&self) -> bool {
        self.values.iter().any(|value| value::is_missing(value))
    }

    /// The field of a time that all of them are.
    fn time(&self) -> Option<Field> {
        let first = self.values.iter().find(|value| !value::is_missing(value))?;
        let field = value::time_field(first)?;
        self.all(|value| value::time_field(value) == Some(field))
            .then_some(field)
    }

    /// Whether the values may be this field's.
    fn may_be(&self, field: Field) -> bool {
        match field {
            Field::Status => {
                self.all(value::is_status) && !self.values.iter().all(|v| v.is_empty())
            }
            Field::UpstreamStatus => self.nothing_there() || self.all(value::is_statuses),
            Field::UpstreamAddr => self.nothing_there() || self.all(value::are_names),
            Field::UpstreamResponseTime
            | Field::UpstreamConnectTime
            | Field::UpstreamHeaderTime => self.nothing_there() || self.most(value::are_seconds),
            Field::RequestTime => self.all(value::is_seconds) && !self.some_missing(),
            Field::Request => self.most(value::is_request),
            Field::RequestMethod => self.most(value::is_method),
            Field::RequestUri => self.most(value::is_target),
            Field::RemoteAddr => self.most(value::are_addresses),
            Field::Connection => self.all(value::is_number),
            _ => false,
        }
    }
}

/// Fields that a label may name.
const NAMED: [Field; 12] = [
    Field::Status,
    Field::UpstreamStatus,
    Field::UpstreamAddr,
    Field::UpstreamResponseTime,
    Field::UpstreamConnectTime,
    Field::UpstreamHeaderTime,
    Field::RequestTime,
    Field::Request,
    Field::RequestMethod,
    Field::RequestUri,
    Field::RemoteAddr,
    Field::Connection,
];

/// The fields of these columns, in their order.
pub(super) struct Assigned(pub Vec<Option<Field>>);

impl Assigned {
    /// Of columns in the order in which a line has them.
    pub(super) fn of(columns: &[Column<'_>]) -> Self {
        let mut assigned = Self(vec![None; columns.len()]);
        assigned.by_label(columns);
        assigned.by_look(columns);
        assigned
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.0.contains(&Some(field))
    }

    /// Whether there is a time.
    pub(super) fn has_time(&self) -> bool {
        [Field::Msec, Field::TimeIso8601, Field::TimeLocal]
            .into_iter()
            .any(|field| self.has(field))
    }

    /// Whether the lines say what was asked for.
    pub(super) fn has_request(&self) -> bool {
        self.has(Field::Request) || self.has(Field::RequestMethod) || self.has(Field::RequestUri)
    }

    fn set(&mut self, at: usize, field: Field) {
        if let Some(place) = self.0.get_mut(at) {
            *place = Some(field);
        }
    }

    fn is_free(&self, at: usize) -> bool {
        self.0.get(at) == Some(&None)
    }

    fn by_label(&mut self, columns: &[Column<'_>]) {
        let mut claims = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            for field in NAMED {
                if let Some(rank) = column.label.rank(field).filter(|_| column.may_be(field)) {
                    claims.push((rank, at, field));
                }
            }
            if let (Some(rank), Some(field)) = (column.label.rank_as_time(), column.time()) {
                claims.push((rank, at, field));
            }
            // A list of statuses, or a missing one, is never the client's; nor is a list of times.
            let named = |field| column.label.rank(field).map(|rank| rank + 100);
            if let Some(rank) = named(Field::Status)
                .filter(|_| column.all(value::is_statuses) && !column.may_be(Field::Status))
            {
                claims.push((rank, at, Field::UpstreamStatus));
            }
            if let Some(rank) = named(Field::RequestTime)
                .filter(|_| column.all(value::are_seconds) && !column.may_be(Field::RequestTime))
            {
                claims.push((rank, at, Field::UpstreamResponseTime));
            }
        }
        claims.sort_by_key(|(rank, at, _)| (*rank, *at));
        for (_, at, field) in claims {
            let is_time = matches!(field, Field::Msec | Field::TimeIso8601 | Field::TimeLocal);
            if self.is_free(at) && !self.has(field) && !(is_time && self.has_time()) {
                self.set(at, field);
            }
        }
    }

    fn by_look(&mut self, columns: &[Column<'_>]) {
        let free = |this: &Self, from: usize, is: &dyn Fn(&Column<'_>) -> bool| {
            let mut all = columns.iter().enumerate().skip(from);
            all.find(|(at, column)| this.is_free(*at) && is(column))
                .map(|(at, _)| at)
        };
        let plain = |column: &Column<'_>| column.label.is_empty();
        if !self.has_time()
            && let Some(at) = free(self, 0, &|column| column.time().is_some())
            && let Some(field) = columns.get(at).and_then(Column::time)
        {
            self.set(at, field);
        }
        if !self.has(Field::Request)
            && let Some(at) = free(self, 0, &|column| column.most(value::is_request))
        {
            self.set(at, Field::Request);
        }
        if !self.has_request()
            && let Some(at) = free(self, 0, &|column| {
                plain(column) && column.all(value::is_method)
            })
        {
            self.set(at, Field::RequestMethod);
            let target = |column: &Column<'_>| plain(column) && column.most(value::is_target);
            if let Some(at) = free(self, at, &target) {
                self.set(at, Field::RequestUri);
            }
        }
        if !self.has(Field::Status)
            && let Some(at) = self.status(columns)
        {
            self.set(at, Field::Status);
        }
        self.upstream_by_look(columns);
        if !self.has(Field::RemoteAddr) {
            let address = |column: &Column<'_>| plain(column) && column.all(value::are_addresses);
            if let Some(at) = free(self, 0, &address) {
                self.set(at, Field::RemoteAddr);
            }
        }
    }

    /// Where the client's status is: behind the request, or else the last before it.
    fn status(&self, columns: &[Column<'_>]) -> Option<usize> {
        let named = |column: &Column<'_>| column.label.has("stat") || column.label.has("code");
        let may_be = |(at, column): (usize, &Column<'_>)| {
            let plain = column.label.is_empty() && column.all(value::is_known_status);
            let fits = column.may_be(Field::Status) && !column.some_missing();
            (self.is_free(at) && fits && (plain || named(column))).then_some(at)
        };
        let place = |field| self.0.iter().position(|of| *of == Some(field));
        let all = || columns.iter().enumerate();
        if let Some(request) = place(Field::Request) {
            let behind = all().skip(request + 1).find_map(may_be);
            return behind.or_else(|| all().take(request).filter_map(may_be).next_back());
        }
        // Method and target apart: what is nearer.
        let method = place(Field::RequestMethod).or_else(|| place(Field::RequestUri))?;
        let before = all().take(method).filter_map(may_be).next_back();
        before.or_else(|| all().skip(method + 1).find_map(may_be))
    }

    /// What nobody labelled and is an upstream's all the same.
    fn upstream_by_look(&mut self, columns: &[Column<'_>]) {
        let of = |this: &Self, field| this.0.iter().position(|found| *found == Some(field));
        let Some(status) = of(self, Field::Status) else {
            return;
        };
        let statuses = columns.get(status).map(|column| column.values.clone());
        let statuses = statuses.unwrap_or_default();
        for (at, column) in columns.iter().enumerate() {
            if !self.is_free(at) || !column.label.is_empty() || at == status + 1 {
                continue;
            }
            let upstreams = column.all(value::is_statuses)
                && (column.some_missing()
                    || column.values.iter().any(|value| value.len() > 3)
                    || at + 1 == status
                    || self.has(Field::UpstreamAddr))
                && agree(&column.values, &statuses);
            if upstreams && !self.has(Field::UpstreamStatus) {
                self.set(at, Field::UpstreamStatus);
            } else if column.all(value::are_peers) && !self.has(Field::UpstreamAddr) {
                self.set(at, Field::UpstreamAddr);
            } else if column.all(value::are_seconds)
                && column
                    .values
                    .iter()
                    .all(|v| value::is_missing(v) || v.contains(&b'.'))
            {
                let each = column.all(value::is_seconds) && !column.some_missing();
                let request = !self.has(Field::RequestTime) && each;
                if request {
                    self.set(at, Field::RequestTime);
                } else if !self.has(Field::UpstreamResponseTime)
                    && (!each || self.has(Field::RequestTime))
                {
                    self.set(at, Field::UpstreamResponseTime);
                }
            }
        }
    }
}

/// Whether the last attempt's status is the client's, in most lines that have one.
fn agree(upstream: &[&[u8]], client: &[&[u8]]) -> bool {
    let pairs = upstream.iter().zip(client);
    let there = || {
        pairs
            .clone()
            .filter(|(upstream, _)| !value::is_missing(upstream))
    };
    let same = there()
        .filter(|(upstream, client)| upstream.ends_with(client))
        .count();
    same > 0 && same * 2 >= there().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(columns: &[(&str, &[&'static str])]) -> Vec<Option<Field>> {
        let columns: Vec<_> = columns
            .iter()
            .map(|(label, values)| Column {
                label: Label::of(label.as_bytes()),
                values: values.iter().map(|value| value.as_bytes()).collect(),
            })
            .collect();
        Assigned::of(&columns).0
    }

    #[test]
    fn values_decide_where_labels_do_not() {
        assert_eq!(
            of(&[
                ("", &["192.0.2.1", "-"]),
                (
                    "",
                    &["22/Nov/2026:10:00:01 +0000", "22/Nov/2026:10:00:01 +0000"]
                ),
                ("", &["GET / HTTP/1.1", "-"]),
                ("", &["200", "400"]),
                ("", &["512", "200"]),
                ("", &["0.010", "0.020"]),
                ("", &["0.010", "-"]),
                ("", &["10.0.0.1:80", "-"]),
                ("", &["200", "-"]),
            ]),
            [
                Some(Field::RemoteAddr),
                Some(Field::TimeLocal),
                Some(Field::Request),
                Some(Field::Status),
                None,
                Some(Field::RequestTime),
                Some(Field::UpstreamResponseTime),
                Some(Field::UpstreamAddr),
                Some(Field::UpstreamStatus),
            ]
        );
    }

    #[test]
    fn values_overrule_labels() {
        assert_eq!(
            of(&[
                ("status", &["502, 200", "200"]),
                ("code", &["200", "200"]),
                ("duration", &["0.001, 0.002", ""]),
                ("client", &["app", "web"]),
                ("ts", &["1795341600", "1795341601"]),
            ]),
            [
                Some(Field::UpstreamStatus),
                Some(Field::Status),
                Some(Field::UpstreamResponseTime),
                None,
                Some(Field::Msec),
            ]
        );
    }

    #[test]
    fn the_clients_status_is_that_of_the_response() {
        assert_eq!(
            of(&[("upstream.status", &["502"]), ("response.status", &["500"])]),
            [Some(Field::UpstreamStatus), Some(Field::Status)]
        );
    }
}
