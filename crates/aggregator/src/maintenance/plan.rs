//! One service with windows: which one is open, and what that asks for. Pure.

use std::time::Duration;

use ward_config::{Occurrence, Window};
use ward_model::{Maintenance, Name, Wall};

use super::BY;

/// What is kept about one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kept {
    /// The window that is open: of several the one that stays open longest.
    pub(super) open: Option<Open>,
    /// The window that was open at the last look.
    begun: Option<Occurrence>,
    /// What was started for it.
    ours: Option<Ours>,
    /// Somebody's own that lasted at least as long as the window, and was left alone.
    yielded: Option<Maintenance>,
    /// The next window.
    pub(super) upcoming: Option<Maintenance>,
    /// When something opens or closes.
    pub(super) next_look: Wall,
}

/// A window that is open.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Open {
    occurrence: Occurrence,
    /// How long it is asked for: past its end where the next one begins there, as a look may come late.
    until: Wall,
    why: String,
}

/// Maintenance that was started here.
#[derive(Clone, Debug, PartialEq)]
struct Ours {
    /// As the engine has it. Its end is no moment of the plan: the engine counts from when the event reached it.
    started: Maintenance,
    /// What was asked for.
    until: Wall,
    /// Somebody's own that it took the place of. Its end is by the wall clock, also where that is set meanwhile.
    displaced: Option<Maintenance>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    Nothing,
    Start {
        why: String,
        duration: Duration,
    },
    /// Gives somebody's own its place back.
    Restore {
        by: String,
        why: String,
        duration: Duration,
    },
    End,
}

impl Kept {
    /// Looks at the clock.
    pub(super) fn plan(&mut self, name: &Name, windows: &[Window], now: Wall) {
        let open = windows
            .iter()
            .filter_map(|window| Some((window.occurrence_at(now)?, window.why())));
        let open = open.max_by_key(|(occurrence, _)| (occurrence.end, std::cmp::Reverse(occurrence.start)));
        let next = windows
            .iter()
            .filter_map(|window| Some((window.next_after(now)?, window.why())));
        let next = next.min_by_key(|(occurrence, _)| *occurrence);
        let ends = windows
            .iter()
            .filter_map(|window| window.occurrence_at(now))
            .map(|open| open.end);
        let begins = next.iter().map(|(next, _)| next.start);
        self.next_look = ends.chain(begins).min().unwrap_or(Wall(i64::MAX));
        self.open = open.map(|(occurrence, why)| Open {
            occurrence,
            until: end_of_touching(windows, occurrence.end),
            why: why.to_owned(),
        });
        self.upcoming = next.map(|(occurrence, why)| Maintenance {
            service: name.clone(),
            by: BY.to_owned(),
            why: why.to_owned(),
            start: occurrence.start,
            end: Some(occurrence.end),
        });
    }

    /// What is to be done, where `current` is what the engine has in force.
    pub(super) fn act(&self, current: Option<&Maintenance>, now: Wall, jumped: bool) -> Act {
        let ours = self.ours_in(current);
        let displaced = ours.and_then(|ours| ours.displaced.as_ref());
        let displaced = displaced.filter(|theirs| lasts(theirs, Wall(now.0.saturating_add(1))));
        let Some(open) = &self.open else {
            return match (ours, displaced) {
                (None, _) => Act::Nothing,
                (Some(_), None) => Act::End,
                (Some(_), Some(theirs)) => restore(theirs, now),
            };
        };
        let long_enough = |theirs: &&Maintenance| lasts(theirs, open.occurrence.end);
        if let Some(theirs) = displaced.filter(long_enough) {
            return restore(theirs, now);
        }
        let start = Act::Start {
            why: open.why.clone(),
            duration: left(open.until, now),
        };
        let yields = current.is_some() && current == self.yielded.as_ref();
        match ours {
            // The engine counts on by its own clock: after a jump it must be told again how much is left.
            Some(ours) if jumped || ours.until != open.until || ours.started.why != open.why => start,
            Some(_) => Act::Nothing,
            // Ended or replaced by somebody since.
            None if self.has_begun() && !yields => Act::Nothing,
            None if current.as_ref().is_some_and(long_enough) => Act::Nothing,
            None => start,
        }
    }

    /// Remembers what was done, where `before` was in force and `started` is now, if that was taken.
    pub(super) fn done(&mut self, act: &Act, before: Option<Maintenance>, started: Option<Maintenance>) {
        match act {
            Act::Nothing if self.open.is_some() && !self.has_begun() => self.yielded = before,
            Act::Nothing => {}
            Act::Start { .. } => {
                let displaced = match self.ours_in(before.as_ref()) {
                    Some(ours) => ours.displaced.clone(),
                    None => before,
                };
                if let (Some(started), Some(open)) = (started, &self.open) {
                    self.ours = Some(Ours {
                        started,
                        until: open.until,
                        displaced,
                    });
                }
            }
            Act::Restore { .. } => (self.ours, self.yielded) = (None, started),
            Act::End => self.ours = None,
        }
        self.begun = self.open.as_ref().map(|open| open.occurrence);
    }

    /// What was started here, if it is still in force.
    fn ours_in(&self, current: Option<&Maintenance>) -> Option<&Ours> {
        self.ours.as_ref().filter(|ours| current == Some(&ours.started))
    }

    /// Whether the window that is open was open at the last look.
    fn has_begun(&self) -> bool {
        let open = self.open.as_ref().map(|open| open.occurrence.start);
        open.is_some() && self.begun.map(|begun| begun.start) == open
    }
}

/// The end of the longest that begins at `end`, or `end`. Not of what begins at that in turn: it is looked at again then.
fn end_of_touching(windows: &[Window], end: Wall) -> Wall {
    let next = windows.iter().filter_map(|window| window.occurrence_at(end));
    let touching = next.filter(|next| next.start == end).map(|next| next.end);
    touching.max().unwrap_or(end)
}

fn lasts(maintenance: &Maintenance, until: Wall) -> bool {
    maintenance.end.is_none_or(|end| end >= until)
}

fn left(until: Wall, now: Wall) -> Duration {
    let left = u64::try_from(until.0.saturating_sub(now.0)).unwrap_or_default();
    Duration::from_millis(left.max(1))
}

/// Only what ends is ever displaced: the rest lasts at least as long as any window.
fn restore(theirs: &Maintenance, now: Wall) -> Act {
    Act::Restore {
        by: theirs.by.clone(),
        why: theirs.why.clone(),
        duration: left(theirs.end.unwrap_or(Wall(i64::MAX)), now),
    }
}
