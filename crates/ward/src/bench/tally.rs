//! What happened, counted by all tasks of a run.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::sync::watch;
use ward_proto::v1;

/// Longest time that is told apart, in microseconds: ten minutes. What takes longer counts as that.
const LONGEST_US: u64 = 600_000_000;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Streams are opened, instances say hello. Beats are sent and not counted.
    Filling,
    Measuring,
    /// Instances say goodbye.
    Leaving,
}

impl Stage {
    /// Until the run is at this stage or behind it. Cancel safe.
    pub(super) async fn reached(self, of: &mut watch::Receiver<Self>) {
        // An end of its sender is the end of the run as well.
        drop(of.wait_for(|&stage| stage >= self).await);
    }
}

/// Times, in microseconds.
#[derive(Debug)]
pub(super) struct Times(Mutex<Histogram<u64>>);

impl Default for Times {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 3);
        Self(Mutex::new(histogram.expect("the bounds are in order")))
    }
}

impl Times {
    pub(super) fn record(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.lock().saturating_record(us);
    }

    /// In milliseconds.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        self.0.lock().value_at_quantile(share) as f64 / 1_000.0
    }

    /// In milliseconds.
    pub(super) fn max(&self) -> f64 {
        self.0.lock().max() as f64 / 1_000.0
    }

    pub(super) fn count(&self) -> u64 {
        self.0.lock().len()
    }
}

/// All that is counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Streams that have been opened, each once.
    pub(super) opened: AtomicU64,
    /// Streams that need not be waited for: opened, or failed often enough.
    pub(super) ready: AtomicU64,
    registered: AtomicU64,
    pub(super) messages: AtomicU64,
    pub(super) beats: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    /// How far behind its schedule a message of beats was handed to the transport.
    pub(super) late: Times,
    pub(super) flips: AtomicU64,
    /// From the time a probe was to change its word until a watcher heard of it.
    pub(super) seen: Times,
    pub(super) suspected: AtomicU64,
    pub(super) lost: AtomicU64,
    /// Streams and watches that broke and had to be opened again.
    pub(super) reconnects: AtomicU64,
    refused: Mutex<BTreeMap<String, u64>>,
    broken: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Relaxed);
    }

    pub(super) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Relaxed)
    }

    /// Instances that have been registered, those of the probes left out.
    pub(super) fn registered(&self) -> u64 {
        Self::get(&self.registered)
    }

    /// All instances of one stream that there will be.
    pub(super) fn register(&self, count: usize) {
        Self::add(&self.registered, count as u64);
    }

    /// The target did not take a part of a request: in its own words, which name the bound where it is one.
    pub(super) fn refuse(&self, rejection: &v1::Rejection) {
        count(
            &self.refused,
            format!("{}: {}", word(rejection.code()), rejection.message),
        );
    }

    /// A stream ended before its time.
    pub(super) fn broke(&self, why: String) {
        count(&self.broken, why);
    }

    /// What was refused, and how often.
    pub(super) fn refused(&self) -> BTreeMap<String, u64> {
        self.refused.lock().clone()
    }

    /// Why streams ended, and how often.
    pub(super) fn broken(&self) -> BTreeMap<String, u64> {
        self.broken.lock().clone()
    }

    /// The first reason why something did not work.
    pub(super) fn why(&self) -> Option<String> {
        let (refused, broken) = (self.refused(), self.broken());
        refused.into_keys().chain(broken.into_keys()).next()
    }
}

/// Most different reasons that are kept. A message may name an instance.
const REASONS: usize = 20;

fn count(reasons: &Mutex<BTreeMap<String, u64>>, why: String) {
    let mut reasons = reasons.lock();
    let why = match reasons.len() < REASONS || reasons.contains_key(&why) {
        true => why,
        false => "others".to_owned(),
    };
    *reasons.entry(why).or_default() += 1;
}

/// As the contract calls it, without what all its words begin with.
fn word(code: v1::RejectionCode) -> String {
    let name = code.as_str_name();
    name.strip_prefix("REJECTION_CODE_")
        .unwrap_or(name)
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_do_not_grow_without_end() {
        let tally = Tally::default();
        let rejection = |message: String| v1::Rejection {
            code: v1::RejectionCode::Exhausted.into(),
            message,
            ..v1::Rejection::default()
        };
        tally.refuse(&rejection("full".to_owned()));
        tally.refuse(&rejection("full".to_owned()));
        assert_eq!(tally.refused(), [("exhausted: full".to_owned(), 2)].into());
        (0..100).for_each(|n| tally.refuse(&rejection(n.to_string())));
        assert_eq!(tally.refused().len(), REASONS + 1);
        assert_eq!(tally.refused().values().sum::<u64>(), 102);
    }
}
