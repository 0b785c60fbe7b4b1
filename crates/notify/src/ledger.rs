//! What one receiver was told, and is to be told. Pure: time is an argument, and what is to be written is an answer.
//!
//! A thing to tell is that an alert fires or that it is resolved. An Alertmanager is told the newest of an alert, again and
//! again; a webhook is told each once, in order. What was told is known on for a while: to be sent again, or not to be told
//! twice.
//!
//! A place in one order is all that ties alerts to each other: causes are told to us first, and so they leave first.

mod bound;
mod sending;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ward_model::{Alert, AlertKey, AlertState, Mono, Now, Severity, Wall, bounds::SERVICES};

use crate::{
    Timing,
    outbox::{Entry, Id, Write},
};

/// Most things known of one receiver, told or owed: two alerts for each service there can be. At a kilobyte each they take
/// twenty megabytes, and in a storm an Alertmanager is sent 80 requests a minute.
pub(crate) const MOST: usize = 2 * SERVICES;
/// A refused thing is tried again after the longest pause, and then after twice as long each time up to so many times it.
const SLOWEST: u32 = 16;

#[derive(Debug)]
pub(crate) struct Ledger {
    receiver: String,
    /// An Alertmanager.
    repeats: bool,
    timing: Timing,
    items: BTreeMap<u64, Item>,
    places: BTreeMap<Id, u64>,
    /// To be sent now, or as soon as the receiver takes it.
    due: BTreeSet<u64>,
    /// Told, and of use only for telling it again or for not doing so.
    spare: BTreeSet<u64>,
    /// All places by how urgent what stands there is.
    ranks: BTreeSet<(Severity, u64)>,
    /// Firings that were left out, which are told to us again and again.
    left_out: BTreeSet<(AlertKey, Wall)>,
    /// Refused since the receiver last took something: it may take none of anything.
    doubted: BTreeSet<u64>,
    dropped: u64,
}

#[derive(Debug)]
struct Item {
    id: Id,
    alert: Arc<Alert>,
    /// How urgent it was when it came.
    rank: Severity,
    /// Since when it is owed; none if it was told.
    owed: Option<Wall>,
    /// It was tried, and was kept on disk before.
    tried: bool,
    refused: Option<Refused>,
    /// Until when it is of use once it was told.
    until: Option<Mono>,
    /// There is a newer firing of its alert.
    outdated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    since: Wall,
    times: u32,
    next: Mono,
}

impl Item {
    /// Whether it is not worth telling an Alertmanager once its alert fires again. That it was resolved is told before it
    /// is told so, or never: the labels may be the same.
    fn is_idle(&self) -> bool {
        self.id.state == AlertState::Firing || self.owed.is_none() || self.refused.is_some()
    }
}

/// Something to send.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    place: u64,
    id: Id,
    pub(crate) alert: Arc<Alert>,
    /// It was not tried before.
    pub(crate) fresh: bool,
    /// The receiver does not know it yet.
    pub(crate) owed: bool,
}

/// What becomes of something that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Again,
    GivenUp,
}

impl Ledger {
    pub(crate) fn new(receiver: &str, repeats: bool, timing: Timing) -> Self {
        Self {
            receiver: receiver.to_owned(),
            repeats,
            timing,
            items: BTreeMap::new(),
            places: BTreeMap::new(),
            due: BTreeSet::new(),
            spare: BTreeSet::new(),
            ranks: BTreeSet::new(),
            left_out: BTreeSet::new(),
            doubted: BTreeSet::new(),
            dropped: 0,
        }
    }

    /// Whether anything of that firing is known.
    pub(crate) fn knows(&self, key: &AlertKey, fired: Wall) -> bool {
        let id = |state| Id {
            key: key.clone(),
            fired,
            state,
        };
        [AlertState::Firing, AlertState::Resolved]
            .into_iter()
            .any(|state| self.places.contains_key(&id(state)))
    }

    /// Takes what is to be told at `place`.
    pub(crate) fn tell(&mut self, alert: &Arc<Alert>, place: u64, now: Now) -> Vec<Write> {
        let Some(id) = Id::of(alert) else {
            return Vec::new();
        };
        if self.refresh(&id, alert) {
            return Vec::new();
        }
        let item = Item {
            rank: bound::rank(alert),
            owed: Some(now.wall),
            tried: false,
            refused: None,
            until: self.until(&id, now),
            outdated: false,
            alert: Arc::clone(alert),
            id,
        };
        self.insert(place, item)
    }

