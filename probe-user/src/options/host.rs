//! Which name the host has in records.

use super::{DiagnoseOptions, RunOptions};

impl RunOptions {
    /// The host's name, as records carry it.
    #[must_use]
    pub fn host(&self) -> String {
        name(self.host.as_deref())
    }
}

impl DiagnoseOptions {
    /// The host's name, as the report carries it.
    #[must_use]
    pub fn host(&self) -> String {
        name(self.host.as_deref())
    }
}

/// The name that was given, else the machine's own, which in a container is the container's.
fn name(given: Option<&str>) -> String {
    match given {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_given_goes_before_the_machines_own() {
        assert_eq!(name(Some("node-1")), "node-1");
        let own = name(None);
        assert!(!own.is_empty());
        assert_eq!(name(Some("")), own);
    }
}
