//! How much a ledger holds, and what goes when that is too much or of no more use.

use std::sync::Arc;

use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Mono, Wall};

use super::{Ledger, MOST};
use crate::outbox::Write;

impl Ledger {
    /// Notes whether what stands at a place may go.
    pub(super) fn settle(&mut self, place: u64) {
        let Some(item) = self.items.get(&place) else {
            return;
        };
        // A firing that was told is what an Alertmanager is sent again. For a webhook, forgetting it could tell it twice.
        let spare = item.owed.is_none() && (item.id.state == AlertState::Resolved || !self.repeats);
        if spare {
            self.spare.insert(place);
        } else {
            self.spare.remove(&place);
        }
    }

    /// Makes room for one more: first goes what was told, then for webhooks the oldest that is owed, since the newest
    /// word is worth more than one of yesterday. An Alertmanager has no oldest: all of it fires, and the new one is left
    /// out. Says whether there is room.
    pub(super) fn make_room(&mut self, writes: &mut Vec<Write>) -> bool {
        if self.items.len() < MOST {
            return true;
        }
        if let Some(place) = self.spare.first().copied() {
            self.remove(place, writes);
            return true;
        }
        self.dropped += 1;
        let oldest = self.due.first().copied().filter(|_| !self.repeats);
        if let Some(place) = oldest {
            self.remove(place, writes);
        }
        oldest.is_some()
    }

    /// Forgets what is of no more use.
    pub(crate) fn expire(&mut self, now: Mono) {
        let over = |place: &u64| {
            let until = self.items.get(place).and_then(|item| item.until);
            until.is_some_and(|until| until <= now)
        };
        let over: Vec<u64> = self.spare.iter().copied().filter(over).collect();
        let mut nothing_owed = Vec::new();
        for place in over {
            self.remove(place, &mut nothing_owed);
        }
    }

    /// How many are owed, and since when the oldest is.
    pub(crate) fn owed(&self) -> (u64, Option<Wall>) {
        let owed = || self.items.values().filter_map(|item| item.owed);
        (owed().count() as u64, owed().min())
    }

    /// What is known of the alerts that an acknowledgement covers.
    pub(crate) fn covered(&self, said: &Acknowledgement) -> Vec<Arc<Alert>> {
        let keys = said.rules.iter().map(|rule| AlertKey {
            service: said.service.clone(),
            rule: rule.clone(),
        });
        let places = keys.flat_map(|key| self.of(&key).collect::<Vec<_>>());
        let alerts = places.filter_map(|place| self.items.get(&place));
        alerts.map(|item| Arc::clone(&item.alert)).collect()
    }

    /// What was given up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}
