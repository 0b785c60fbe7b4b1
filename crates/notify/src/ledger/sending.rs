//! What of a ledger is to be sent, in which order, and what becomes of it.

use std::{mem, sync::Arc};

use ward_model::{AlertState, Mono, Now};

use super::{Fate, Item, Ledger, Refused, SLOWEST, Ticket};
use crate::outbox::{Id, Write};

impl Ledger {
    /// All that is known is to be sent.
    pub(crate) fn round(&mut self) {
        if self.repeats {
            self.due.extend(self.items.keys());
        }
    }

    /// Only what is owed is to be sent.
    pub(crate) fn last_round(&mut self) {
        let items = &self.items;
        self.due
            .retain(|place| items.get(place).is_some_and(|item| item.owed.is_some()));
    }

    /// What is to be sent to an Alertmanager together, causes first. What it refused before is not with the rest.
    pub(crate) fn batch(&self, most: usize) -> Vec<Ticket> {
        let due = self.due_items().filter(|(_, item)| item.refused.is_none());
        due.take(most).map(ticket).collect()
    }

    /// What was refused before and is to be tried again, by itself.
    pub(crate) fn alone(&self, now: Mono) -> Option<Ticket> {
        let mut again = self
            .due_items()
            .filter(|(_, item)| item.refused.is_some_and(|refused| refused.next <= now));
        again.next().map(ticket)
    }

    /// The next event for a webhook. What was refused delays nothing but what is about the same alert.
    pub(crate) fn event(&self, now: Mono) -> Option<Ticket> {
        let mut events = self.due_items().filter(|(_, item)| {
            let waits = item.refused.is_some_and(|refused| refused.next > now);
            let second = item.id.state == AlertState::Resolved
                && self.places.contains_key(&item.id.with(AlertState::Firing));
            !waits && !second
        });
        events.next().map(ticket)
    }

    fn due_items(&self) -> impl Iterator<Item = (u64, &Item)> {
        let item = |place: &u64| self.items.get(place).map(|item| (*place, item));
        self.due.iter().filter_map(item)
    }

    /// Whether something is due that was never tried.
    pub(crate) fn fresh(&self) -> bool {
        self.due_items().any(|(_, item)| !item.tried)
    }

    /// When the first of what was refused is to be tried again.
    pub(crate) fn next_refused(&self) -> Option<Mono> {
        self.due_items()
            .filter_map(|(_, item)| Some(item.refused?.next))
            .min()
    }

    /// What is due and was never tried. All of it is waited for together, and a try of one stands for all: ten thousand
    /// new alerts are no ten thousand reasons to knock again.
    pub(crate) fn untried(&self) -> Vec<Id> {
        let untried = self.due_items().filter(|(_, item)| !item.tried);
        untried.map(|(_, item)| item.id.clone()).collect()
    }

    /// These are tried now. They are on disk, or nobody knows.
    pub(crate) fn tried(&mut self, ids: &[Id]) {
        for id in ids {
            let place = self.places.get(id);
            if let Some(item) = place.and_then(|place| self.items.get_mut(place)) {
                item.tried = true;
            }
        }
    }

    /// These were taken.
    pub(crate) fn delivered(&mut self, tickets: &[Ticket]) -> Vec<Write> {
        let mut writes = Vec::new();
        for Ticket { place, id, .. } in tickets {
            // What took its place meanwhile is still to be told.
            let Some(item) = self.items.get_mut(place).filter(|item| item.id == *id) else {
                continue;
            };
            let owed = item.owed.take().is_some();
            item.refused = None;
            let idle = item.outdated || self.resolved(id);
            self.due.remove(place);
            if owed {
                writes.push(self.forgotten(id));
            }
            if idle {
                self.remove(*place, &mut writes);
            }
            self.settle(*place);
        }
        if !tickets.is_empty() {
            self.hasten();
        }
        writes
    }

    /// It takes something: what it refused since it last did may have been refused for no fault of its own, and is tried
    /// at once. If it is refused again it is.
    fn hasten(&mut self) {
        for place in mem::take(&mut self.doubted) {
            let refused = self.items.get_mut(&place).and_then(|item| item.refused.as_mut());
            if let Some(refused) = refused {
                refused.next = Mono::default();
            }
        }
    }

    /// It was refused for what it is. Given up after a day; an Alertmanager is sent what fires on for as long as it does.
    pub(crate) fn refused(&mut self, ticket: &Ticket, now: Now) -> (Fate, Vec<Write>) {
        let place = ticket.place;
        let Some(item) = self.items.get_mut(&place).filter(|item| item.id == ticket.id) else {
            return (Fate::Again, Vec::new());
        };
        let before = item.refused;
        let since = before.map_or(now.wall, |refused| refused.since);
        let times = before.map_or(0, |refused| refused.times);
        let factor = (1_u32 << times.min(16)).min(SLOWEST);
        item.refused = Some(Refused {
            since,
            times: times.saturating_add(1),
            next: now.mono + self.timing.longest.saturating_mul(factor),
        });
        if times == 0 {
            self.doubted.insert(place);
        }
        let ends = !self.repeats || item.id.state == AlertState::Resolved;
        let given = i64::try_from(self.timing.give_up.as_millis()).unwrap_or(i64::MAX);
        let mut writes = Vec::new();
        let too_long = ends && now.wall.0.saturating_sub(since.0) >= given;
        if too_long || item.outdated {
            self.dropped += 1;
            self.remove(place, &mut writes);
            return (Fate::GivenUp, writes);
        }
        if let (None, Some(item)) = (before, self.items.get(&place))
            && item.owed.is_some()
        {
            writes.push(self.kept(place, item));
        }
        (Fate::Again, writes)
    }
}

fn ticket((place, item): (u64, &Item)) -> Ticket {
    Ticket {
        place,
        id: item.id.clone(),
        alert: Arc::clone(&item.alert),
        fresh: !item.tried,
        owed: item.owed.is_some(),
    }
}
