//! What is typed in more than one command: how it is read, and what is said when it cannot be.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ward_model::{Name, Status};

/// Units of time, and how many milliseconds they have. A longer unit stands before one that it ends like.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
/// Longer than anything here may last, and short enough that sums do not overflow: ten thousand years.
const LONGEST_MS: u64 = 10_000 * 366 * 86_400_000;

/// The name of a service.
pub(crate) fn service(text: &str) -> Result<Name, String> {
    Name::service(text).map_err(|invalid| format!("a service's name {invalid}"))
}

/// The name of an instance.
pub(crate) fn instance(text: &str) -> Result<Name, String> {
    Name::instance(text).map_err(|invalid| format!("an instance's name {invalid}"))
}

/// A status, by its word.
pub(crate) fn status() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(Status::ALL.map(Status::as_str)).map(|text| {
        let found = Status::ALL.into_iter().find(|status| status.as_str() == text);
        found.expect("one of the possible values")
    })
}

/// A length of time: numbers with units, the largest first, such as `90m`, `1h30m` or `250ms`. Never zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a length of time, such as 250ms, 30s, 90m, 1h30m or 2d".to_owned();
    let mut rest = text;
    let (mut ms, mut smaller_than) = (0, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
        let number: u64 = rest[..digits].parse().map_err(|_| expected())?;
        let unit = &rest[digits..];
        let ends = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (_, unit_ms) = UNITS
            .into_iter()
            .find(|(name, _)| *name == &unit[..ends])
            .ok_or_else(expected)?;
        if unit_ms >= smaller_than {
            return Err(expected());
        }
        smaller_than = unit_ms;
        ms += number
            .checked_mul(unit_ms)
            .filter(|ms| *ms <= LONGEST_MS)
            .ok_or("is longer than anything lasts")?;
        rest = &unit[ends..];
    }
    match ms {
        0 if text.is_empty() => Err(expected()),
        0 => Err("expected more than nothing".into()),
        ms => Ok(Duration::from_millis(ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ms = |text| duration(text).map(|duration| duration.as_millis()).ok();
        for (text, expected) in [
            ("250ms", 250),
            ("1s", 1_000),
            ("90m", 5_400_000),
            ("1h30m", 5_400_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1d2h3m4s5ms", 93_784_005),
        ] {
            assert_eq!(ms(text), Some(expected), "{text}");
        }
        for bad in [
            "",
            "5",
            "s",
            "1x",
            "-1s",
            "1.5h",
            "1m1h",
            "1s1s",
            "0s",
            "0h0m",
            "1 h",
            "1H",
            "\u{1b}",
            "99999999999999999999d",
            "9999999999d",
        ] {
            assert_eq!(ms(bad), None, "{bad}");
        }
    }
}
