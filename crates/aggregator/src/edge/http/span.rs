//! Lengths of time in bodies: a number of milliseconds, or text such as `5s`, `10m`, `1d`.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type},
};

/// A length of time, at least 1 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

/// Longest unit first, so that the description can say how many of each there may be.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
/// More would be no length of anything here, and would not fit the wire. 49 days.
const MOST_MS: u64 = u32::MAX as u64;

impl Span {
    /// For the wire, whose fields hold as much.
    pub(super) fn millis(self) -> u32 {
        u32::try_from(self.0.as_millis()).unwrap_or(u32::MAX)
    }

    fn checked(ms: u64) -> Option<Self> {
        (1..=MOST_MS)
            .contains(&ms)
            .then(|| Self(Duration::from_millis(ms)))
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
        Self::checked(number.parse::<u64>().ok()?.checked_mul(*ms)?)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "1 to {MOST_MS} milliseconds or text such as 500ms, 5s, 10m, 2h or 1d"
        )
    }

    fn visit_u64<E: Error>(self, ms: u64) -> Result<Span, E> {
        Span::checked(ms).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(ms), &self))
    }

    /// JSON has one kind of number: `5000.0` is as whole as `5000`.
    fn visit_f64<E: Error>(self, ms: f64) -> Result<Span, E> {
        let whole = ms.fract() == 0.0 && (1.0..=MOST_MS as f64).contains(&ms);
        let span = whole.then(|| Span(Duration::from_secs_f64(ms / 1_000.0)));
        span.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Float(ms), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
        Span::read(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Other("text"), &self))
    }
}

impl PartialSchema for Span {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("Milliseconds."))
            .minimum(Some(1))
            .maximum(Some(MOST_MS))
            .build();
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A number and its unit."))
            // Within 49 days whatever the unit; a little more is taken than can be said in a pattern.
            .pattern(Some(
                "^([1-9][0-9]{0,8}ms|[1-9][0-9]{0,5}s|[1-9][0-9]{0,3}m|[1-9][0-9]{0,2}h|[1-4]?[0-8]d)$",
            ))
            .build();
        let either = OneOfBuilder::new()
            .description(Some(
                "A length of time: milliseconds, or a number with the unit ms, s, m, h or d.",
            ))
            .item(number)
            .item(text)
            .build();
        RefOr::T(Schema::OneOf(either))
    }
}

impl ToSchema for Span {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_milliseconds_and_text_has_a_unit() {
        let read = |json: &str| serde_json::from_str::<Span>(json).map(Span::millis).ok();
        assert_eq!((read("1500"), read("1500.0")), (Some(1_500), Some(1_500)));
        for (text, ms) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(read(&format!("\"{text}\"")), Some(ms), "{text}");
        }
        for bad in [
            "0",
            "-1",
            "1.5",
            "4294967296",
            "null",
            "true",
            "[]",
            "\"\"",
            "\"5\"",
            "\"s\"",
            "\"0s\"",
            "\"-1s\"",
            "\"+1s\"",
            "\"5 s\"",
            "\"5S\"",
            "\"5y\"",
            "\"50d\"",
            "\"99999999999999999999ms\"",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
