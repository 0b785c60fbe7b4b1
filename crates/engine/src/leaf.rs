//! Leaves of the roll-up: a status that somebody reported, and whether it changes too often to be believed.
//!
//! Flapping after the health model: 20 slots, a slot counts when the status changed in it, newer slots weigh more
//! (Nagios' algorithm, with slots of time instead of check results, so that a chatty check is not flapping by being
//! chatty). Nothing is kept for a leaf that never changed.

use std::time::Duration;

use ward_model::{Mono, Status, Wall};

/// How many slots are looked back.
const SLOTS: u32 = 20;
/// Weight of the oldest and of the newest slot.
const WEIGHTS: (f64, f64) = (0.8, 1.15);
/// Share of changed slots above which a leaf starts to flap, and below which it stops.
const FLAPPING: (f64, f64) = (0.30, 0.25);
/// A slot is never shorter.
const SLOT_MIN: Duration = Duration::from_secs(5);

/// One status and its past.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// As reported.
    raw: Status,
    /// As the roll-up takes it: the worst of late while flapping.
    shown: Status,
    since: Wall,
    flap: Option<Box<Flap>>,
    /// What it was before the event under way, where that is still to be remembered: see [`Self::set_first`].
    left: Option<Status>,
}

impl Leaf {
    pub(crate) fn new(status: Status, since: Wall) -> Self {
        Self {
            raw: status,
            shown: status,
            since,
            flap: None,
            left: None,
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.shown
    }

    /// As reported, whatever the past says.
    pub(crate) fn raw(&self) -> Status {
        self.raw
    }

    pub(crate) fn since(&self) -> Wall {
        self.since
    }

    pub(crate) fn is_flapping(&self) -> bool {
        self.flap.as_ref().is_some_and(|flap| flap.active)
    }

    /// When the leaf must be looked at again without anything happening; `None` while it does not flap.
    pub(crate) fn next_look(&self) -> Option<Mono> {
        self.flap
            .as_ref()
            .filter(|flap| flap.active)
            .map(|flap| flap.next_slot())
    }

    /// Takes a new status. `counts` is false for changes that say nothing about the leaf itself: its first word, or
    /// the observer losing sight of it. True if what others see changed.
    pub(crate) fn set(
        &mut self,
        status: Status,
        counts: bool,
        interval: Duration,
        now: (Mono, Wall),
    ) -> bool {
        self.remember(interval, now.0);
        if status != self.raw {
            if counts {
                self.flap
                    .get_or_insert_with(|| Box::new(Flap::new(now.0, interval, self.raw)))
                    .record(now.0, self.raw, status);
            }
            self.raw = status;
        }
        self.look(now)
    }

    /// The same, but what is kept of the first change of a steady leaf is left for [`Self::remember`], to be called
    /// before the next event: a single change is no flapping, so that nothing said meanwhile depends on it.
    pub(crate) fn set_first(
        &mut self,
        status: Status,
        counts: bool,
        interval: Duration,
        now: (Mono, Wall),
    ) -> bool {
        if !counts || status == self.raw || self.flap.is_some() || self.left.is_some() {
            return self.set(status, counts, interval, now);
        }
        self.left = Some(std::mem::replace(&mut self.raw, status));
        self.show(status, now.1)
    }

    /// Remembers what was left to be, of an event at `now`.
    pub(crate) fn remember(&mut self, interval: Duration, now: Mono) {
        if let Some(left) = self.left.take() {
            let mut flap = Flap::new(now, interval, left);
            flap.record(now, left, self.raw);
            self.flap = Some(Box::new(flap));
        }
    }

    /// Its reporter is heard every `interval` from now on: what is remembered counts in slots of that. Slots of a month
    /// would hold a leaf at its worst for a year after somebody had corrected the month to a minute.
    pub(crate) fn pace(&mut self, interval: Duration, now: Mono) {
        if let Some(flap) = &mut self.flap {
            flap.advance(now, self.raw);
            (flap.start, flap.index, flap.slot) = (now, 0, interval.max(SLOT_MIN));
        }
    }

    /// Shows this status whatever the past says, until the next look. True if that is another than was shown before.
    pub(crate) fn show(&mut self, status: Status, now: Wall) -> bool {
        let changed = status != self.shown;
        if changed {
            (self.shown, self.since) = (status, now);
        }
        changed
    }

    /// Lets time pass. True if what others see changed: its status, or that it flaps, which can end at the same status.
    pub(crate) fn look(&mut self, now: (Mono, Wall)) -> bool {
        let flapped = self.is_flapping();
        let shown = match &mut self.flap {
            Some(flap) => {
                flap.advance(now.0, self.raw);
                flap.judge();
                if flap.is_empty() {
                    self.flap = None;
                    self.raw
                } else if flap.active {
                    flap.worst().join(self.raw)
                } else {
                    self.raw
                }
            }
            None => self.raw,
        };
        let changed = shown != self.shown;
        if changed {
            self.shown = shown;
            self.since = now.1;
        }
        changed || flapped != self.is_flapping()
    }
}

/// The last slots of one leaf, the newest in the lowest bits.
#[derive(Clone, Debug)]
struct Flap {
    start: Mono,
    slot: Duration,
    index: u64,
    /// A bit a slot: the status changed in it.
    changed: u32,
    /// Two bits a slot: the worst status in it.
    worst: u64,
    active: bool,
}

impl Flap {
    fn new(start: Mono, interval: Duration, status: Status) -> Self {
        Self {
            start,
            slot: interval.max(SLOT_MIN),
            index: 0,
            changed: 0,
            worst: all(status),
            active: false,
        }
    }

