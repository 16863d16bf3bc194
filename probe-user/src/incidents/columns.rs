//! Text that fits its column, whatever is in it.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::sinks::printable::printable;

/// `text` in exactly `width` columns, escaped, with an ellipsis where some of it is left out.
pub(super) fn cut(text: &str, width: usize) -> String {
    if width == 0 {
        return String::new();
    }
    // Each character takes a column or is escaped; combining ones are not worth more.
    let start: String = text.chars().take(width.saturating_mul(4)).collect();
    let mut text = printable(start);
    let mut taken = text.width();
    if taken > width {
        let room = width.saturating_sub(1);
        taken = 0;
        let fits = |c: &char| {
            taken += c.width().unwrap_or(0);
            taken <= room
        };
        text = text.chars().take_while(fits).collect();
        text.push('…');
        taken = text.width();
    }
    text.extend(std::iter::repeat_n(' ', width.saturating_sub(taken)));
    text
}

/// A number in at most four columns: `1234`, `12k`, `123M`.
pub(super) fn count(number: u64) -> String {
    if number < 10_000 {
        return number.to_string();
    }
    let units = ["k", "M", "G", "T", "P", "E"];
    let mut rest = number;
    for unit in units {
        rest /= 1000;
        if rest < 1000 {
            return format!("{rest}{unit}");
        }
    }
    "many".to_owned()
}

/// A duration in at most nine columns, in its two largest units.
pub(super) fn lasted(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0 => "< 1s".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        86_400..864_000_000 => format!("{days}d {}h", hours % 24),
        _ => "for years".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_exactly_as_wide() {
        for (text, expected) in [
            ("", "      "),
            ("abc", "abc   "),
            ("abcdef", "abcdef"),
            ("abcdefg", "abcde…"),
            ("a\nb", "a\\nb  "),
            ("\u{1b}[2J", "\\u{1b…"),
            ("日本", "日本  "),
            ("日本日本", "日本… "),
            ("e\u{301}", "e\u{301}     "),
        ] {
            let shown = cut(text, 6);
            assert_eq!(shown, expected);
            assert_eq!(shown.width(), 6, "{shown:?}");
        }
        assert!(cut(&"\u{301}".repeat(10_000), 6).len() < 100);
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn numbers_and_durations_stay_short() {
        let shown = [0, 9999, 10_000, 999_999, 1_000_000, u64::MAX].map(count);
        assert_eq!(shown, ["0", "9999", "10k", "999k", "1M", "18E"]);
        for (seconds, text) in [
            (0, "< 1s"),
            (59, "59s"),
            (3599, "59m 59s"),
            (86_399, "23h 59m"),
            (86_400, "1d 0h"),
            (863_999_999, "9999d 23h"),
            (u64::MAX, "for years"),
        ] {
            assert_eq!(lasted(Duration::from_secs(seconds)), text);
            assert!(text.len() <= 9);
        }
    }
}
