//! What is typed in more than one command: how it is read, and what is said when it cannot be.

use std::{fmt, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ward_model::{AlertState, Name, RuleName, Severity, Status};

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

/// What an alert is about: a service or, as `system`, the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About(pub(crate) Option<Name>);

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_ref().map_or("system", Name::as_str))
    }
}

/// The name of a service, or `system`.
pub(crate) fn about(text: &str) -> Result<About, String> {
    match text {
        "system" => Ok(About(None)),
        text => service(text).map(|name| About(Some(name))),
    }
}

/// The name of a rule.
pub(crate) fn rule(text: &str) -> Result<RuleName, String> {
    RuleName::new(text).map_err(|invalid| invalid.to_string())
}

/// How urgent, by its word.
pub(crate) fn severity() -> impl TypedValueParser<Value = Severity> {
    one_of(Severity::ALL, Severity::as_str)
}

/// Where an alert stands, by its word.
pub(crate) fn alert_state() -> impl TypedValueParser<Value = AlertState> {
    one_of(AlertState::ALL, AlertState::as_str)
}

fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    word: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.map(word)).map(move |text| {
        let found = all.into_iter().find(|value| word(*value) == text);
        found.expect("one of the possible values")
    })
}

/// The name of an instance.
pub(crate) fn instance(text: &str) -> Result<Name, String> {
    Name::instance(text).map_err(|invalid| format!("an instance's name {invalid}"))
}

/// A status, by its word.
pub(crate) fn status() -> impl TypedValueParser<Value = Status> {
    one_of(Status::ALL, Status::as_str)
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
            let lasts = duration(text).unwrap();
            assert_eq!(duration(&ward_config::written(lasts)), Ok(lasts), "{text}");
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