    /// Takes what is known already, and not owed. An Alertmanager is sent it at once.
    pub(crate) fn remember(&mut self, alert: &Arc<Alert>, place: u64, now: Now) -> Vec<Write> {
        let Some(id) = Id::of(alert) else {
            return Vec::new();
        };
        if self.refresh(&id, alert) {
            return Vec::new();
        }
        let item = Item {
            rank: bound::rank(alert),
            owed: None,
            tried: true,
            refused: None,
            until: self.until(&id, now),
            outdated: false,
            alert: Arc::clone(alert),
            id,
        };
        self.insert(place, item)
    }

    /// Takes what was owed in the life before.
    pub(crate) fn load(&mut self, entry: Entry<'static>, now: Now) -> Vec<Write> {
        let alert = Arc::new(entry.alert.into_owned());
        let Some(id) = Id::of(&alert) else {
            return Vec::new();
        };
        if self.resolved(&id) && (self.repeats || !self.is_owed(&id.with(AlertState::Resolved))) {
            return vec![self.forgotten(&id)];
        }
        let refused = entry.refused.map(|since| Refused {
            since,
            times: 0,
            next: now.mono,
        });
        if let Some(place) = self.places.get(&id).copied() {
            // It fires on, and this is how it was told: its labels are what it is known by.
            if let Some(item) = self.items.get_mut(&place) {
                item.alert = alert;
                item.owed = Some(entry.owed);
            }
            self.due.insert(place);
            self.spare.remove(&place);
            return Vec::new();
        }
        let until = self.until(&id, now);
        let item = Item {
            rank: bound::rank(&alert),
            owed: Some(entry.owed),
            tried: true,
            refused,
            until,
            outdated: false,
            alert,
            id,
        };
        let forgotten = self.forgotten(&item.id);
        let id = item.id.clone();
        let mut writes = self.insert(entry.order, item);
        // It is on disk already, and stays there only if it is owed.
        writes.retain(|(_, body)| body.is_none());
        if !self.places.contains_key(&id) && !writes.contains(&forgotten) {
            writes.push(forgotten);
        }
        writes
    }

    /// Puts the newest words about something that is known in their place; its labels are what it is known by, and stay. A
    /// resolution is final.
    fn refresh(&mut self, id: &Id, alert: &Arc<Alert>) -> bool {
        if self.resolved(id) {
            return true;
        }
        let known = self.places.get(id).and_then(|place| self.items.get_mut(place));
        let Some(item) = known else { return false };
        let mut alert = Arc::clone(alert);
        if alert.labels != item.alert.labels {
            Arc::make_mut(&mut alert).labels.clone_from(&item.alert.labels);
        }
        item.alert = alert;
        true
    }

    /// Whether that firing is known to have ended.
    fn resolved(&self, id: &Id) -> bool {
        id.state == AlertState::Firing && self.places.contains_key(&id.with(AlertState::Resolved))
    }

    fn is_owed(&self, id: &Id) -> bool {
        let item = self.places.get(id).and_then(|place| self.items.get(place));
        item.is_some_and(|item| item.owed.is_some())
    }

    /// Until when a resolution is of use. It counts from when we hear of it: the clock that it is dated by may have been set
    /// since, and after a restart to send it for too long harms nobody.
    fn until(&self, id: &Id, now: Now) -> Option<Mono> {
        (id.state == AlertState::Resolved).then(|| now.mono + self.timing.retain)
    }

    fn insert(&mut self, place: u64, mut item: Item) -> Vec<Write> {
        let mut writes = Vec::new();
        item.outdated = self.repeats && self.of(&item.id.key).any(|place| self.is_newer(place, &item.id));
        if item.outdated && item.is_idle() {
            return vec![self.forgotten(&item.id)];
        }
        let place = self.displace(place, &item.id, &mut writes);
        if !self.make_room(&item, &mut writes) {
            return writes;
        }
        if item.id.state == AlertState::Resolved {
            self.left_out.remove(&(item.id.key.clone(), item.id.fired));
        }
        let place = (place..)
            .find(|place| !self.items.contains_key(place))
            .unwrap_or(place);
        if item.owed.is_some() {
            writes.insert(0, self.kept(place, &item));
        }
        if item.owed.is_some() || self.repeats {
            self.due.insert(place);
        }
        self.ranks.insert((item.rank, place));
        self.places.insert(item.id.clone(), place);
        self.items.insert(place, item);
        self.settle(place);
        writes
    }

