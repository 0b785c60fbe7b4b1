//! What was owed in the life before, and what of it is still true.
//!
//! What is owed and what fires come from two places and in any order. What was owed as firing and does not fire on was
//! resolved while nobody watched, or never noted by whoever decides: it is told as resolved, or receivers would show it for
//! ever.

use std::sync::Arc;

use ward_model::{Alert, AlertState, Now};

use super::{Shared, State};
use crate::outbox::{Entry, Id};

/// The life before.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// What was owed as firing, once that is known.
    owed: Option<Vec<Arc<Alert>>>,
    /// What fires on is known.
    pub(super) restored: bool,
}

/// Reads what was owed, as soon as the outbox can say it.
pub(super) fn load(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    let outbox = Arc::clone(&shared.outbox);
    shared.state.lock().loading.spawn(async move {
        let kept = outbox.kept().await;
        if let Some(shared) = weak.upgrade() {
            shared.load(kept);
        }
    });
}

impl Shared {
    fn load(&self, kept: Vec<(String, String)>) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let mut entries = Vec::new();
        for (key, body) in kept {
            match Entry::decode(&body).filter(|entry| state.knows(entry)) {
                Some(entry) => entries.push(entry),
                None => {
                    tracing::warn!(
                        key,
                        "something is owed to a receiver that is gone, or cannot be read; forgotten"
                    );
                    self.outbox.keep(key, None);
                }
            }
        }
        entries.sort_by_key(|entry| entry.order);
        let firing = entries
            .iter()
            .filter(|entry| entry.alert.state == AlertState::Firing);
        state.before.owed = Some(
            firing
                .map(|entry| Arc::new(entry.alert.clone().into_owned()))
                .collect(),
        );
        for entry in entries {
            state.load(entry, now);
        }
        state.close_orphans(now);
        state.ring();
    }
}

impl State {
    fn knows(&self, entry: &Entry<'_>) -> bool {
        Id::of(&entry.alert).is_some() && self.desks.iter().any(|post| post.desk.name == entry.receiver)
    }

    fn load(&mut self, entry: Entry<'static>, now: Now) {
        // Labels that it was told with are the ones it is known by.
        if let Some((_, known)) = self.firing.get_mut(&entry.alert.key)
            && known.fired == entry.alert.fired
        {
            let labels = entry.alert.labels.clone();
            *known = Arc::new(Alert {
                labels,
                ..Alert::clone(known)
            });
        }
        if let Some(post) = self.desks.iter().find(|post| post.desk.name == entry.receiver) {
            post.desk.load(entry, now);
        }
    }

    /// Once it is known what was owed and what fires on: what was owed as firing and does not, is resolved.
    pub(super) fn close_orphans(&mut self, now: Now) {
        if !self.before.restored {
            return;
        }
        for owed in self.before.owed.take().unwrap_or_default() {
            let fires = self.firing.get(&owed.key);
            if fires.is_none_or(|(_, alert)| alert.fired != owed.fired) {
                self.tell(
                    Alert {
                        state: AlertState::Resolved,
                        resolved: Some(now.wall),
                        ..Alert::clone(&owed)
                    },
                    now,
                );
            }
        }
    }
}
