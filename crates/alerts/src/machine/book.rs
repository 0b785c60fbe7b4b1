//! All alerts there are, by what they are about, and the way back from causes to what they explain.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ward_model::{Alert, AlertKey, AlertState, Name, RuleName, Severity, Wall, bounds::SERVICES};

use super::entry::Entry;

/// How many alerts there may be: two for each service that there may be, some 30 MB. More of them tell nobody anything, and the
/// receivers of all that fires get it anew every minute.
const ROOM: usize = 2 * SERVICES;

/// See the module.
#[derive(Debug)]
pub(super) struct Book {
    /// In the order of their rules: few each, and of most services there is none.
    entries: BTreeMap<Option<Name>, Vec<Entry>>,
    /// Alerts that have this cause, and are not about it.
    explained: BTreeMap<Name, BTreeSet<AlertKey>>,
    count: usize,
    /// Resolved alerts in the order in which they may give up their room: those that wake nobody, and those that do.
    resolved: [BTreeSet<(Option<Wall>, AlertKey)>; 2],
    /// Conditions that hold, and have no alert for want of room. Bounded by the rules about each thing that is known.
    beyond: BTreeMap<AlertKey, Severity>,
    /// The same, the most urgent first.
    urgent: BTreeSet<(Reverse<Severity>, AlertKey)>,
    room: usize,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            explained: BTreeMap::new(),
            count: 0,
            resolved: Default::default(),
            beyond: BTreeMap::new(),
            urgent: BTreeSet::new(),
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
        let about = self.entries.get(&key.service)?;
        about.get(place(about, &key.rule).ok()?)
    }

    pub(super) fn get_mut(&mut self, key: &AlertKey) -> Option<&mut Entry> {
        let about = self.entries.get_mut(&key.service)?;
        let place = place(about, &key.rule).ok()?;
        about.get_mut(place)
    }

    /// Those about one service, or about the system.
    pub(super) fn about(&self, service: &Option<Name>) -> impl Iterator<Item = &Entry> {
        self.entries.get(service).into_iter().flatten()
    }

    pub(super) fn keys_about(&self, service: &Option<Name>) -> Vec<AlertKey> {
        self.about(service).map(|entry| entry.alert.key.clone()).collect()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().flatten()
    }

    /// Puts a new alert in place of one with the same key, or where there is room.
    pub(super) fn admit(&mut self, alert: Alert) {
        if self.count < self.room_for(alert.severity) || self.get(&alert.key).is_some() {
            self.put(alert);
        } else {
            let (key, severity) = (alert.key, alert.severity);
            self.wants_no_room(&key);
            self.urgent.insert((Reverse(severity), key.clone()));
            self.beyond.insert(key, severity);
        }
    }

    /// Half of the room is for those that wake people: they are not to be crowded out by what can wait.
    fn room_for(&self, severity: Severity) -> usize {
        match severity {
            Severity::Critical => self.room,
            _ => self.room / 2,
        }
    }

    /// Who is to make room for an alert, if there is none: the one that is resolved for the longest, of those that wake
    /// nobody first if the new one wakes people. One that was resolved in this step is not told yet, and stays.
    pub(super) fn makes_room(&self, key: &AlertKey, severity: Severity, now: Wall) -> Option<AlertKey> {
        if self.count < self.room_for(severity) || self.get(key).is_some() {
            return None;
        }
        let [others, waking] = &self.resolved;
        let waking = waking.first().filter(|_| severity == Severity::Critical);
        let first = others.first().into_iter().chain(waking);
        let told = first.into_iter().find(|(at, _)| at.is_none_or(|at| at < now));
        told.map(|(_, key)| key.clone())
    }

    /// The same, also where there is no room.
    pub(super) fn put(&mut self, alert: Alert) {
        let key = alert.key.clone();
        self.wants_no_room(&key);
        self.set_causes(&key, &[]);
        self.explain(&key, &alert.causes, true);
        self.count += usize::from(self.get(&key).is_none());
        self.note(&key, false);
        let about = self.entries.entry(key.service.clone()).or_default();
        let entry = Entry::new(alert);
        match place(about, &key.rule) {
            Ok(place) => about[place] = entry,
            Err(place) => about.insert(place, entry),
        }
        self.note(&key, true);
    }

    /// To be called with `false` before the state or the severity of an alert changes, and with `true` after.
    pub(super) fn note(&mut self, key: &AlertKey, now: bool) {
        let resolved = |alert: &&Arc<Alert>| alert.state == AlertState::Resolved;
        let alert = self.get(key).map(|entry| &entry.alert).filter(resolved);
        let Some((severity, at)) = alert.map(|alert| (alert.severity, alert.resolved)) else {
            return;
        };
        let class = &mut self.resolved[usize::from(severity == Severity::Critical)];
        match now {
            true => class.insert((at, key.clone())),
            false => class.remove(&(at, key.clone())),
        };
    }

    pub(super) fn remove(&mut self, key: &AlertKey) {
        self.note(key, false);
        let Some(about) = self.entries.get_mut(&key.service) else {
            return;
        };
        let Ok(place) = place(about, &key.rule) else {
            return;
        };
        let entry = about.remove(place);
        if about.is_empty() {
            self.entries.remove(&key.service);
        }
        self.count -= 1;
        self.explain(key, &entry.alert.causes, false);
    }

    /// Its condition does not hold: it wants no room.
    pub(super) fn wants_no_room(&mut self, key: &AlertKey) {
        if let Some(severity) = self.beyond.remove(key) {
            self.urgent.remove(&(Reverse(severity), key.clone()));
        }
    }

    pub(super) fn beyond(&self) -> usize {
        self.beyond.len()
    }

    /// Those without an alert for whom there is room now, or somebody who makes some.
    pub(super) fn may_have_room(&self) -> Vec<AlertKey> {
        let [others, waking] = self.resolved.each_ref().map(BTreeSet::len);
        let free = |severity| self.room_for(severity).saturating_sub(self.count) + others;
        let for_all = free(Severity::None);
        let for_urgent = (free(Severity::Critical) + waking).max(for_all);
        let mut given = 0;
        let order = self.urgent.iter().take(for_urgent);
        let has_room = |(Reverse(severity), _): &&(Reverse<Severity>, AlertKey)| {
            given += 1;
            *severity == Severity::Critical || given <= for_all
        };
        order.filter(has_room).map(|(_, key)| key.clone()).collect()
    }

    /// What holds is not known any more.
    pub(super) fn forget_beyond(&mut self) {
        self.beyond.clear();
        self.urgent.clear();
    }

    /// The present causes of an alert.
    pub(super) fn set_causes(&mut self, key: &AlertKey, causes: &[Name]) {
        let Some(entry) = self.get_mut(key).filter(|entry| entry.alert.causes != causes) else {
            return;
        };
        let before = std::mem::replace(&mut entry.alert_mut().causes, causes.to_vec());
        self.explain(key, &before, false);
        self.explain(key, causes, true);
    }

    /// The withheld alerts that a service may explain: those of others that have it as a cause, and its own.
    pub(super) fn suppressed_by(&self, cause: &Name) -> impl Iterator<Item = &AlertKey> {
        let others = self.explained.get(cause).into_iter().flatten();
        let others = others.filter_map(|key| self.get(key));
        let own = self.entries.get(&Some(cause.clone())).into_iter().flatten();
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

/// Where the alert of a rule is among those about one thing, or belongs.
fn place(about: &[Entry], rule: &RuleName) -> Result<usize, usize> {
    about.binary_search_by(|entry| entry.alert.key.rule.cmp(rule))
}
