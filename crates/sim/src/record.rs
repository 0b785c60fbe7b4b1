//! What happened, seen by one who knows the truth.
//!
//! The engine is told what reporters manage to tell it; the record also knows who is dead, since when, and what had
//! reached the aggregator's host without being read. Against that every conviction is measured.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use ward_engine::{Lease, StreamId};
use ward_model::{ChangeSet, Entity, EntityKey, Freshness, InstanceState, Mono, Reason, Status};

use crate::reporter::{RETURN, Reporter};

/// One instance made Lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conviction {
    /// When, by the clock that deadlines are made of.
    pub at: Mono,
    /// Who.
    pub who: usize,
    /// How long nothing had been heard of it.
    pub silence: Duration,
    /// How long after the moment at which an observer without doubt would have convicted it.
    pub late_by: Duration,
    /// Before that moment. Must never be.
    pub early: bool,
    /// This life of it works, and not only since a moment ago, and a word of it less old than its lease had reached the
    /// aggregator's host.
    pub wrong: bool,
    /// How long it had been dead, if it was.
    pub dead_for: Option<Duration>,
    /// Its lease.
    pub lease: Duration,
    /// Instances that were neither lost nor exited just before.
    pub live: usize,
}

/// One published change of a status or a freshness, without times of the wall clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// When.
    pub at: Mono,
    /// Of what.
    pub key: EntityKey,
    /// Its status.
    pub status: Status,
    /// Of an instance: its freshness and reason.
    pub freshness: Option<(Freshness, Reason)>,
}

#[derive(Clone, Debug)]
struct Watched {
    lease: Lease,
    /// The connection that keeps it alive.
    holder: Option<StreamId>,
    /// And the life in which it does.
    life: Option<u32>,
    heard: Option<Mono>,
    /// When that connection broke.
    broken: Option<Mono>,
    /// When a word of it last reached the host (time of the world).
    reached: Option<Mono>,
    seen: Option<Freshness>,
}

/// Everything that happened.
#[derive(Debug)]
pub struct Record {
    /// Every conviction, in order.
    pub convictions: Vec<Conviction>,
    /// Every verdict published, in order.
    pub verdicts: Vec<Verdict>,
    /// Hellos that were refused.
    pub refusals: usize,
    watched: Vec<Watched>,
    live: usize,
    hasher: DefaultHasher,
}

/// A broken connection is a silence that ends earlier.
fn due(watched: &Watched) -> Option<Mono> {
    let lease = watched.heard? + watched.lease.lost_after;
    Some(
        watched
            .broken
            .map_or(lease, |broken| lease.min(broken + Lease::BROKEN_STREAM_GRACE)),
    )
}

impl Record {
    pub(crate) fn new(intervals: impl Iterator<Item = Duration>) -> Self {
        let watched = intervals.map(|interval| Watched {
            lease: Lease::for_interval(interval),
            holder: None,
            life: None,
            heard: None,
            broken: None,
            reached: None,
            seen: None,
        });
        Self {
            convictions: Vec::new(),
            verdicts: Vec::new(),
            refusals: 0,
            watched: watched.collect(),
            live: 0,
            hasher: DefaultHasher::new(),
        }
    }

    /// A number that is the same for the same history, to the last byte of what was published.
    pub fn trace(&self) -> u64 {
        self.hasher.finish()
    }

    /// Convictions of what worked and was on its word, or before their time.
    pub fn mistakes(&self) -> usize {
        self.convictions
            .iter()
            .filter(|conviction| conviction.wrong || conviction.early)
            .count()
    }

    /// The most convictions within one second, as a share of those live when it began. Those that doubt had spared for
    /// three leases do not count: nothing holds them back.
    pub fn fastest_second(&self) -> f64 {
        let held = |conviction: &&Conviction| conviction.late_by < conviction.lease * 3;
        let held: Vec<&Conviction> = self.convictions.iter().filter(held).collect();
        let second = |first: usize| {
            let begin = held[first];
            let count = held[first..]
                .iter()
                .take_while(|other| other.at.since(begin.at) < Duration::from_secs(1))
                .count();
            count as f64 / begin.live as f64
        };
        (0..held.len())
            .filter(|&first| first == 0 || held[first - 1].at < held[first].at)
            .map(second)
            .fold(0.0, f64::max)
    }

