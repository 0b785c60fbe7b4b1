//! Status, reason and condition: the verdict about one thing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Wall;

/// How well something is, in the order of badness, so that joining two is taking the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Works.
    #[default]
    Healthy,
    /// Absence of evidence. Never evidence of health.
    Unknown,
    /// Works, but not as it should.
    Degraded,
    /// Does not work.
    Unhealthy,
}

impl Status {
    /// All, from best to worst.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Unknown, Self::Degraded, Self::Unhealthy];

    /// The worse of the two.
    #[must_use]
    #[inline]
    pub fn join(self, other: Self) -> Self {
        self.max(other)
    }

    /// Anything but healthy.
    #[inline]
    pub fn is_bad(self) -> bool {
        self != Self::Healthy
    }

    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a status is as it is, for machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Its own word.
    #[default]
    Reported,
    /// No first word yet, and time left for it.
    Starting,
    /// No first word in the time allowed.
    StartupTimeout,
    /// Silent past its lease.
    Lost,
    /// An agent saw its process end.
    Exited,
    /// Nobody reports or observes it.
    NoInstances,
    /// Fewer instances than wanted.
    Quorum,
    /// Something it depends on.
    Dependency,
    /// What others see of it.
    Observed,
    /// A signal past a level.
    Threshold,
    /// It changes too often to be believed.
    Flapping,
    /// The observer cannot see, and says so instead of judging.
    ObserverSuspect,
    /// Its host cannot be reached.
    HostUnreachable,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Reported,
        Self::Starting,
        Self::StartupTimeout,
        Self::Lost,
        Self::Exited,
        Self::NoInstances,
        Self::Quorum,
        Self::Dependency,
        Self::Observed,
        Self::Threshold,
        Self::Flapping,
        Self::ObserverSuspect,
        Self::HostUnreachable,
    ];

    /// The CamelCase word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "Reported",
            Self::Starting => "Starting",
            Self::StartupTimeout => "StartupTimeout",
            Self::Lost => "Lost",
            Self::Exited => "Exited",
            Self::NoInstances => "NoInstances",
            Self::Quorum => "Quorum",
            Self::Dependency => "Dependency",
            Self::Observed => "Observed",
            Self::Threshold => "Threshold",
            Self::Flapping => "Flapping",
            Self::ObserverSuspect => "ObserverSuspect",
            Self::HostUnreachable => "HostUnreachable",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A status with what one needs to believe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The verdict.
    pub status: Status,
    /// Why, for machines.
    pub reason: Reason,
    /// Why, for people. May be empty.
    pub message: String,
    /// Since when the status holds, by the aggregator's wall clock.
    pub since: Wall,
}

/// Whether one still hears from an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// Heard in time.
    #[default]
    Fresh,
    /// Past its deadline, or its stream broke; not judged yet.
    Suspect,
    /// Judged gone.
    Lost,
    /// An agent saw its process end.
    Exited,
}

impl Freshness {
    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Suspect => "suspect",
            Self::Lost => "lost",
            Self::Exited => "exited",
        }
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
