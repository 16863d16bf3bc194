//! Figures as people read them.

use crate::clock::Time;

/// `2026-11-22 16:01:50`
pub fn minute_second(time: Time) -> String {
    let text = time.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// `1,234,567`
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1.5 KiB`
pub fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(power, _)| bytes >> power > 0) {
        Some((power, unit)) => {
            let tenths = (u128::from(bytes) * 10 + (1 << (power - 1))) >> power;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => counted(bytes, "byte"),
    }
}

/// Of all, in percent, rounded; what is not nothing is never 0.0, and what is not all never 100.0.
pub fn share(part: u64, all: u64) -> String {
    let all = u128::from(all.max(1));
    let tenths = (u128::from(part) * 2000 + all) / (all * 2);
    match tenths {
        0 if part > 0 => "< 0.1 %".to_owned(),
        1000.. if u128::from(part) < all => "> 99.9 %".to_owned(),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// `1 line`, `2 lines`
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_easy_to_read() {
        assert_eq!(
            [0, 12, 1234, 1_234_567].map(number),
            ["0", "12", "1,234", "1,234,567"]
        );
        assert_eq!(
            [5, 1536, 3 << 30].map(size),
            ["5 bytes", "1.5 KiB", "3.0 GiB"]
        );
        assert_eq!(size(1), "1 byte");
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(2, 3), "66.7 %");
        assert_eq!(share(99_999, 100_000), "> 99.9 %");
        assert_eq!(share(5, 5), "100.0 %");
        assert_eq!(share(1, 1_000_000), "< 0.1 %");
        assert_eq!(share(0, 0), "0.0 %");
        assert_eq!(
            [1, 1000].map(|count| counted(count, "line")),
            ["1 line", "1,000 lines"]
        );
    }
}
