//! What becomes of alerts when the aggregator starts: it is no news about anybody.

use ward_model::{Acknowledgement, Alert, AlertKey, Wall};

use super::{Machine, Seen, Step, known::Known};
use crate::facts::Facts;

impl Machine {
    /// Goes on from what was kept: alerts that were not inactive, and acknowledgements. To be told before anything is seen.
    /// The first step ought to begin with [`Facts::Started`].
    ///
    /// What fired fires on, as the same alert, until there is evidence that it does not. What was pending goes on where it was
    /// when somebody last watched, once it is heard of again; if nobody knows when that was, it begins again. What was withheld
    /// is decided anew then. Of how long something has fired on after its end nothing is kept: that begins again.
    pub fn restore(&mut self, alerts: Vec<Alert>, acknowledged: Vec<Acknowledgement>) {
        for alert in alerts {
            self.book.put(alert);
        }
        let named = acknowledged.into_iter().map(|by| (by.service.clone(), by));
        self.acknowledged = named.collect();
        self.restored = true;
    }

    /// A first step that does not say so begins with a start all the same.
    pub(super) fn go_on_after_restart(&mut self, seen: &[Seen], step: &mut Step) {
        let told = matches!(seen.first(), Some(Seen::Facts(Facts::Started { .. })));
        if std::mem::take(&mut self.restored) && !told {
            self.restart(None, step);
        }
    }

    /// Nothing is known any more. A machine that goes on over a start, as in a replay, becomes what one made anew of the same
    /// alerts would be.
    pub(super) fn restart(&mut self, last_alive: Option<Wall>, step: &mut Step) {
        self.restored = false;
        self.known = Known::default();
        self.book.forget_beyond();
        let last_alive = last_alive.or(self.now);
        let keys: Vec<_> = self.book.all().map(|entry| entry.alert.key.clone()).collect();
        for key in &keys {
            step.remember(key, &self.book);
        }
        for key in &keys {
            self.book.note(key, false);
            if let Some(entry) = self.book.get_mut(key) {
                entry.restart(last_alive, step.now);
            }
            self.book.note(key, true);
        }
        step.judge.extend(keys);
    }

    /// What an alert is about is known to be gone, and is not waited for.
    pub(super) fn hear_of(&mut self, key: &AlertKey, step: &mut Step) {
        if let Some(entry) = self.book.get_mut(key) {
            entry.heard();
        }
        step.judge.insert(key.clone());
    }
}
