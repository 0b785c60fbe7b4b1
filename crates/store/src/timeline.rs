//! History from what was kept of it: pure.
//!
//! Transitions say what changed and marks of life say until when somebody looked. Between the last mark of one life of the
//! aggregator and its next word about a thing nobody knows how that was: such time is Unknown, `NotWatched`. To let the
//! last status hold until the next start instead would call an outage of the aggregator uptime of all it watches.

use ward_model::{Day, HistoryDay, HistorySpan, SpanReason, Status, Uptime, Wall};

/// One kept transition of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Wall,
    /// To what.
    pub status: Status,
    /// Why.
    pub reason: SpanReason,
    /// Why, for people.
    pub message: String,
    /// Whether it is in maintenance from then on.
    pub maintenance: bool,
}

impl Mark {
    /// From `at` on, nothing is known.
    pub fn unknown(at: Wall, reason: SpanReason) -> Self {
        Self {
            at,
            status: Status::Unknown,
            reason,
            message: String::new(),
            maintenance: false,
        }
    }

    fn holds(&self, span: &HistorySpan) -> bool {
        (self.status, self.reason, self.maintenance) == (span.status, span.reason, span.maintenance)
            && self.message == span.message
    }
}

/// One life of the aggregator: from its start to its last mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it began.
    pub started: Wall,
    /// When it was last known to live.
    pub last: Wall,
}

/// A stretch of time, from its first millisecond to before its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From when.
    pub since: Wall,
    /// Until when.
    pub until: Wall,
}

/// How it was in `window`: oldest first, without gap or overlap, and without two alike side by side.
///
/// `marks` are those of the window and the last one before it, in their order; `lives` by their start.
pub fn spans(marks: &[Mark], lives: &[Life], window: Window) -> Vec<HistorySpan> {
    let mut spans: Vec<HistorySpan> = Vec::new();
    if window.since >= window.until {
        return spans;
    }
    let gaps = gaps(lives);
    let mut marks: Vec<&Mark> = marks.iter().chain(&gaps).collect();
    // Stable: a gap that begins with a mark is behind it.
    marks.sort_by_key(|mark| mark.at);
    let (before, within) = marks.split_at(marks.partition_point(|mark| mark.at <= window.since));
    let nothing = Mark::unknown(window.since, SpanReason::NotWatched);
    let mut current = before.last().copied().unwrap_or(&nothing);
    let mut from = window.since;
    for mark in within.iter().take_while(|mark| mark.at < window.until) {
        push(&mut spans, current, from, mark.at);
        (current, from) = (mark, mark.at);
    }
    push(&mut spans, current, from, window.until);
    spans
}

fn push(spans: &mut Vec<HistorySpan>, mark: &Mark, from: Wall, to: Wall) {
    match spans.last_mut() {
        _ if from >= to => {}
        Some(last) if mark.holds(last) => last.to = Some(to),
        _ => spans.push(HistorySpan {
            from,
            to: Some(to),
            status: mark.status,
            reason: mark.reason,
            message: mark.message.clone(),
            maintenance: mark.maintenance,
        }),
    }
}

/// Where nobody watched, as marks. Lives that overlap (a clock was set back) leave no gap.
fn gaps(lives: &[Life]) -> Vec<Mark> {
    let mut gaps = Vec::new();
    let mut watched = lives.first().map_or(Wall(i64::MAX), |life| life.last);
    for life in lives.iter().skip(1) {
        if watched < life.started {
            gaps.push(Mark::unknown(watched, SpanReason::NotWatched));
        }
        watched = watched.max(life.last);
    }
    gaps
}

/// The days of `spans`, which end at `until` at the latest; a day holds what of it is in the spans.
pub fn days(spans: &[HistorySpan], until: Wall) -> Vec<HistoryDay> {
    let mut days: Vec<HistoryDay> = Vec::new();
    for span in spans {
        let to = span.to.unwrap_or(until);
        let mut from = span.from;
        while from < to {
            let day = Day::of(from);
            let end = day.next().start().min(to);
            let uptime = Uptime::of(span.status, span.maintenance, lasted(from, end));
            match days.last_mut() {
                Some(last) if last.day == day => last.uptime += uptime,
                _ => days.push(HistoryDay { day, uptime }),
            }
            from = end;
        }
    }
    days
}

/// The sum of `days`.
pub fn uptime<'a>(days: impl IntoIterator<Item = &'a HistoryDay>) -> Uptime {
    days.into_iter().fold(Uptime::default(), |mut sum, day| {
        sum += day.uptime;
        sum
    })
}

/// Milliseconds from one to the other; none if they are the other way round.
fn lasted(from: Wall, to: Wall) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