    fn push(&mut self, status: Status) {
        self.changed = (self.changed << 1) & ((1 << SLOTS) - 1);
        self.worst = ((self.worst << 2) | status as u64) & ((1 << (2 * SLOTS)) - 1);
    }

    fn advance(&mut self, now: Mono, status: Status) {
        let index = nanos(now.since(self.start)) / nanos(self.slot);
        let passed = index.saturating_sub(self.index).min(u64::from(SLOTS));
        if passed == u64::from(SLOTS) {
            (self.changed, self.worst) = (0, all(status));
        } else {
            (0..passed).for_each(|_| self.push(status));
        }
        self.index = self.index.max(index);
    }

    fn record(&mut self, now: Mono, before: Status, after: Status) {
        self.advance(now, before);
        self.changed |= 1;
        let newest = (self.worst & 0b11).max(before as u64).max(after as u64);
        self.worst = (self.worst & !0b11) | newest;
    }

    /// The weighted share of slots with a change, 0 to 1.
    fn share(&self) -> f64 {
        let (mut left, mut changed) = (self.changed, 0.0);
        while left != 0 {
            changed += weight(left.trailing_zeros());
            left &= left - 1;
        }
        changed / WEIGHT
    }

    fn judge(&mut self) {
        let bound = if self.active { FLAPPING.1 } else { FLAPPING.0 };
        self.active = if self.active {
            self.share() >= bound
        } else {
            self.share() > bound
        };
    }

    fn worst(&self) -> Status {
        let worst = (0..SLOTS)
            .map(|slot| self.worst >> (2 * slot) & 0b11)
            .max()
            .unwrap_or(0);
        Status::ALL[worst as usize]
    }

    fn is_empty(&self) -> bool {
        self.changed == 0
    }

