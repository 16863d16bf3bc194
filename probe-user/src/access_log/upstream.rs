//! The lists of the `$upstream_…` variables.

use super::time;

/// The elements of an `$upstream_…` variable, in order.
///
/// nginx joins the attempts of one upstream with `, ` and those before and after an internal
/// redirect with ` : ` (`ngx_http_upstream_status_variable` and its neighbours). An empty list has
/// no elements; a missing list of [`Escape::Default`](super::Escape::Default) has one, `-`. A list
/// that ends with ` : ` has an empty last element: the redirect went to no upstream.
#[derive(Debug, Clone, Default)]
pub struct Attempts<'line> {
    rest: Option<&'line [u8]>,
    redirected: bool,
}

/// One attempt at an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt<'line> {
    /// As it stands in the line. It may be `-`, or empty.
    pub value: &'line [u8],
    /// Whether an internal redirect (` : `), and not a failed attempt (`, `), came before it.
    pub redirected: bool,
}

impl<'line> Attempts<'line> {
    pub(super) fn of(list: &'line [u8]) -> Self {
        Self {
            rest: Some(list).filter(|list| !list.is_empty()),
            redirected: false,
        }
    }
}

impl Attempt<'_> {
    /// As a status, 0 to 999; none for `-`.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        let value = time::number(self.value).filter(|_| self.value.len() <= 3)?;
        value.try_into().ok()
    }

    /// As a time in microseconds, to the millisecond; none for `-`.
    #[must_use]
    pub fn micros(&self) -> Option<i64> {
        time::decimal(self.value).or_else(|| time::length_of_others(self.value))
    }
}

impl<'line> Iterator for Attempts<'line> {
    type Item = Attempt<'line>;

    fn next(&mut self) -> Option<Self::Item> {
        let list = self.rest.take()?;
        let redirected = self.redirected;
        let separator = memchr::memchr_iter(b' ', list).find_map(|space| {
            let before = space.checked_sub(1).and_then(|at| list.get(at));
            if before == Some(&b',') {
                return Some((space - 1, space + 1, false));
            }
            let redirect = list.get(space..)?.starts_with(b" : ");
            redirect.then_some((space, space + 3, true))
        });
        let value = match separator {
            None => list,
            Some((end, next, redirected)) => {
                self.rest = list.get(next..);
                self.redirected = redirected;
                list.get(..end)?
            }
        };
        Some(Attempt { value, redirected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_and_redirects_are_told_apart() {
        for (list, expected) in [
            ("", &[][..]),
            ("-", &[("-", false)]),
            ("500", &[("500", false)]),
            ("500, 200", &[("500", false), ("200", false)]),
            ("404 : 500", &[("404", false), ("500", true)]),
            (
                "- : 502, - : 9",
                &[("-", false), ("502", true), ("-", false), ("9", true)],
            ),
            ("404 : ", &[("404", false), ("", true)]),
            (", 10.0.0.1:80", &[("", false), ("10.0.0.1:80", false)]),
            (
                "[::1]:80 : unix:/a b",
                &[("[::1]:80", false), ("unix:/a b", true)],
            ),
            (" : , ", &[("", false), ("", true), ("", false)]),
        ] {
            let read: Vec<_> = Attempts::of(list.as_bytes())
                .map(|a| (std::str::from_utf8(a.value).unwrap(), a.redirected))
                .collect();
            assert_eq!(read, expected, "{list}");
        }
    }

    #[test]
    fn values() {
        let attempt = |value| Attempt {
            value,
            redirected: false,
        };
        assert_eq!(attempt(b"009").status(), Some(9));
        assert_eq!(attempt(b"-").status(), None);
        assert_eq!(attempt(b"1000").status(), None);
        assert_eq!(attempt(b"1.002").micros(), Some(1_002_000));
        assert_eq!(attempt(b"1").micros(), None);
    }
}
