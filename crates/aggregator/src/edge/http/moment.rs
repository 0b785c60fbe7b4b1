//! Moments in queries: a time of RFC 3339, or how long ago.

use std::str::FromStr;

use jiff::Timestamp;
use ward_model::Wall;

use super::span::Span;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(Wall),
    Ago(Span),
}

impl Moment {
    /// Which one, seen from `now`.
    pub(super) fn at(self, now: Wall) -> Wall {
        match self {
            Self::At(wall) => wall,
            Self::Ago(span) => Wall(now.0.saturating_sub(i64::from(span.millis()))),
        }
    }
}

impl FromStr for Moment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(span) = Span::read(text) {
            return Ok(Self::Ago(span));
        }
        let at: Timestamp = text.parse().map_err(drop)?;
        Ok(Self::At(Wall(at.as_millisecond())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_time_or_so_long_ago() {
        let now = Wall(100_000_000_000);
        let at = |text: &str| text.parse().ok().map(|moment: Moment| moment.at(now).0);
        assert_eq!(at("24h"), Some(100_000_000_000 - 86_400_000));
        assert_eq!(at("1970-01-02T00:00:00Z"), Some(86_400_000));
        assert_eq!(at("1970-01-01T01:00:00+01:00"), Some(0));
        for wrong in ["", "yesterday", "24", "-1h", "99999d", "1970-01-02"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
