//! The parts of a report, as they are typed.

use std::str::FromStr;

use ward_model::{Name, Status};
use ward_proto::v1;

/// `NAME=STATUS` or `NAME=STATUS:MESSAGE`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CheckWord(pub(super) v1::CheckResult);

/// `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Signal(pub(super) v1::SignalValue);

/// `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label(pub(super) String, pub(super) String);

impl CheckWord {
    pub(super) fn new(name: &str, status: Status, message: String) -> Self {
        Self(v1::CheckResult {
            name: name.into(),
            status: v1::Status::from(status).into(),
            message,
        })
    }
}

impl FromStr for CheckWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected NAME=STATUS or NAME=STATUS:MESSAGE";
        let (name, word) = text.split_once('=').ok_or(expected)?;
        let (status, message) = word.split_once(':').unwrap_or((word, ""));
        let name = Name::new(name).map_err(|invalid| format!("a check's name {invalid}"))?;
        let known = Status::ALL.into_iter().find(|known| known.as_str() == status);
        let status = known.ok_or("a check is healthy, unknown, degraded or unhealthy")?;
        Ok(Self::new(name.as_str(), status, message.trim().to_owned()))
    }
}

impl FromStr for Signal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
        let name = Name::new(name).map_err(|invalid| format!("a signal's name {invalid}"))?;
        let value: f64 = value
            .trim()
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .ok_or("a signal's value is a number, such as 412 or 0.05")?;
        Ok(Self(v1::SignalValue {
            name: name.to_string(),
            value,
        }))
    }
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self(key.into(), value.into())),
            _ => Err("expected KEY=VALUE".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks() {
        let read = |text: &str| text.parse::<CheckWord>().map(|CheckWord(result)| result);
        let raid = read("raid=unhealthy: sdb: gone").unwrap();
        assert_eq!((raid.name.as_str(), raid.message.as_str()), ("raid", "sdb: gone"));
        assert_eq!(raid.status(), v1::Status::Unhealthy);
        assert_eq!(read("raid=healthy").unwrap().message, "");
        for bad in [
            "",
            "raid",
            "raid=",
            "raid=ill",
            "=healthy",
            "Raid=healthy",
            "raid=healthy :x",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn signals_and_labels() {
        let signal = |text: &str| text.parse::<Signal>().map(|Signal(value)| value.value).ok();
        assert_eq!(signal("waiting=-4e2"), Some(-400.0));
        for bad in [
            "",
            "waiting",
            "waiting=",
            "waiting=many",
            "=1",
            "waiting=NaN",
            "waiting=inf",
            "W=1",
        ] {
            assert_eq!(signal(bad), None, "{bad}");
        }
        assert_eq!("a=b=c".parse(), Ok(Label("a".into(), "b=c".into())));
        assert!("=b".parse::<Label>().is_err() && "a".parse::<Label>().is_err());
    }
}