    /// What is told of an alert makes some of what was to be told of it idle. Says at which place the new one goes.
    fn displace(&mut self, place: u64, id: &Id, writes: &mut Vec<Write>) -> u64 {
        if self.repeats {
            self.outdate(id, writes);
        }
        let firing = self.places.get(&id.with(AlertState::Firing)).copied();
        let Some(firing) = firing.filter(|_| id.state == AlertState::Resolved) else {
            return place;
        };
        // That it fires is still to be told to a webhook, if it was not.
        if self.repeats || self.items.get(&firing).is_some_and(|item| item.owed.is_none()) {
            self.remove(firing, writes);
        }
        // An Alertmanager is told in its place: what comes behind may be the next firing of the same.
        if self.repeats { firing } else { place }
    }

    /// There is a newer firing than those before it.
    fn outdate(&mut self, newer: &Id, writes: &mut Vec<Write>) {
        for place in self.of(&newer.key).collect::<Vec<_>>() {
            let known = self.items.get_mut(&place);
            if let Some(known) = known.filter(|known| known.id.fired < newer.fired) {
                known.outdated = true;
                if known.is_idle() {
                    self.remove(place, writes);
                }
            }
        }
    }

    fn is_newer(&self, place: u64, than: &Id) -> bool {
        self.items
            .get(&place)
            .is_some_and(|item| item.id.fired > than.fired)
    }

    /// The places of all that is known of an alert.
    fn of(&self, key: &AlertKey) -> impl Iterator<Item = u64> {
        let first = Id {
            key: key.clone(),
            fired: Wall(i64::MIN),
            state: AlertState::Pending,
        };
        let key = key.clone();
        let of = self
            .places
            .range(first..)
            .take_while(move |(id, _)| id.key == key);
        of.map(|(_, place)| *place)
    }

    fn remove(&mut self, place: u64, writes: &mut Vec<Write>) {
        self.due.remove(&place);
        self.spare.remove(&place);
        self.doubted.remove(&place);
        if let Some(item) = self.items.remove(&place) {
            self.ranks.remove(&(item.rank, place));
            self.places.remove(&item.id);
            if item.owed.is_some() {
                writes.push(self.forgotten(&item.id));
            }
        }
    }

    fn forgotten(&self, id: &Id) -> Write {
        (id.kept_as(&self.receiver), None)
    }

    fn kept(&self, place: u64, item: &Item) -> Write {
        let entry = Entry {
            receiver: Cow::Borrowed(&self.receiver),
            order: place,
            owed: item.owed.unwrap_or_default(),
            refused: item.refused.map(|refused| refused.since),
            alert: Cow::Borrowed(&item.alert),
        };
        (item.id.kept_as(&self.receiver), Some(entry.encode()))
    }

    /// All that is owed, to be kept anew.
    pub(crate) fn kept_anew(&self) -> Vec<Write> {
        let owed = self.items.iter().filter(|(_, item)| item.owed.is_some());
        owed.map(|(place, item)| self.kept(*place, item)).collect()
    }

    /// One that knows nothing of the same receiver.
    pub(crate) fn emptied(&self) -> Self {
        Self::new(&self.receiver, self.repeats, self.timing)
    }

    /// It is another receiver's from now on: what is owed is kept for that one, and what was refused may not be by it.
    pub(crate) fn rename(&mut self, receiver: &str) -> Vec<Write> {
        let owed = self.items.values().filter(|item| item.owed.is_some());
        let before: Vec<Write> = owed.map(|item| self.forgotten(&item.id)).collect();
        receiver.clone_into(&mut self.receiver);
        self.doubted.clear();
        self.items.values_mut().for_each(|item| item.refused = None);
        self.round();
        // Kept twice for a moment rather than not at all.
        let mut writes = self.kept_anew();
        writes.extend(before);
        writes
    }

    /// Forgets all; what was owed is to be forgotten on disk too.
    pub(crate) fn clear(&mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        for place in self.items.keys().copied().collect::<Vec<_>>() {
            self.remove(place, &mut writes);
        }
        writes
    }
}
