//! How much a ledger holds, and what goes when that is too much or of no more use.

use std::sync::Arc;

use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Mono, Severity, Wall};

use super::{Item, Ledger, MOST};
use crate::{
    desk::is_sign_of_life,
    outbox::{Id, Write},
};

/// How urgent an alert is where there is not room for all. That the sign of life stays away would wake somebody.
pub(super) fn rank(alert: &Alert) -> Severity {
    if is_sign_of_life(alert) {
        Severity::Critical
    } else {
        alert.severity
    }
}

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

    /// Makes room for one more: first goes what was told, then what is least urgent. Of things as urgent as the new one,
    /// for webhooks the oldest goes, since the newest word is worth more than one of yesterday. An Alertmanager has no
    /// oldest: all of it fires, and the new one is left out. Says whether there is room.
    pub(super) fn make_room(&mut self, new: &Item, writes: &mut Vec<Write>) -> bool {
        if self.items.len() < MOST {
            return true;
        }
        if let Some(place) = self.spare.first().copied() {
            self.remove(place, writes);
            return true;
        }
        let Some((place, known)) = self.least() else {
            return false;
        };
        let (known_rank, known_id) = (known.rank, known.id.clone());
        // One that was left out before is no news, and would only take turns with the others.
        let is_news = !self.repeats && !self.left_out.contains(&firing(&new.id));
        let makes_way = known_rank < new.rank || (known_rank == new.rank && is_news);
        if makes_way {
            self.remove(place, writes);
        }
        self.leave_out(if makes_way { &known_id } else { &new.id });
        makes_way
    }

    /// What is least urgent: for a webhook the oldest such, for an Alertmanager the newest.
    fn least(&self) -> Option<(u64, &Item)> {
        let (rank, oldest) = *self.ranks.first()?;
        let newest = self.ranks.range(..=(rank, u64::MAX)).next_back();
        let newest = newest.map(|(_, place)| *place).filter(|_| self.repeats);
        let place = newest.unwrap_or(oldest);
        Some((place, self.items.get(&place)?))
    }

    /// Counts it, once for each firing. The set is bounded as the ledger is: whoever overfills both is counted twice.
    fn leave_out(&mut self, id: &Id) {
        if self.left_out.insert(firing(id)) {
            self.dropped += 1;
        }
        if id.state == AlertState::Resolved {
            self.left_out.remove(&firing(id));
        }
        if self.left_out.len() > MOST {
            self.left_out.pop_first();
        }
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

fn firing(id: &Id) -> (AlertKey, Wall) {
    (id.key.clone(), id.fired)
}
