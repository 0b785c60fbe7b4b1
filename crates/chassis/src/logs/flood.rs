//! How often one place in the code may log: whoever can cause a line can cause a million, and a full disk or a blocked
//! stderr takes the process with it.
//!
//! Each callsite has [`BURST`] lines at once and one more for every [`PACE`]; what is more is counted, and said now and
//! then for that callsite. Errors too: that the same thing fails ten thousand times is one thing to know. Not so debug
//! and trace, which somebody has asked for and reads as a protocol, nor what is of the target [`RECORD`]. One bound for all lines together was not taken: who
//! floods would silence everybody else. Lines that stand in for the last ones are not kept back for later either; which
//! of many equal lines is written does not matter.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tracing::{Event, Level, Metadata, Subscriber, callsite::Identifier};
use tracing_subscriber::layer::{Context, Layer};
use ward_model::Mono;

use crate::Clock;

/// Lines at once: what a fleet that does the same within a moment needs to be understood.
const BURST: u32 = 50;
/// 5 lines a second from then on: some 100 MB a day and callsite, which a disk bears until somebody looks.
const PACE: Duration = Duration::from_millis(200);
/// How often it is said for one callsite that lines are left out.
const SAID: Duration = Duration::from_secs(10);

/// The target of lines that say who did what: none of them is left out, since a flood would be a way to hide one. Whoever
/// can cause them is known, and bounded elsewhere.
pub const RECORD: &str = "ward::record";

/// How many were lost, of lines or of spans. Cheap to clone; all clones are one counter.
#[derive(Clone, Debug, Default)]
pub struct Dropped(Arc<AtomicU64>);

impl Dropped {
    /// Since the start.
    pub fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn add(&self, lost: u64) {
        self.0.fetch_add(lost, Relaxed);
    }
}

impl PartialEq for Dropped {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A layer that stands before the one that writes.
#[derive(Debug)]
pub(super) struct Flood {
    clock: Clock,
    /// Callsites are places in the code: as many as there are, however much is logged.
    callsites: Mutex<HashMap<Identifier, Callsite>>,
    dropped: Dropped,
}

impl Flood {
    pub(super) fn new(clock: Clock, dropped: Dropped) -> Self {
        Self {
            clock,
            callsites: Mutex::default(),
            dropped,
        }
    }

    fn line(&self, metadata: &Metadata<'_>) -> Line {
        let now = self.clock.mono();
        let mut callsites = self.callsites.lock();
        callsites.entry(metadata.callsite()).or_default().line(now)
    }
}

impl<S: Subscriber> Layer<S> for Flood {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // What is said below bounds itself, and would otherwise come back here.
        let is_bounded = *metadata.level() <= Level::INFO && metadata.target() != RECORD;
        if !is_bounded || metadata.module_path() == Some(module_path!()) {
            return true;
        }
        let line = self.line(metadata);
        if !line.is_written {
            self.dropped.add(1);
        }
        if let Some(lines) = line.left_out {
            let (target, file, number) = (metadata.target(), metadata.file(), metadata.line());
            tracing::warn!(
                lines,
                of = target,
                file,
                line = number,
                "lines like this were left out"
            );
        }
        line.is_written
    }
}

/// What becomes of one line.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    is_written: bool,
    /// So many were not written since that was said last, if it is to be said now.
    left_out: Option<u64>,
}

/// One place that logs.
#[derive(Debug, Default)]
struct Callsite {
    /// When it has all of its burst again.
    full: Mono,
    left_out: u64,
    said: Option<Mono>,
}

impl Callsite {
    fn line(&mut self, now: Mono) -> Line {
        let full = self.full.max(now) + PACE;
        let is_written = full.since(now) <= PACE * BURST;
        if is_written {
            self.full = full;
        } else {
            self.left_out += 1;
        }
        let is_due = self.said.is_none_or(|said| now.since(said) >= SAID);
        let left_out = (self.left_out > 0 && is_due).then(|| {
            self.said = Some(now);
            std::mem::take(&mut self.left_out)
        });
        Line { is_written, left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::default() + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_then_a_pace_and_what_is_left_out_is_said_now_and_then() {
        let mut callsite = Callsite::default();
        let mut written = 0;
        let mut said = Vec::new();
        // A thousand lines a second, for a minute.
        for millis in 0..60_000 {
            let line = callsite.line(at(millis));
            written += u64::from(line.is_written);
            said.extend(line.left_out.map(|lines| (millis, lines)));
        }
        assert_eq!(written, 50 + 300 - 1);
        assert_eq!(said[0], (50, 1), "at once");
        assert_eq!(said.len(), 6, "and every 10 s: {said:?}");
        let told: u64 = said.iter().map(|(_, lines)| lines).sum();
        assert_eq!(
            told + callsite.left_out + written,
            60_000,
            "every line is accounted for"
        );
        let rest = callsite.left_out;
        let later = callsite.line(at(200_000));
        assert_eq!(
            (later.is_written, later.left_out),
            (true, Some(rest)),
            "the rest is said with the next"
        );
        assert_eq!(callsite.line(at(200_001)).left_out, None);
    }

    #[test]
    fn who_logs_seldom_is_never_left_out() {
        let mut callsite = Callsite::default();
        for second in 0..10_000 {
            let line = callsite.line(at(second * 1_000));
            assert_eq!(
                line,
                Line {
                    is_written: true,
                    left_out: None
                }
            );
        }
    }
}
