//! How alerts stand, and who has been told of them.

use std::{cmp::Reverse, collections::BTreeMap, fmt, sync::Arc};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use ward_model::{Alert, AlertKey, AlertState, Name, Severity, Suppression, Wall};

use super::collect::{Family, Labels};
use crate::alerting::{Board, Receiver};

/// Alerts with a series of their own: more than anybody reads. `ward_alerts` counts all.
const ALERTS_SHOWN: usize = 1_000;

/// What is shown of them.
#[derive(Debug)]
pub(crate) struct Alerts {
    pub(crate) board: Arc<Board>,
    pub(crate) receivers: Vec<Receiver>,
    pub(crate) now: Wall,
}

impl Alerts {
    /// All there can be, also where there are none: a series that comes and goes is hard to alert on.
    fn counts(&self) -> impl Iterator<Item = ([(&'static str, &'static str); 2], u64)> {
        let mut counts = BTreeMap::new();
        for alert in &self.board.alerts {
            *counts.entry((alert.state, alert.severity)).or_insert(0) += 1;
        }
        let all = AlertState::ALL.into_iter();
        let all = all.flat_map(|state| Severity::ALL.map(|severity| (state, severity)));
        all.map(move |of @ (state, severity)| {
            let labels = [("state", state.as_str()), ("severity", severity.as_str())];
            (labels, counts.get(&of).copied().unwrap_or_default())
        })
    }

    /// The system's stand under no service. Whose alert withholds one is its `cause`.
    fn one_by_one(&self) -> impl Iterator<Item = (Labels<'_, 5>, u64)> {
        let mut alerts: Vec<&Alert> = self.board.alerts.iter().map(Arc::as_ref).collect();
        // What fires is never crowded out by what does not.
        alerts.sort_by_key(|alert| Reverse((alert.state == AlertState::Firing, alert.severity)));
        alerts.into_iter().take(ALERTS_SHOWN).map(|alert| {
            let cause = match &alert.suppression {
                Some(Suppression::Cause(AlertKey { service, .. })) => {
                    service.as_ref().map_or("system", Name::as_str)
                }
                Some(Suppression::Maintenance(_)) => "maintenance",
                None => "",
            };
            let labels = [
                ("rule", alert.key.rule.as_str()),
                ("service", alert.key.service.as_ref().map_or("", Name::as_str)),
                ("severity", alert.severity.as_str()),
                ("state", alert.state.as_str()),
                ("cause", cause),
            ];
            (labels, 1)
        })
    }

    fn withheld(&self, because: &'static str) -> ([(&'static str, &'static str); 1], u64) {
        let reasons = self
            .board
            .alerts
            .iter()
            .filter_map(|alert| alert.suppression.as_ref());
        let count = reasons.filter(|reason| reason.as_str() == because).count();
        ([("reason", because)], count as u64)
    }

    fn each(&self, value: impl Fn(&Receiver) -> u64) -> Vec<(Labels<'_, 1>, u64)> {
        let receivers = self.receivers.iter();
        receivers
            .map(|receiver| {
                (
                    [("receiver", receiver.standing.receiver.as_str())],
                    value(receiver),
                )
            })
            .collect()
    }
}

impl Collector for Alerts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = Family {
            encoder: &mut encoder,
        };
        family.gauges("ward_alerts", "Alerts now", self.counts())?;
        family.gauges(
            "ward_alert",
            "1 for each alert, the most urgent if they are too many",
            self.one_by_one(),
        )?;
        let withheld = ["cause", "maintenance"].map(|because| self.withheld(because));
        family.gauges("ward_alerts_suppressed", "Alerts withheld now, by why", withheld)?;
        let help = "Conditions that hold and have no alert, for want of room";
        family.gauge("ward_alerts_beyond", help, self.board.beyond as u64)?;
        let acknowledged = self
            .board
            .alerts
            .iter()
            .filter(|alert| alert.acknowledged.is_some())
            .count();
        let help = "Alerts that fire and that somebody works on, now";
        family.gauge("ward_alerts_acknowledged", help, acknowledged as u64)?;
        let requests = self.receivers.iter().flat_map(|receiver| {
            let name = receiver.standing.receiver.as_str();
            let outcomes = ["delivered", "failed", "refused"]
                .into_iter()
                .zip(receiver.standing.requests);
            outcomes.map(move |(outcome, count)| ([("receiver", name), ("outcome", outcome)], count))
        });
        let help = "Requests that delivered alerts, or did not";
        family.counters("ward_alert_deliveries", help, requests)?;
        let help = "What a receiver has yet to be told";
        family.gauges(
            "ward_outbox_entries",
            help,
            self.each(|receiver| receiver.standing.owed),
        )?;
        let age = |receiver: &Receiver| {
            receiver
                .standing
                .oldest
                .map_or(0, |oldest| (self.now.0 - oldest.0).max(0) / 1_000)
        };
        let help = "Since when the oldest of that waits, in seconds; 0 if nothing does";
        family.gauges(
            "ward_outbox_oldest_age_seconds",
            help,
            self.each(|receiver| age(receiver).unsigned_abs()),
        )?;
        let help = "What was given up: beyond a bound, or refused for too long";
        family.counters(
            "ward_outbox_dropped",
            help,
            self.each(|receiver| receiver.standing.dropped),
        )?;
        let help = "What was delivered without being on disk first";
        family.counters(
            "ward_outbox_unrecorded",
            help,
            self.each(|receiver| receiver.standing.unrecorded),
        )
    }
}
