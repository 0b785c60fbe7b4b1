//! What is said at the end: the same figures for people and for programs.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    plan::Plan,
    tally::{Tally, Times},
};
use crate::{
    client::Server,
    output::{Escaped, Table},
};

/// The figures of a run. Times in milliseconds, counts of what happened while it was measured.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    target: String,
    instances: u32,
    /// Of them those that the target took.
    registered: u64,
    streams: u32,
    opened: u64,
    connections: u32,
    services: u32,
    interval_ms: u128,
    measured_ms: u128,
    messages_sent: u64,
    beats_sent: u64,
    beats_acknowledged: u64,
    /// How far behind its schedule a message was handed to the transport.
    late_ms: Quantiles,
    changes_made: u64,
    /// From the time a change was to be made until a watcher heard of it.
    seen_ms: Quantiles,
    /// Instances that were suspected or lost although their streams were beating, by the counts of their services.
    suspected: u64,
    lost: u64,
    reconnects: u64,
    /// What the target did not take, in its words, and how often it said so.
    refused: BTreeMap<String, u64>,
    /// Why streams and watches broke, and how often.
    broken: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Quantiles {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Quantiles {
    fn of(times: &Times) -> Self {
        Self {
            count: times.count(),
            p50: times.quantile(0.5),
            p90: times.quantile(0.9),
            p99: times.quantile(0.99),
            p999: times.quantile(0.999),
            max: times.max(),
        }
    }
}

impl Outcome {
    pub(super) fn of(plan: &Plan, target: &Server, measured: Duration, tally: &Tally) -> Self {
        let get = Tally::get;
        Self {
            target: target.to_string(),
            instances: plan.instances,
            registered: tally.registered(),
            streams: plan.streams,
            opened: get(&tally.opened),
            connections: plan.connections,
            services: plan.services,
            interval_ms: plan.interval.as_millis(),
            measured_ms: measured.as_millis(),
            messages_sent: get(&tally.messages),
            beats_sent: get(&tally.beats),
            beats_acknowledged: get(&tally.acknowledged),
            late_ms: Quantiles::of(&tally.late),
            changes_made: get(&tally.flips),
            seen_ms: Quantiles::of(&tally.seen),
            suspected: get(&tally.suspected),
            lost: get(&tally.lost),
            reconnects: get(&tally.reconnects),
            refused: tally.refused(),
            broken: tally.broken(),
        }
    }

    /// For people.
    pub(super) fn text(&self, width: Option<u16>) -> String {
        let mut text = format!(
            "{} instances of {} services on {} streams, {} connections, at {} for {:.1} s\n\n",
            self.registered,
            self.services,
            self.opened,
            self.connections,
            self.target,
            self.measured_ms as f64 / 1_000.0,
        );
        text += &self.times(width).text();
        text.push('\n');
        text += &self.counts(width).text();
        self.troubles(&mut text);
        text
    }

    fn times(&self, width: Option<u16>) -> Table {
        let mut table = Table::new(width, ["MILLISECONDS", "P50", "P90", "P99", "P99.9", "MAX"]);
        for (what, of) in [
            ("a change, until a watcher heard", self.seen_ms),
            ("this client behind its schedule", self.late_ms),
        ] {
            let cells = [of.p50, of.p90, of.p99, of.p999, of.max].map(|ms| match of.count {
                0 => "-".to_owned(),
                _ => format!("{ms:.2}"),
            });
            let [p50, p90, p99, p999, max] = cells;
            table.row([what.to_owned(), p50, p90, p99, p999, max].map(|cell| (cell, None)));
        }
        table
    }

    fn counts(&self, width: Option<u16>) -> Table {
        let mut table = Table::new(width, ["COUNT", "", "A SECOND"]);
        let seconds = (self.measured_ms as f64 / 1_000.0).max(0.001);
        for (what, count) in [
            ("beats sent", self.beats_sent),
            ("beats acknowledged", self.beats_acknowledged),
            ("messages of beats", self.messages_sent),
            ("changes made", self.changes_made),
            ("changes seen", self.seen_ms.count),
        ] {
            let rate = format!("{:.0}", count as f64 / seconds);
            table.row([what.to_owned(), count.to_string(), rate].map(|cell| (cell, None)));
        }
        for (what, count) in [
            ("falsely suspected", self.suspected),
            ("falsely lost", self.lost),
            ("streams and watches broken", self.reconnects),
            ("parts refused", self.refused.values().sum()),
        ] {
            table.row([what.to_owned(), count.to_string(), String::new()].map(|cell| (cell, None)));
        }
        table
    }

    fn troubles(&self, text: &mut String) {
        let (instances, streams) = (u64::from(self.instances), u64::from(self.streams));
        let mut line = |what: &str| {
            text.push_str(what);
            text.push('\n');
        };
        if self.registered < instances || !self.refused.is_empty() || !self.broken.is_empty() {
            line("");
        }
        if self.registered < instances {
            let missing = instances - self.registered;
            line(&format!("{missing} of {instances} instances were not registered"));
        }
        if self.opened < streams {
            let missing = streams - self.opened;
            line(&format!(
                "{missing} of {streams} streams could not be opened: an aggregator takes 2,048 connections from one \
                 address, and `ulimit -n` says how many files this one may open"
            ));
        }
        for (why, count) in &self.refused {
            line(&format!("refused {count} times: {}", Escaped(why)));
        }
        for (why, count) in &self.broken {
            line(&format!("broken {count} times: {}", Escaped(why)));
        }
    }
}
