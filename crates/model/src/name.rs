//! Names that were checked once, where they came in.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::bounds::{INCARNATION_BYTES, NAME_BYTES};

/// The name of a service, instance, check or signal: 1 to 63 of `a-z`, `0-9`, `.` and `-`; checks and signals may have
/// `_` as well (`error_ratio`).
///
/// Cheap to clone. Upper case is refused instead of folded: two names that differ by case are a mistake somebody
/// should see.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// What is wrong with a name, without repeating it: it may hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidName {
    /// Nothing where a name must be.
    Empty,
    /// More bytes than the bound.
    TooLong(usize),
    /// A character out of the set, and where it stands.
    Character(char, usize),
    /// A `_` in the name of a service or instance, and where it stands.
    Underscore(usize),
    /// One of the names that `grpc.health.v1` keeps for the aggregator itself.
    Reserved,
    /// Not 1 to 64 printable ASCII bytes.
    Incarnation,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(
                f,
                "is empty, expected 1 to {NAME_BYTES} of a-z, 0-9, '.', '-', '_'"
            ),
            Self::TooLong(bytes) => write!(f, "has {bytes} bytes, expected at most {NAME_BYTES}"),
            Self::Character(c, at) => {
                write!(f, "has {c:?} at byte {at}, expected only a-z, 0-9, '.', '-', '_'")
            }
            Self::Underscore(at) => write!(
                f,
                "has '_' at byte {at}, expected only a-z, 0-9, '.', '-' in the name of a service or instance"
            ),
            Self::Reserved => f.write_str("is reserved for the aggregator itself, choose another"),
            Self::Incarnation => write!(f, "is not 1 to {INCARNATION_BYTES} printable ASCII characters"),
        }
    }
}

impl std::error::Error for InvalidName {}

impl Name {
    /// Service names with a meaning of their own in `grpc.health.v1`.
    pub const RESERVED: [&'static str; 4] = ["liveness", "readiness", "startup", "system"];

    /// Checks `text` as the name of a check or signal.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        if text.len() > NAME_BYTES {
            return Err(InvalidName::TooLong(text.len()));
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        match text.char_indices().find(|&(_, c)| !allowed(c)) {
            Some((at, c)) => Err(InvalidName::Character(c, at)),
            None => Ok(Self(text.into())),
        }
    }

    /// Checks `text` as the name of an instance, which has no `_`.
    pub fn instance(text: &str) -> Result<Self, InvalidName> {
        match text.find('_') {
            Some(at) => Err(InvalidName::Underscore(at)),
            None => Self::new(text),
        }
    }

    /// Checks `text` as the name of a service, which has no `_` and is not a reserved one.
    pub fn service(text: &str) -> Result<Self, InvalidName> {
        if Self::RESERVED.contains(&text) {
            return Err(InvalidName::Reserved);
        }
        Self::instance(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().into()
    }
}

/// One instance of one service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceId {
    /// The service.
    pub service: Name,
    /// Which of its instances.
    pub instance: Name,
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.instance)
    }
}

/// The opaque random id of one life of an instance: 1 to 64 printable ASCII bytes.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Incarnation(Life);

/// The bytes that an id stands for, where it is as those of the sdk are: a quarter of the memory of their text.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Life {
    /// 32 hexadecimal digits, in lower case.
    Digits([u8; 16]),
    /// Anything else.
    Text(Arc<str>),
}

impl Incarnation {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        if text.is_empty() || text.len() > INCARNATION_BYTES || !printable {
            return Err(InvalidName::Incarnation);
        }
        Ok(Self(match digits(text) {
            Some(number) => Life::Digits(number.to_be_bytes()),
            None => Life::Text(text.into()),
        }))
    }

    /// The bytes that it stands for, if its text is 32 lower-case hexadecimal digits: half of what the text takes.
    pub fn digits(&self) -> Option<[u8; 16]> {
        match self.0 {
            Life::Digits(bytes) => Some(bytes),
            Life::Text(_) => None,
        }
    }
}

/// The one whose text is `bytes` in lower-case hexadecimal digits.
impl From<[u8; 16]> for Incarnation {
    fn from(bytes: [u8; 16]) -> Self {
        Self(Life::Digits(bytes))
    }
}

/// The number that 32 lower-case hexadecimal digits are; no other text is that number's.
fn digits(text: &str) -> Option<u128> {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let fits = text.len() == 32 && text.bytes().all(digit);
    fits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Life::Digits(bytes) => write!(f, "{:032x}", u128::from_be_bytes(*bytes)),
            Life::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incarnation({self})")
    }
}

impl TryFrom<String> for Incarnation {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::new(&text)
    }
}

impl From<Incarnation> for String {
    fn from(incarnation: Incarnation) -> Self {
        incarnation.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(Name::new("error_ratio").is_ok());
        assert!(Name::instance("payments-2.eu").is_ok());
        assert_eq!(Name::service("a_b"), Err(InvalidName::Underscore(1)));
        assert_eq!(Name::new(""), Err(InvalidName::Empty));
        assert_eq!(Name::new(&"a".repeat(64)), Err(InvalidName::TooLong(64)));
        assert_eq!(Name::new("Bank"), Err(InvalidName::Character('B', 0)));
        assert_eq!(
            Name::new("bank\u{1b}[31m"),
            Err(InvalidName::Character('\u{1b}', 4))
        );
        assert_eq!(Name::service("liveness"), Err(InvalidName::Reserved));
        assert!(Incarnation::new("a b").is_err());
    }

    #[test]
    fn an_incarnation_is_told_as_it_was_said() {
        let digits = "00c0ffee00c0ffee00c0ffee00c0ffee";
        for text in [
            digits,
            &digits.to_uppercase(),
            &digits[1..],
            "4f1c",
            "+0c0ffee00c0ffee00c0ffee00c0ffee",
        ] {
            assert_eq!(Incarnation::new(text).unwrap().to_string(), text);
        }
        assert_ne!(Incarnation::new(digits), Incarnation::new(&digits.to_uppercase()));
        let incarnation = Incarnation::new(digits).unwrap();
        assert_eq!(incarnation.digits().map(Incarnation::from), Some(incarnation));
        assert_eq!(Incarnation::new("4f1c").unwrap().digits(), None);
        assert_eq!(size_of::<Incarnation>(), 24, "no memory beside it");
    }
}
