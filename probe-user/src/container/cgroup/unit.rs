//! Names of systemd's units in the paths of control groups.

use crate::container::MAX_NAME;

/// The unit that a component stands for, of those that processes run in.
pub(super) fn unit(step: &str) -> Option<&str> {
    // systemd puts `_` before a name that would not do as the name of a folder.
    let name = step.strip_prefix('_').unwrap_or(step);
    let own = name
        .strip_suffix(".service")
        .or_else(|| name.strip_suffix(".scope"))?;
    (!own.is_empty() && name.len() <= MAX_NAME && name.bytes().all(is_unit_byte)).then_some(name)
}

/// Undoes systemd's escapes: `\x2d` is `-`, and a `-` was `/`, which is left as it is. Nothing for
/// what is not escaped rightly.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split("\\x");
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        out.push(u8::from_str_radix(digits, 16).ok()?);
        out.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(out).ok()
}

fn is_unit_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":_.\\@-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_units_that_hold_processes_count() {
        for (step, expected) in [
            ("nginx.service", Some("nginx.service")),
            ("nginx@a\\x2db.service", Some("nginx@a\\x2db.service")),
            ("session-3.scope", Some("session-3.scope")),
            ("_cgroup.service", Some("cgroup.service")),
            ("system.slice", None),
            (".service", None),
            ("a b.service", None),
            ("a\u{1b}[2J.service", None),
            ("nginx", None),
        ] {
            assert_eq!(unit(step), expected, "{step}");
        }
        assert_eq!(unit(&format!("{}.service", "x".repeat(300))), None);
    }

    #[test]
    fn escapes_are_undone_or_refused() {
        assert_eq!(unescape("a\\x2db"), Some("a-b".to_owned()));
        for wrong in ["a\\x2", "a\\x", "a\\xzz", "a\\x+1", "\\xff"] {
            assert_eq!(unescape(wrong), None, "{wrong}");
        }
    }
}
