//! Histories and events of the audit log, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use ward_tlog::Hash;

use super::{Status, rfc3339};

/// As much of the audit log as is durable. Whoever keeps one can tell later whether the log was rewritten.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct AuditHead {
    /// The log's name.
    #[schema(example = "ward.5f0c2a19/audit")]
    origin: String,
    /// How many events.
    size: u64,
    /// The root of the RFC 6962 tree over them, in base64 as in checkpoints.
    #[schema(pattern = "^[A-Za-z0-9+/]{43}=$")]
    root: String,
}

impl From<&ward_model::AuditHead> for AuditHead {
    fn from(head: &ward_model::AuditHead) -> Self {
        Self {
            origin: head.origin.clone(),
            size: head.size,
            root: Hash(head.root).to_string(),
        }
    }
}

/// One event of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct AuditEvent {
    /// Its place in the log, from 0.
    index: u64,
    #[schema(format = DateTime)]
    time: String,
    /// What happened, such as `degrade`.
    r#type: &'static str,
    /// What it was decided by, such as `engine`.
    source: &'static str,
    /// About what: a service, `service/instance`, `system`, `aggregator`, `config`, a token.
    subject: String,
    /// Who: as proved, as claimed where nobody had to prove anything, or `ward`.
    actor: String,
    /// `intent`: it is to be done. `outcome`: it is done.
    phase: &'static str,
    /// Of an outcome: the index of its intent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    intent: Option<u64>,
    /// One life of the aggregator, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    epoch: String,
    /// The revision it belongs to.
    revision: u64,
    /// What it rests on.
    evidence: BTreeMap<String, String>,
    /// The hash of the event before, in base64.
    prev: String,
}

impl From<&ward_audit::Event> for AuditEvent {
    fn from(event: &ward_audit::Event) -> Self {
        let evidence = event.evidence.iter();
        Self {
            index: event.index,
            time: rfc3339(event.time),
            r#type: event.kind.as_str(),
            source: event.source.as_str(),
            subject: event.subject.clone(),
            actor: event.actor.clone(),
            phase: event.phase.as_str(),
            intent: event.intent,
            epoch: format!("{:016x}", event.epoch.0),
            revision: event.revision.0,
            evidence: evidence
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            prev: event.prev.to_string(),
        }
    }
}

/// What was, in a window of time.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct History {
    #[schema(format = DateTime)]
    since: String,
    #[schema(format = DateTime)]
    until: String,
    /// Oldest first, without gap or overlap. What is older than what is kept of transitions is only in `days`.
    spans: Vec<HistorySpan>,
    /// Each day of the window, oldest first.
    days: Vec<HistoryDay>,
    uptime: Uptime,
    /// There were more transitions than asked for; the newest are told.
    shortened: bool,
}

/// A stretch of time in which nothing changed.
#[derive(Debug, Serialize, ToSchema)]
struct HistorySpan {
    #[schema(format = DateTime)]
    from: String,
    /// Left out if it still holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    to: Option<String>,
    status: Status,
    /// A reason of a condition, or why there is none: `NotWatched`, `NotRecorded`, `Forgotten`.
    reason: &'static str,
    message: String,
    /// Somebody worked on it.
    maintenance: bool,
}

/// One day of UTC, or the part of it that is in the window.
#[derive(Debug, Serialize, ToSchema)]
struct HistoryDay {
    #[schema(format = Date)]
    date: String,
    #[serde(flatten)]
    times: Times,
}

/// How long it was what, in milliseconds. The five add up to the whole.
#[derive(Debug, Serialize, ToSchema)]
struct Times {
    healthy_ms: u64,
    /// It worked, though not as it should.
    degraded_ms: u64,
    unhealthy_ms: u64,
    /// No verdict, or nobody to give one. Counts neither as up nor as down.
    unknown_ms: u64,
    /// In maintenance, whatever the verdict. Counts neither as up nor as down.
    maintenance_ms: u64,
}

/// The whole window.
#[derive(Debug, Serialize, ToSchema)]
struct Uptime {
    #[serde(flatten)]
    times: Times,
    /// Healthy and degraded time over the time with a verdict, 0 to 1. Left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1)]
    availability: Option<f64>,
}

impl From<ward_model::Uptime> for Times {
    fn from(uptime: ward_model::Uptime) -> Self {
        Self {
            healthy_ms: uptime.healthy_ms,
            degraded_ms: uptime.degraded_ms,
            unhealthy_ms: uptime.unhealthy_ms,
            unknown_ms: uptime.unknown_ms,
            maintenance_ms: uptime.maintenance_ms,
        }
    }
}

impl From<&ward_model::HistorySpan> for HistorySpan {
    fn from(span: &ward_model::HistorySpan) -> Self {
        Self {
            from: rfc3339(span.from),
            to: span.to.map(rfc3339),
            status: span.status.into(),
            reason: span.reason.as_str(),
            message: span.message.clone(),
            maintenance: span.maintenance,
        }
    }
}

impl From<&ward_model::History> for History {
    fn from(history: &ward_model::History) -> Self {
        let day = |day: &ward_model::HistoryDay| HistoryDay {
            date: day.day.to_string(),
            times: day.uptime.into(),
        };
        Self {
            since: rfc3339(history.since),
            until: rfc3339(history.until),
            spans: history.spans.iter().map(Into::into).collect(),
            days: history.days.iter().map(day).collect(),
            uptime: Uptime {
                times: history.uptime.into(),
                availability: history.uptime.availability(),
            },
            shortened: history.shortened,
        }
    }
}
