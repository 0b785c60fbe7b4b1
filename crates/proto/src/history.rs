//! History: from the model for servers, to the model for clients.
//!
//! A client is lenient with what a newer server says, and takes no day that is none: a date is shown as one.

use ward_model::{Day, History, HistoryDay, HistorySpan, SpanReason, Uptime, Wall};

use crate::{Invalid, invalid::each, status::status, text, v1};

impl From<&HistorySpan> for v1::HistorySpan {
    fn from(span: &HistorySpan) -> Self {
        Self {
            from_unix_ms: span.from.0,
            to_unix_ms: span.to.map_or(0, |to| to.0),
            status: v1::Status::from(span.status).into(),
            reason: span.reason.as_str().into(),
            message: span.message.clone(),
            maintenance: span.maintenance,
        }
    }
}

impl From<v1::HistorySpan> for HistorySpan {
    fn from(wire: v1::HistorySpan) -> Self {
        Self {
            from: Wall(wire.from_unix_ms),
            to: (wire.to_unix_ms != 0).then_some(Wall(wire.to_unix_ms)),
            status: status(wire.status),
            reason: SpanReason::from(wire.reason.as_str()),
            message: text::clean(wire.message),
            maintenance: wire.maintenance,
        }
    }
}

impl From<&HistoryDay> for v1::HistoryDay {
    fn from(day: &HistoryDay) -> Self {
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        Self {
            date: day.day.to_string(),
            healthy_seconds: seconds(day.uptime.healthy_ms),
            degraded_seconds: seconds(day.uptime.degraded_ms),
            unhealthy_seconds: seconds(day.uptime.unhealthy_ms),
            unknown_seconds: seconds(day.uptime.unknown_ms),
            maintenance_seconds: seconds(day.uptime.maintenance_ms),
        }
    }
}

impl TryFrom<v1::HistoryDay> for HistoryDay {
    type Error = Invalid;

    fn try_from(wire: v1::HistoryDay) -> Result<Self, Invalid> {
        let day: Day = wire
            .date
            .parse()
            .map_err(|error: ward_model::InvalidDay| Invalid::new("date", error.to_string()))?;
        // What is no number of milliseconds reads as the nearest that is.
        let ms = |seconds: f64| (seconds * 1_000.0).round() as u64;
        Ok(Self {
            day,
            uptime: Uptime {
                healthy_ms: ms(wire.healthy_seconds),
                degraded_ms: ms(wire.degraded_seconds),
                unhealthy_ms: ms(wire.unhealthy_seconds),
                unknown_ms: ms(wire.unknown_seconds),
                maintenance_ms: ms(wire.maintenance_seconds),
            },
        })
    }
}

impl From<Uptime> for v1::Uptime {
    fn from(uptime: Uptime) -> Self {
        Self {
            healthy_ms: uptime.healthy_ms,
            degraded_ms: uptime.degraded_ms,
            unhealthy_ms: uptime.unhealthy_ms,
            unknown_ms: uptime.unknown_ms,
            maintenance_ms: uptime.maintenance_ms,
            availability: uptime.availability(),
        }
    }
}

/// The availability is made anew from the times.
impl From<v1::Uptime> for Uptime {
    fn from(wire: v1::Uptime) -> Self {
        // A window of all time there is has fewer, so that sums of the five cannot overflow.
        let ms = |ms: u64| ms.min(u64::MAX / 8);
        Self {
            healthy_ms: ms(wire.healthy_ms),
            degraded_ms: ms(wire.degraded_ms),
            unhealthy_ms: ms(wire.unhealthy_ms),
            unknown_ms: ms(wire.unknown_ms),
            maintenance_ms: ms(wire.maintenance_ms),
        }
    }
}

impl From<&History> for v1::GetHistoryResponse {
    fn from(history: &History) -> Self {
        Self {
            spans: history.spans.iter().map(Into::into).collect(),
            days: history.days.iter().map(Into::into).collect(),
            uptime: Some(history.uptime.into()),
            since_unix_ms: history.since.0,
            until_unix_ms: history.until.0,
            shortened: history.shortened,
        }
    }
}

impl TryFrom<v1::GetHistoryResponse> for History {
    type Error = Invalid;

    fn try_from(wire: v1::GetHistoryResponse) -> Result<Self, Invalid> {
        Ok(Self {
            since: Wall(wire.since_unix_ms),
            until: Wall(wire.until_unix_ms),
            spans: wire.spans.into_iter().map(Into::into).collect(),
            days: each("days", wire.days, HistoryDay::try_from)?,
            uptime: wire.uptime.unwrap_or_default().into(),
            shortened: wire.shortened,
        })
    }
}

#[cfg(test)]
mod tests {
    use ward_model::{Reason, Status};

    use super::*;

    fn history() -> History {
        let span = |from, to, status, reason| HistorySpan {
            from: Wall(from),
            to,
            status,
            reason,
            message: "down".into(),
            maintenance: true,
        };
        let uptime = Uptime {
            healthy_ms: 1,
            degraded_ms: 20,
            unhealthy_ms: 300,
            unknown_ms: 4_001,
            maintenance_ms: 86_400_000,
        };
        History {
            since: Wall(5),
            until: Wall(90),
            spans: vec![
                span(5, Some(Wall(7)), Status::Unknown, SpanReason::NotWatched),
                span(7, None, Status::Unhealthy, SpanReason::Verdict(Reason::Lost)),
            ],
            days: vec![HistoryDay {
                day: Day(20_787),
                uptime,
            }],
            uptime,
            shortened: true,
        }
    }

    #[test]
    fn what_is_sent_is_what_was() {
        let sent = v1::GetHistoryResponse::from(&history());
        assert_eq!(sent.days[0].date, "2026-11-30");
        assert_eq!(sent.uptime.unwrap().availability, history().uptime.availability());
        assert_eq!(History::try_from(sent), Ok(history()));
    }

    #[test]
    fn a_day_that_is_none_is_refused_and_times_beyond_all_time_overflow_nothing() {
        let mut sent = v1::GetHistoryResponse::from(&history());
        sent.days[0].date = "\u{1b}[31m".into();
        assert!(History::try_from(sent).is_err());
        let most = v1::Uptime {
            healthy_ms: u64::MAX,
            degraded_ms: u64::MAX,
            unhealthy_ms: u64::MAX,
            unknown_ms: u64::MAX,
            maintenance_ms: u64::MAX,
            availability: None,
        };
        assert!(Uptime::from(most).total_ms() > 0);
    }
}