    /// The latest conviction, counted from the moment it could have been.
    pub fn latest(&self) -> Duration {
        self.convictions
            .iter()
            .map(|conviction| conviction.late_by)
            .max()
            .unwrap_or_default()
    }

    pub(crate) fn reached(&mut self, who: usize, world: Mono) {
        self.watched[who].reached = Some(world);
    }

    pub(crate) fn held_by(&mut self, who: usize, stream: StreamId, life: u32, now: Mono) {
        let watched = &mut self.watched[who];
        (watched.holder, watched.life) = (Some(stream), Some(life));
        (watched.heard, watched.broken) = (Some(now), None);
    }

    pub(crate) fn heard(&mut self, who: usize, stream: StreamId, now: Mono) {
        let watched = &mut self.watched[who];
        if watched.holder == Some(stream) {
            watched.heard = Some(now);
        }
    }

    pub(crate) fn broken(&mut self, who: usize, stream: StreamId, now: Mono) {
        let watched = &mut self.watched[who];
        if watched.holder == Some(stream) {
            watched.broken = Some(now);
        }
    }

    /// It was known before the aggregator's start: nobody may be convicted before `heard` and its lease.
    pub(crate) fn recalled(&mut self, who: usize, heard: Mono) {
        self.watched[who].heard = Some(heard);
    }

    /// Those that should have been convicted more than `bound` of their leases (at least `least`) ago and are not.
    pub(crate) fn missed(&self, bound: u32, least: Duration, now: Mono) -> Vec<usize> {
        let is_missed = |watched: &Watched| {
            let seen = watched
                .seen
                .is_some_and(|seen| !matches!(seen, Freshness::Lost | Freshness::Exited));
            seen && due(watched).is_some_and(|due| now > due + (watched.lease.lost_after * bound).max(least))
        };
        let watched = self.watched.iter().enumerate();
        watched
            .filter(|(_, watched)| is_missed(watched))
            .map(|(who, _)| who)
            .collect()
    }

    pub(crate) fn note(&mut self, changes: &ChangeSet, now: Mono, world: Mono, reporters: &[Reporter]) {
        format!("{now:?} {changes:?}").hash(&mut self.hasher);
        let live = self.live;
        for change in &changes.changes {
            let freshness = match &change.entity {
                Entity::Instance(state) => {
                    self.note_instance(state, live, now, world, reporters);
                    Some((state.freshness, state.condition.reason))
                }
                Entity::Removed(EntityKey::Instance(id)) => {
                    self.see(Reporter::number(id), None);
                    None
                }
                _ => None,
            };
            self.verdicts.push(Verdict {
                at: now,
                key: change.entity.key(),
                status: change.entity.status(),
                freshness,
            });
        }
    }

    fn note_instance(
        &mut self,
        state: &InstanceState,
        live: usize,
        now: Mono,
        world: Mono,
        reporters: &[Reporter],
    ) {
        let who = Reporter::number(&state.id);
        if self.see(who, Some(state.freshness)) == Some(state.freshness) || state.freshness != Freshness::Lost
        {
            return;
        }
        let (watched, reporter) = (&self.watched[who], &reporters[who]);
        let due = due(watched).unwrap_or_default();
        let lease = watched.lease.lost_after;
        let word_is_young = watched
            .reached
            .is_some_and(|reached| world.since(reached) < lease);
        let is_back = reporter.is_well() && world.since(reporter.well_since) >= RETURN;
        self.convictions.push(Conviction {
            at: now,
            who,
            silence: now.since(watched.heard.unwrap_or_default()),
            late_by: now.since(due),
            early: now < due,
            // A next life that was asked to wait says nothing for the one that is convicted.
            wrong: is_back && word_is_young && watched.life == Some(reporter.life),
            dead_for: reporter.dead_since.map(|since| world.since(since)),
            lease,
            live,
        });
    }

    fn see(&mut self, who: usize, freshness: Option<Freshness>) -> Option<Freshness> {
        let is_live = |seen: Option<Freshness>| matches!(seen, Some(Freshness::Fresh | Freshness::Suspect));
        let before = std::mem::replace(&mut self.watched[who].seen, freshness);
        self.live = self.live + usize::from(is_live(freshness)) - usize::from(is_live(before));
        before
    }
}

#[cfg(test)]
mod tests;
