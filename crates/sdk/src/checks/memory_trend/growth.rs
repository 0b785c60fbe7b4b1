//! Steady growth of a number over a window of time, told from what only looks like it. Pure.
//!
//! The window is twelve slots, and of each only the lowest value is kept: what a garbage collector gives back, or a burst
//! needs for a while, is not there. The slope through those is Theil and Sen's, the median of the slopes between all
//! pairs, which a third of wrong points does not move. A least-squares line through all samples was not taken: one tooth
//! of a saw at the edge of the window tilts it.

use std::{collections::VecDeque, time::Duration};

use ward_model::Mono;

/// How many slots a window has. Fewer, and "nearly all pairs" means little; more, and a slot is shorter than a round of a
/// garbage collector.
const SLOTS: usize = 12;
/// How many of the pairs of slots must have risen, Kendall's test in plain words. Of a straight line with noise nearly all
/// do, of a single tooth with its drop anywhere in the window at most 0.84, and pure noise gets there once in a million.
const RISING_MIN: f64 = 0.95;
/// What must have been gained over the window: less is the to and fro of an allocator. A share of the lowest value, and
/// no less than so many bytes.
const GAINED_MIN: (f64, f64) = (0.02, 1_048_576.0);
/// How much of its speed in the window's first half growth must have kept in the second, or it is levelling off.
const KEPT_MIN: f64 = 0.75;

/// Growth that is worth suspecting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Growth {
    /// More than zero.
    pub(super) bytes_per_hour: f64,
    /// The lowest value of the last slot that is over: where the slope leads on from, without the teeth.
    pub(super) lowest: u64,
}

/// The lowest value of each slot of the window.
#[derive(Debug)]
pub(super) struct Trend {
    warm_up: Duration,
    slot: Duration,
    started: Option<Mono>,
    /// At most [`SLOTS`] that are over, oldest first, and behind them the one under way.
    slots: VecDeque<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    started: Mono,
    lowest: u64,
    highest: u64,
}

impl Trend {
    pub(super) fn new(warm_up: Duration, window: Duration) -> Self {
        Self {
            warm_up,
            slot: window / SLOTS as u32,
            started: None,
            slots: VecDeque::with_capacity(SLOTS + 1),
        }
    }

    /// Takes a sample. Nothing is kept of those of the warm-up.
    pub(super) fn add(&mut self, value: u64, now: Mono) {
        let started = *self.started.get_or_insert(now);
        if now.since(started) < self.warm_up {
            return;
        }
        match self.slots.back_mut() {
            Some(slot) if now.since(slot.started) < self.slot => {
                slot.lowest = slot.lowest.min(value);
                slot.highest = slot.highest.max(value);
            }
            _ => {
                self.slots.push_back(Slot {
                    started: now,
                    lowest: value,
                    highest: value,
                });
                if self.slots.len() > SLOTS + 1 {
                    self.slots.pop_front();
                }
            }
        }
    }

    /// Over the last [`SLOTS`] that are over; `None` if there are fewer, or no steady growth in them.
    pub(super) fn growth(&self) -> Option<Growth> {
        let over = self.slots.len().checked_sub(1).filter(|&over| over == SLOTS)?;
        let points: Vec<(f64, f64)> = self.slots.iter().take(over).map(Slot::point).collect();
        let mut swings: Vec<u64> = self.slots.iter().take(over).map(Slot::swing).collect();
        swings.sort_unstable();
        let bytes_per_hour = growth(&points, swings[over / 2] as f64)?;
        let lowest = self.slots.get(over - 1)?.lowest;
        Some(Growth {
            bytes_per_hour,
            lowest,
        })
    }
}

impl Slot {
    fn swing(&self) -> u64 {
        self.highest - self.lowest
    }

    /// Hours and bytes.
    fn point(&self) -> (f64, f64) {
        let hours = self.started.since(Mono::default()).as_secs_f64() / 3_600.0;
        (hours, self.lowest as f64)
    }
}

/// In bytes an hour, of points (hours, bytes) in the order of time, where the value swings by so much within a slot.
///
/// Twice that swing must have been gained: samples that are taken in nearly the same rhythm as the saw has teeth see
/// its lowest points drift by up to as much.
fn growth(points: &[(f64, f64)], swing: f64) -> Option<f64> {
    let rising = pairs(points)
        .filter(|((_, before), (_, after))| after > before)
        .count();
    let all = pairs(points).count();
    if (rising as f64) < RISING_MIN * all as f64 {
        return None;
    }
    let (first, second) = points.split_at(points.len() / 2);
    let bytes_per_hour = slope(points)?;
    let steady = slope(second)? >= KEPT_MIN * slope(first)?;
    let (&(then, lowest), &(now, _)) = (points.first()?, points.last()?);
    let (share, least) = GAINED_MIN;
    let gained = bytes_per_hour * (now - then);
    (steady && gained >= least.max(share * lowest).max(2.0 * swing)).then_some(bytes_per_hour)
}

fn pairs(points: &[(f64, f64)]) -> impl Iterator<Item = ((f64, f64), (f64, f64))> {
    let from = move |at: usize| points[at + 1..].iter().map(move |&after| (points[at], after));
    (0..points.len()).flat_map(from)
}

/// Theil and Sen's; `None` of fewer than two points.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let slope = |((then, before), (now, after)): ((f64, f64), (f64, f64))| {
        Some((after - before) / (now - then)).filter(|slope| slope.is_finite())
    };
    let mut slopes: Vec<f64> = pairs(points).filter_map(slope).collect();
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).copied()
}

#[cfg(test)]
mod tests;
