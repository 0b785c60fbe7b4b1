//! A service's view of its own health, for probes and for itself.
//!
//! Only its checks count. Levels of signals, quorum, dependencies and silence are judged by the aggregator, which sees
//! more than one process does.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use jiff::Timestamp;
use serde::Serialize;
use ward_model::{CheckKind, Mono, Status};

use crate::board::{Board, Standing};

/// How a service is, by its own checks. As JSON it is what `/health` answers.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// The worst of its checks; an advisory one at most degrades.
    pub status: Status,
    /// When this was asked, as RFC 3339.
    pub timestamp: String,
    /// The service.
    pub service: String,
    /// Of which version.
    pub version: String,
    /// Seconds since its reporter was started.
    pub uptime_seconds: f64,
    /// It is heard by the aggregator.
    pub reporting: bool,
    /// Its checks, by their names.
    pub components: BTreeMap<String, Component>,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Component {
    /// Its debounced status; unknown before its first result.
    pub status: Status,
    /// Why, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Whether it makes the service as bad as itself.
    pub kind: CheckKind,
}

impl Health {
    pub(crate) fn of(board: &Board) -> Self {
        let standings = board.standings();
        let now = board.clock.now();
        let status = standings.iter().map(contribution).max().unwrap_or_default();
        let component = |Standing {
                             name,
                             kind,
                             status,
                             message,
                             ..
                         }| {
            (
                String::from(name),
                Component {
                    status,
                    message,
                    kind,
                },
            )
        };
        Self {
            status,
            timestamp: Timestamp::from_millisecond(now.wall.0)
                .map_or_else(|_| String::new(), |at| at.to_string()),
            service: board.service.to_string(),
            version: board.version.clone(),
            uptime_seconds: now.mono.since(Mono::default()).as_secs_f64(),
            reporting: board.figures.connected.load(Relaxed),
            components: standings.into_iter().map(component).collect(),
        }
    }

    /// Requests should not be sent here.
    pub fn is_out(&self) -> bool {
        matches!(self.status, Status::Unhealthy | Status::Unknown)
    }
}

/// What a check does to its instance, by the table of the health model.
fn contribution(standing: &Standing) -> Status {
    match (standing.kind, standing.status) {
        (CheckKind::Required, status) => status,
        (CheckKind::Advisory, Status::Healthy | Status::Unknown) => Status::Healthy,
        (CheckKind::Advisory, Status::Degraded | Status::Unhealthy) => Status::Degraded,
    }
}

/// Required checks that keep requests away; empty if the service is ready.
pub(crate) fn unready(board: &Board) -> Vec<String> {
    if board.is_leaving() {
        // Checks run no longer, so that what they say now is nobody's fault.
        return vec!["shutting down".into()];
    }
    let keeps_away = |standing: &Standing| {
        standing.kind == CheckKind::Required && matches!(standing.status, Status::Unhealthy | Status::Unknown)
    };
    let standings = board.standings();
    let said =
        |standing: &Standing| format!("{} is {}: {}", standing.name, standing.status, standing.message);
    standings
        .iter()
        .filter(|standing| keeps_away(standing))
        .map(said)
        .collect()
}

/// Checks without a first result; empty if the service has started.
pub(crate) fn unstarted(board: &Board) -> Vec<String> {
    let waiting = board.standings().into_iter().filter(|standing| !standing.spoken);
    waiting
        .map(|standing| format!("{} has no result yet", standing.name))
        .collect()
}
