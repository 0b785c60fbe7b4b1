//! One alert, and what a judgement makes of it.
//!
//! Everything but whether it is withheld, which is not its own affair.

use std::{sync::Arc, time::Duration};

use ward_model::{Alert, AlertState, Wall};

use super::{ABSENCE, RESOLVED_KEPT, waiting::after};

/// What is to be said of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It holds.
    Holds,
    /// It does not.
    Not,
    /// What it asks for is not there.
    Absent,
    /// Nobody can know.
    Unknowable,
    /// There is no such rule any more, or nothing that it would be about.
    Gone,
}

/// What becomes of the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on, possibly as another.
    GoesOn,
    /// It is no more.
    Ends,
    /// Its condition holds again: another one begins in its place.
    BeginsAnew,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Entry {
    /// Shared with those who were shown it: of ten thousand, the few that change are copied.
    pub(super) alert: Arc<Alert>,
    /// It fires, and its condition has not held since.
    ended: Option<Wall>,
    /// It fires, and what it asks for has not been there since.
    absent: Option<Wall>,
    /// The aggregator started then, and nothing was heard of it yet.
    unheard: Option<Wall>,
}

impl Entry {
    pub(super) fn new(alert: Alert) -> Self {
        Self {
            alert: Arc::new(alert),
            ended: None,
            absent: None,
            unheard: None,
        }
    }

    pub(super) fn alert_mut(&mut self) -> &mut Alert {
        Arc::make_mut(&mut self.alert)
    }

    /// Nobody watched from `last_alive` to `now`. What is not kept of an alert begins again. If the clock was set back
    /// meanwhile, what it waits for is counted from now. When it fired stays: that is what those who were told know it by.
    pub(super) fn restart(&mut self, last_alive: Option<Wall>, now: Wall) {
        let alert = self.alert_mut();
        alert.since = alert.since.min(now);
        alert.unknown_since = alert.unknown_since.map(|moment| moment.min(now));
        if self.alert.state == AlertState::Resolved {
            return;
        }
        let since = self.alert.since;
        let asleep = last_alive.map_or(since, |alive| alive.clamp(since, now));
        self.alert_mut().unknown_since.get_or_insert(asleep);
        self.unheard = Some(now);
        (self.ended, self.absent) = (None, None);
    }

    /// What it is about is known to be gone.
    pub(super) fn heard(&mut self) {
        self.unheard = None;
    }

    /// Nothing was heard of it since a start, and that may still come.
    pub(super) fn is_awaited(&self, now: Wall) -> bool {
        self.unheard.is_some_and(|start| now < after(start, ABSENCE))
    }

    /// What is judged about it.
    pub(super) fn turn(&mut self, verdict: Verdict, keep_firing_for: Duration, now: Wall) -> Fate {
        use AlertState::{Firing, Pending, Resolved, Suppressed};
        match (self.alert.state, verdict) {
            (Resolved, Verdict::Holds) => return Fate::BeginsAnew,
            (Resolved, _) => return self.lapse(now),
            (_, Verdict::Unknowable) => {
                self.alert_mut().unknown_since.get_or_insert(now);
                return Fate::GoesOn;
            }
            _ => {}
        }
        let unheard = self.unheard.take();
        self.count_on(now);
        match (self.alert.state, verdict) {
            (Pending | Suppressed, Verdict::Holds) => {}
            (Pending | Suppressed, _) => return Fate::Ends,
            (Firing, Verdict::Holds) => (self.ended, self.absent) = (None, None),
            (Firing, Verdict::Not) => {
                self.absent = None;
                self.ended.get_or_insert(now);
            }
            (Firing, Verdict::Absent) => {
                self.absent.get_or_insert(unheard.unwrap_or(now));
            }
            _ => self.resolve(now),
        }
        if self.ends(keep_firing_for).is_some_and(|end| end <= now) {
            self.resolve(now);
        }
        Fate::GoesOn
    }

    /// When it is to be looked at again although nothing was seen.
    pub(super) fn due(&self, for_: Duration, keep_firing_for: Duration, now: Wall) -> Option<Wall> {
        if let Some(start) = self.unheard {
            return Some(after(start, ABSENCE)).filter(|end| *end > now);
        }
        if self.alert.state == AlertState::Resolved {
            return self.alert.resolved.map(|at| after(at, RESOLVED_KEPT));
        }
        if self.alert.unknown_since.is_some() {
            return None;
        }
        match self.alert.state {
            AlertState::Pending => Some(after(self.alert.since, for_)),
            AlertState::Firing => self.ends(keep_firing_for),
            _ => None,
        }
    }

    /// When it ceases to fire if everything stays as it is.
    fn ends(&self, keep_firing_for: Duration) -> Option<Wall> {
        let kept = self.ended.map(|ended| after(ended, keep_firing_for));
        let absent = self.absent.map(|absent| after(absent, ABSENCE));
        kept.into_iter().chain(absent).min()
    }

    /// The time in which nobody could know is taken out.
    fn count_on(&mut self, now: Wall) {
        let Some(from) = self.alert.unknown_since else {
            return;
        };
        self.alert_mut().unknown_since = None;
        let shift = |moment: Wall| Wall(moment.0 + (now.0 - from.0).max(0));
        if self.alert.state != AlertState::Firing {
            self.alert_mut().since = shift(self.alert.since);
        }
        self.ended = self.ended.map(shift);
        self.absent = self.absent.map(shift);
    }

    fn resolve(&mut self, now: Wall) {
        let alert = self.alert_mut();
        alert.state = AlertState::Resolved;
        alert.resolved = Some(now);
        alert.acknowledged = None;
        (self.ended, self.absent) = (None, None);
    }

    fn lapse(&self, now: Wall) -> Fate {
        let kept = self
            .alert
            .resolved
            .is_some_and(|at| now < after(at, RESOLVED_KEPT));
        if kept { Fate::GoesOn } else { Fate::Ends }
    }
}
