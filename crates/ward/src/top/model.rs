//! What is known of the system, and how fresh that is: a plain function of what the watcher said and when.
//!
//! It reads no clock and draws nothing. The watcher keeps a state of its own; here it is kept once more because what is
//! shown may be held back (a pause) while the watcher goes on. The services are shared, so that holding is cheap.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ward_model::{Entity, EntityKey, Mono, Name, Now, ObserverState, ServiceState, SystemState};
use ward_sdk::watch::{Event, Update};

use super::changes::{Change, Changes};
use crate::watch::{chain, witness};

/// A bookmark comes every 10 s at least; two more for the way.
const SILENCE: Duration = Duration::from_secs(12);

/// All that can be shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// `None` until the first word.
    pub(super) system: Option<SystemState>,
    pub(super) services: BTreeMap<Name, Arc<ServiceState>>,
    pub(super) observer: ObserverState,
    pub(super) changes: Changes,
    /// The aggregator was restarted, and has not said yet that it has settled: what has not come back is shown as it was.
    pub(super) restarted: bool,
    heard: Option<Now>,
    lost: Option<String>,
}

/// Whether what is shown is how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing<'a> {
    /// Nothing has been heard yet.
    Connecting,
    /// Heard so long ago, and not overdue.
    Live(Duration),
    /// Connected as far as one can tell, and the aggregator says nothing.
    Silent(Duration),
    /// Not connected.
    Lost {
        /// Heard last so long ago.
        heard: Duration,
        /// Why.
        why: &'a str,
    },
}

impl Hearing<'_> {
    /// What is shown is how it was.
    pub(super) fn is_stale(self) -> bool {
        matches!(self, Self::Silent(_) | Self::Lost { .. })
    }
}

impl Model {
    /// Takes what the watcher said. True if services differ from before.
    pub(super) fn apply(&mut self, event: Event, now: Now) -> bool {
        match event {
            Event::Update(update) => {
                self.hear(now);
                return self.update(update, now);
            }
            Event::Bookmark { observer, .. } => {
                self.hear(now);
                self.observe(observer);
            }
            Event::Lost { error } => {
                let why = chain(&error);
                self.changes.remark(now, format!("connection lost: {why}"));
                self.lost = Some(why);
            }
            Event::Restored { epoch_changed } => {
                self.hear(now);
                self.restarted |= epoch_changed;
                let restarted = if epoch_changed {
                    ": the aggregator was restarted"
                } else {
                    ""
                };
                self.changes.remark(now, format!("connected again{restarted}"));
            }
            Event::Audit(finding) => {
                if let Some(words) = witness::words(&finding) {
                    self.changes.remark(now, words);
                }
            }
        }
        false
    }

    pub(super) fn hearing(&self, now: Mono) -> Hearing<'_> {
        let ago = self.heard.map(|heard| now.since(heard.mono));
        match (ago, &self.lost) {
            (None, _) => Hearing::Connecting,
            (Some(heard), Some(why)) => Hearing::Lost { heard, why },
            (Some(ago), None) if ago >= SILENCE => Hearing::Silent(ago),
            (Some(ago), None) => Hearing::Live(ago),
        }
    }

    /// The last moment it is known how it is: this one, or that of the last word where one more is overdue.
    pub(super) fn known_at(&self, now: Now) -> Now {
        match self.heard {
            Some(heard) if self.hearing(now.mono).is_stale() => heard,
            _ => now,
        }
    }

    fn observe(&mut self, observer: ObserverState) {
        self.observer = observer;
        self.restarted &= observer.settling;
    }

    fn hear(&mut self, now: Now) {
        self.heard = Some(now);
        self.lost = None;
    }

    fn update(&mut self, update: Update, now: Now) -> bool {
        let first = self.system.is_none();
        // That something is there when one begins to look is no change. Of one step the system stands first.
        for changed in update.changes.iter().rev().filter(|_| !first) {
            if let Some(change) = Change::of(changed, now) {
                self.changes.add(change);
            }
        }
        let mut services = false;
        for changed in update.changes {
            match changed.entity {
                Entity::System(system) => {
                    self.observe(system.observer);
                    self.system = Some(system);
                }
                Entity::Service(service) => {
                    self.services.insert(service.name.clone(), Arc::new(service));
                    services = true;
                }
                Entity::Removed(EntityKey::Service(name)) => {
                    self.services.remove(&name);
                    services = true;
                }
                // Instances are not watched here, and a system is never no more.
                Entity::Instance(_) | Entity::Removed(_) => {}
            }
        }
        services
    }
}

#[cfg(test)]
mod tests;
