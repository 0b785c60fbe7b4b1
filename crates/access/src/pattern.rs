//! Names and families of names: `payments`, `payments-*`, `*`.
//!
//! A `*` at the end and nothing else: what a row permits must be seen at a glance, and a regular expression never is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest of them, in bytes: as a name.
const BYTES: usize = 63;

/// One name, or all names that begin alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    start: String,
    /// Whether more may follow.
    open: bool,
}

/// Not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no pattern of names: 1 to 63 of a-z, 0-9, '.' and '-', with a '*' at the end for all that begin so"
)]
pub struct InvalidPattern;

impl Pattern {
    /// All names.
    pub fn any() -> Self {
        Self {
            start: String::new(),
            open: true,
        }
    }

    /// Whether all that `other` means are meant.
    pub fn covers(&self, other: &Self) -> bool {
        if self.open {
            other.start.starts_with(&self.start)
        } else {
            self == other
        }
    }

    /// Whether `name` is one of those that are meant.
    pub fn matches(&self, name: &str) -> bool {
        if self.open {
            name.starts_with(&self.start)
        } else {
            name == self.start
        }
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let (start, open) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        if text.is_empty() || text.len() > BYTES || !start.chars().all(letter) {
            return Err(InvalidPattern);
        }
        Ok(Self {
            start: start.to_owned(),
            open,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.start)?;
        f.write_str(if self.open { "*" } else { "" })
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_at_the_end_or_nowhere() {
        for text in ["payments", "payments-*", "*", "a.b-1"] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
        let long = "a".repeat(64);
        for text in ["", "*a", "a*b", "a**", "A", "a b", "a\n", long.as_str()] {
            assert_eq!(text.parse::<Pattern>(), Err(InvalidPattern), "{text:?}");
        }
        let pattern = |text: &str| text.parse::<Pattern>().unwrap();
        assert!(pattern("a*").matches("a") && pattern("a*").matches("ab") && pattern("*").matches("x"));
        assert!(!pattern("a").matches("ab") && !pattern("ab*").matches("a"));
        assert!(pattern("a*").covers(&pattern("ab*")) && pattern("*").covers(&pattern("a")));
        assert!(!pattern("ab*").covers(&pattern("a*")) && !pattern("a").covers(&pattern("a*")));
    }
}
