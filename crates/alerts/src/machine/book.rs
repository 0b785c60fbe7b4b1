//! All alerts there are, by what they are about, and the way back from causes to what they explain.

use std::collections::{BTreeMap, BTreeSet};

use ward_model::{Alert, AlertKey, AlertState, Name, RuleName, Severity, bounds::SERVICES};

use super::entry::Entry;

/// How many alerts there may be: two for each service that there may be, some 30 MB. More of them tell nobody anything, and the
/// receivers of all that fires get it anew every minute.
const ROOM: usize = 2 * SERVICES;

/// See the module.
#[derive(Debug)]
pub(super) struct Book {
    entries: BTreeMap<Option<Name>, BTreeMap<RuleName, Entry>>,
    /// Alerts that have this cause, and are not about it.
    explained: BTreeMap<Name, BTreeSet<AlertKey>>,
    count: usize,
    /// Conditions that hold, and have no alert for want of room. Bounded by the rules about each thing that is known.
    beyond: BTreeMap<AlertKey, Severity>,
    room: usize,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            explained: BTreeMap::new(),
            count: 0,
            beyond: BTreeMap::new(),
            room: ROOM,
        }
    }
}

impl Book {
    #[cfg(test)]
    pub(super) fn with_room(room: usize) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    pub(super) fn get(&self, key: &AlertKey) -> Option<&Entry> {
        self.entries.get(&key.service)?.get(&key.rule)
    }

    pub(super) fn get_mut(&mut self, key: &AlertKey) -> Option<&mut Entry> {
        self.entries.get_mut(&key.service)?.get_mut(&key.rule)
    }

    /// Those about one service, or about the system.
    pub(super) fn about(&self, service: &Option<Name>) -> impl Iterator<Item = &Entry> {
        self.entries.get(service).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn keys_about(&self, service: &Option<Name>) -> Vec<AlertKey> {
        self.about(service).map(|entry| entry.alert.key.clone()).collect()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().flat_map(BTreeMap::values)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut().flat_map(BTreeMap::values_mut)
    }

    /// Puts a new alert in place of one with the same key, or where there is room. Half of the room is for those that wake
    /// people: they are not to be crowded out by what can wait.
    pub(super) fn admit(&mut self, alert: Alert) {
        let room = match alert.severity {
            Severity::Critical => self.room,
            _ => self.room / 2,
        };
        if self.count < room || self.get(&alert.key).is_some() {
            self.put(alert);
        } else {
            self.beyond.insert(alert.key, alert.severity);
        }
    }

    /// The same, also where there is no room.
    pub(super) fn put(&mut self, alert: Alert) {
        let key = alert.key.clone();
        self.beyond.remove(&key);
        self.set_causes(&key, &[]);
        self.explain(&key, &alert.causes, true);
        self.count += usize::from(self.get(&key).is_none());
        let about = self.entries.entry(key.service).or_default();
        about.insert(key.rule, Entry::new(alert));
    }

    /// Returns who may have its room.
    pub(super) fn remove(&mut self, key: &AlertKey) -> Option<AlertKey> {
        let about = self.entries.get_mut(&key.service)?;
        let entry = about.remove(&key.rule)?;
        if about.is_empty() {
            self.entries.remove(&key.service);
        }
        self.count -= 1;
        self.explain(key, &entry.alert.causes, false);
        let urgent = self.beyond.iter().max_by_key(|(_, severity)| **severity);
        urgent.map(|(key, _)| key.clone())
    }

    /// Its condition does not hold: it wants no room.
    pub(super) fn wants_no_room(&mut self, key: &AlertKey) {
        self.beyond.remove(key);
    }

    pub(super) fn beyond(&self) -> usize {
        self.beyond.len()
    }

    /// What holds is not known any more.
    pub(super) fn forget_beyond(&mut self) {
        self.beyond.clear();
    }

    /// The present causes of an alert.
    pub(super) fn set_causes(&mut self, key: &AlertKey, causes: &[Name]) {
        let Some(entry) = self.get_mut(key).filter(|entry| entry.alert.causes != causes) else {
            return;
        };
        let before = std::mem::replace(&mut entry.alert.causes, causes.to_vec());
        self.explain(key, &before, false);
        self.explain(key, causes, true);
    }

    /// The withheld alerts that a service may explain: those of others that have it as a cause, and its own.
    pub(super) fn suppressed_by(&self, cause: &Name) -> impl Iterator<Item = &AlertKey> {
        let others = self.explained.get(cause).into_iter().flatten();
        let others = others.filter_map(|key| self.get(key));
        let own = self
            .entries
            .get(&Some(cause.clone()))
            .into_iter()
            .flat_map(BTreeMap::values);
        let withheld = others.chain(own).map(|entry| &entry.alert);
        withheld
            .filter(|alert| alert.state == AlertState::Suppressed)
            .map(|alert| &alert.key)
    }

    fn explain(&mut self, key: &AlertKey, causes: &[Name], by: bool) {
        for cause in causes.iter().filter(|cause| key.service.as_ref() != Some(cause)) {
            if by {
                self.explained
                    .entry(cause.clone())
                    .or_default()
                    .insert(key.clone());
            } else if let Some(explained) = self.explained.get_mut(cause) {
                explained.remove(key);
                if explained.is_empty() {
                    self.explained.remove(cause);
                }
            }
        }
    }
}