    fn next_slot(&self) -> Mono {
        let slots = u32::try_from(self.index + 1).unwrap_or(u32::MAX);
        self.start + self.slot.saturating_mul(slots)
    }
}

/// Five hundred years fit, and 64 bits are divided several times as fast as 128.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The weight of all slots together.
const WEIGHT: f64 = (WEIGHTS.0 + WEIGHTS.1) / 2.0 * SLOTS as f64;

/// How much a change counts that was so many slots ago.
fn weight(slot: u32) -> f64 {
    WEIGHTS.1 - (WEIGHTS.1 - WEIGHTS.0) / f64::from(SLOTS - 1) * f64::from(slot)
}

/// Slots with nothing worse than this in any of them.
fn all(status: Status) -> u64 {
    /// A one for each slot.
    const EACH: u64 = ((1 << (2 * SLOTS)) - 1) / 0b11;
    EACH * status as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> (Mono, Wall) {
        (Mono(seconds * 1_000_000_000), Wall(seconds as i64 * 1000))
    }

    const INTERVAL: Duration = Duration::from_secs(1);

    #[test]
    fn flaps_above_30_percent_and_stops_below_25() {
        let mut leaf = Leaf::new(Status::Healthy, Wall(0));
        let mut status = Status::Healthy;
        let mut started = None;
        for slot in 0..20 {
            status = if status == Status::Healthy {
                Status::Degraded
            } else {
                Status::Healthy
            };
            leaf.set(status, true, INTERVAL, at(slot * 5));
            if leaf.is_flapping() && started.is_none() {
                started = Some(slot);
            }
        }
        // Six newest slots weigh (1.15 + ... + 1.058) / 19.5 = 34 %, five 28 %.
        assert_eq!(started, Some(5));
        assert_eq!(leaf.status(), Status::Degraded);
        let stopped = (20..60).find(|slot| {
            leaf.look(at(slot * 5));
            !leaf.is_flapping()
        });
        // 14 slots without a change leave the six oldest: 0.8 to 0.892, together 26 %; one more makes 22 %.
        assert_eq!(stopped, Some(34));
        assert_eq!(leaf.status(), Status::Healthy);
    }

    #[test]
    fn while_flapping_the_worst_of_late_holds_as_one_transition() {
        let mut leaf = Leaf::new(Status::Healthy, Wall(0));
        let mut transitions = 0;
        for slot in 0..12 {
            let status = if slot % 2 == 0 {
                Status::Unhealthy
            } else {
                Status::Healthy
            };
            if leaf.set(status, true, INTERVAL, at(slot * 5)) && slot > 5 {
                transitions += 1;
            }
        }
        assert!(leaf.is_flapping());
        assert_eq!(leaf.status(), Status::Unhealthy);
        assert!(transitions <= 1, "{transitions} transitions while flapping");
    }

    #[test]
    fn an_end_of_flapping_at_the_same_status_is_seen() {
        let mut leaf = Leaf::new(Status::Healthy, Wall(0));
        for slot in 0..9 {
            let status = [Status::Unhealthy, Status::Healthy][slot as usize % 2];
            leaf.set(status, true, INTERVAL, at(slot * 5));
        }
        assert_eq!((leaf.is_flapping(), leaf.raw()), (true, Status::Unhealthy));
        let since = leaf.since();
        let seen = (9..60).filter(|slot| leaf.look(at(slot * 5))).count();
        assert_eq!((seen, leaf.is_flapping(), leaf.since()), (1, false, since));
    }

    #[test]
    fn one_change_in_a_while_is_not_flapping() {
        let mut leaf = Leaf::new(Status::Healthy, Wall(0));
        for slot in (0..200).step_by(4) {
            let status = if slot % 8 == 0 {
                Status::Unhealthy
            } else {
                Status::Healthy
            };
            leaf.set(status, true, INTERVAL, at(slot * 5));
            assert!(!leaf.is_flapping());
        }
    }

    #[test]
    fn what_is_remembered_later_is_the_same() {
        use Status::{Degraded, Healthy, Unhealthy};
        let mut leaves = [(); 2].map(|()| Leaf::new(Healthy, Wall(0)));
        let mut flapped = false;
        for slot in 0..60 {
            // In every other slot one change, in every fifth a second one, and at last none.
            let changes = [Unhealthy, Degraded, Healthy].into_iter().cycle().skip(slot);
            let changes = changes.take(usize::from(slot % 2 == 0) + usize::from(slot % 5 == 0));
            let now = at(slot as u64 * 5);
            for status in changes.filter(|_| slot < 30) {
                let changed = leaves[0].set(status, true, INTERVAL, now);
                assert_eq!(leaves[1].set_first(status, true, INTERVAL, now), changed);
            }
            leaves[1].remember(INTERVAL, now.0);
            assert_eq!(format!("{:?}", leaves[0]), format!("{:?}", leaves[1]));
            for leaf in &mut leaves {
                leaf.look(now);
            }
            flapped |= leaves[1].is_flapping();
        }
        assert!(flapped && !leaves[1].is_flapping());
    }

    #[test]
    fn another_interval_is_another_length_of_the_slots() {
        let month = Duration::from_secs(31 * 24 * 3_600);
        let mut leaf = Leaf::new(Status::Healthy, Wall(0));
        for slot in 0..8 {
            let status = [Status::Unhealthy, Status::Healthy][slot as usize % 2];
            leaf.set(status, true, month, at(slot * month.as_secs()));
        }
        let now = 7 * month.as_secs();
        assert!(leaf.is_flapping());
        assert_eq!(
            leaf.next_look(),
            Some(at(now + month.as_secs()).0),
            "nothing overflows over months"
        );
        leaf.pace(INTERVAL, at(now).0);
        assert!(leaf.is_flapping(), "what was seen was seen");
        assert_eq!(leaf.next_look(), Some(at(now + 5).0));
        leaf.look(at(now + 100));
        assert!(!leaf.is_flapping());
    }

    #[test]
    fn many_changes_in_one_slot_are_one() {
        let mut leaf = Leaf::new(Status::Healthy, Wall(0));
        for change in 0..50 {
            let status = if change % 2 == 0 {
                Status::Unhealthy
            } else {
                Status::Healthy
            };
            leaf.set(status, true, INTERVAL, at(1));
        }
        assert!(!leaf.is_flapping());
    }
}
