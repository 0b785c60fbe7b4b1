//! The rights there are, and sets of them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use ward_model::Name;

use crate::Pattern;

/// What one can be permitted to do. None includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Report for services of certain names.
    Report,
    /// Say in reports how other services are, of certain names.
    Observe,
    /// Be the agent of certain hosts.
    Agent,
    /// Ask and watch how everything is.
    Watch,
    /// Start and end maintenance.
    Command,
    /// Forget services and instances.
    Administer,
}

/// A right of no such name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no right, expected report, observe, agent, watch, command or administer")]
pub struct UnknownRight;

impl Right {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Report,
        Self::Observe,
        Self::Agent,
        Self::Watch,
        Self::Command,
        Self::Administer,
    ];

    /// How it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Observe => "observe",
            Self::Agent => "agent",
            Self::Watch => "watch",
            Self::Command => "command",
            Self::Administer => "administer",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Right {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        let named = |right: &Self| right.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(UnknownRight)
    }
}

/// What somebody may do; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// The services one may report for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub report: Vec<Pattern>,
    /// The services whose state one may speak about beside those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observe: Vec<Pattern>,
    /// The hosts whose agent one is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agent: Vec<Pattern>,
    /// See [`Right::Watch`].
    #[serde(skip_serializing_if = "is_false")]
    pub watch: bool,
    /// See [`Right::Command`].
    #[serde(skip_serializing_if = "is_false")]
    pub command: bool,
    /// See [`Right::Administer`].
    #[serde(skip_serializing_if = "is_false")]
    pub administer: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Grants {
    /// Everything: where nobody has to prove who they are.
    pub fn all() -> Self {
        let any = || vec![Pattern::any()];
        Self {
            report: any(),
            observe: any(),
            agent: any(),
            watch: true,
            command: true,
            administer: true,
        }
    }

    /// Whether one has the right at all; what it is about is asked beside that.
    pub fn may(&self, right: Right) -> bool {
        match right {
            Right::Report => !self.report.is_empty(),
            Right::Observe => !self.observe.is_empty(),
            Right::Agent => !self.agent.is_empty(),
            Right::Watch => self.watch,
            Right::Command => self.command,
            Right::Administer => self.administer,
        }
    }

    /// Whether one may report for this service.
    pub fn may_report(&self, service: &Name) -> bool {
        matched(&self.report, service)
    }

    /// Whether one may say how this service is, which is another's.
    pub fn may_observe(&self, subject: &Name) -> bool {
        matched(&self.observe, subject)
    }

    /// Whether everything that `other` permits is permitted.
    pub fn include(&self, other: &Self) -> bool {
        let all = |own: &[Pattern], others: &[Pattern]| {
            let covered = |other: &Pattern| own.iter().any(|pattern| pattern.covers(other));
            others.iter().all(covered)
        };
        all(&self.report, &other.report)
            && all(&self.observe, &other.observe)
            && all(&self.agent, &other.agent)
            && self.watch >= other.watch
            && self.command >= other.command
            && self.administer >= other.administer
    }

    /// Those it has, for people: `report payments, watch`.
    pub fn summary(&self) -> String {
        let about = |right: Right| match right {
            Right::Report => &self.report[..],
            Right::Observe => &self.observe,
            Right::Agent => &self.agent,
            Right::Watch | Right::Command | Right::Administer => &[],
        };
        let had = Right::ALL.into_iter().filter(|&right| self.may(right));
        let written = had.map(|right| {
            let about: String = about(right).iter().map(|pattern| format!(" {pattern}")).collect();
            format!("{right}{about}")
        });
        written.collect::<Vec<_>>().join(", ")
    }
}

fn matched(patterns: &[Pattern], name: &Name) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_permitted_that_was_not_granted() {
        let bank = Name::new("bank").unwrap();
        for right in Right::ALL {
            assert!(!Grants::default().may(right), "{right}");
            assert!(Grants::all().may(right), "{right}");
            assert_eq!(right.as_str().parse(), Ok(right));
        }
        assert!(!Grants::default().may_report(&bank) && !Grants::default().may_observe(&bank));
        assert!(Grants::all().may_report(&bank) && Grants::all().may_observe(&bank));
        assert_eq!("root".parse::<Right>(), Err(UnknownRight));
    }

    #[test]
    fn one_right_is_no_other() {
        let grants = Grants {
            report: vec!["payments-*".parse().unwrap()],
            ..Grants::default()
        };
        assert!(grants.may_report(&Name::new("payments-eu").unwrap()));
        assert!(!grants.may_report(&Name::new("payments").unwrap()));
        assert!(!grants.may_observe(&Name::new("payments-eu").unwrap()));
        assert!(
            Right::ALL
                .into_iter()
                .all(|right| grants.may(right) == (right == Right::Report))
        );
        assert_eq!(grants.summary(), "report payments-*");
        assert!(
            Grants::all().include(&grants) && grants.include(&grants) && grants.include(&Grants::default())
        );
        assert!(!grants.include(&Grants::all()) && !Grants::default().include(&grants));
        let watching = Grants {
            watch: true,
            ..grants.clone()
        };
        assert!(watching.include(&grants) && !grants.include(&watching));
    }
}
