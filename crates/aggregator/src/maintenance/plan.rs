//! One service with windows: which one is open, and what that asks for. Pure.

use std::time::Duration;

use ward_config::{Occurrence, Window};
use ward_model::{Maintenance, Name, Wall};

use super::BY;

/// What is kept about one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kept {
    /// The window that is open, with its reason: of several the one that stays open longest.
    pub(super) open: Option<(Occurrence, String)>,
    /// The window that was open at the last look.
    pub(super) begun: Option<Occurrence>,
    /// The maintenance that was started for it, as the engine has it.
    pub(super) ours: Option<Maintenance>,
    /// The next window.
    pub(super) upcoming: Option<Maintenance>,
    /// When something opens or closes.
    pub(super) next_look: Wall,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    Nothing,
    Start { why: String, duration: Duration },
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
        self.open = open.map(|(occurrence, why)| (occurrence, why.to_owned()));
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
        let ours = self.ours.as_ref().filter(|ours| current == Some(*ours));
        let Some((open, why)) = &self.open else {
            return if ours.is_some() { Act::End } else { Act::Nothing };
        };
        let left = u64::try_from(open.end.0.saturating_sub(now.0)).unwrap_or_default();
        let start = Act::Start {
            why: why.clone(),
            duration: Duration::from_millis(left.max(1)),
        };
        let lasts = |current: &Maintenance| current.end.is_none_or(|end| end >= open.end);
        let begun = self.begun.is_some_and(|begun| begun.start == open.start);
        match ours {
            // The engine counts on by its own clock: after a jump it must be told again how much is left.
            Some(ours) if jumped || ours.end != Some(open.end) || ours.why != *why => start,
            Some(_) => Act::Nothing,
            // Ended or replaced by somebody since.
            None if begun => Act::Nothing,
            None if current.is_some_and(lasts) => Act::Nothing,
            None => start,
        }
    }
}
