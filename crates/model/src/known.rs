//! What was known when the aggregator ended, told to the one that starts in its place.

use std::time::Duration;

use crate::{Criticality, Dependency, Freshness, Incarnation, InstanceId, MinHealthy, Name, Status};

/// A service as it was last known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownService {
    /// Its name.
    pub name: Name,
    /// Its last verdict.
    pub status: Status,
    /// How much it mattered, as its instances said.
    pub criticality: Option<Criticality>,
    /// How many of it had to be there, as its instances said.
    pub min_healthy: Option<MinHealthy>,
    /// What it needed, as its instances said.
    pub dependencies: Vec<Dependency>,
}

/// An instance as it was last known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownInstance {
    /// Who.
    pub id: InstanceId,
    /// In which life.
    pub incarnation: Incarnation,
    /// How often it was to be heard.
    pub interval: Duration,
    /// Its last status.
    pub status: Status,
    /// Whether it had ended uncleanly.
    pub freshness: Freshness,
}
