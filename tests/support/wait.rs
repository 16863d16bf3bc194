//! Waiting for a condition, never for an amount of time.

use std::env;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a test waits for something that ought to happen within a second: generous, since
/// tests share the machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

const STEP: Duration = Duration::from_millis(5);

/// Calls `look` until it gives a value, for at most `limit`; `what` names the condition in the error.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let limit = limit * patience();
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= end {
            bail!("waited {limit:?} for: {what}");
        }
        thread::sleep(STEP);
    }
}

/// [`until`] for a plain condition.
pub fn until_true(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<bool>,
) -> Result<()> {
    until(what, limit, || Ok(look()?.then_some(())))
}

/// How many times longer everything may take here: `NGINX_PROBE_TEST_PATIENCE`, from 1 (the
/// default) to 100, for machines that are slow.
#[must_use]
pub fn patience() -> u32 {
    static PATIENCE: OnceLock<u32> = OnceLock::new();
    *PATIENCE.get_or_init(|| {
        let set = env::var("NGINX_PROBE_TEST_PATIENCE").ok();
        set.and_then(|times| times.parse().ok())
            .unwrap_or(1u32)
            .clamp(1, 100)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_value_as_soon_as_it_is_there() {
        let mut calls = 0;
        let found = until("the third call", DEADLINE, || {
            calls += 1;
            Ok((calls == 3).then_some(calls))
        });
        assert_eq!(found.ok(), Some(3));
    }

    #[test]
    fn names_what_it_waited_for() {
        let error = until_true("pigs to fly", Duration::from_millis(20), || Ok(false));
        assert!(error.is_err_and(|e| e.to_string().contains("pigs to fly")));
    }
}
