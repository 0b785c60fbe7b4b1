//! From steps of the aggregator's state to differences its owner has not been told: a plain function of what came before.
//!
//! No connection, clock or task: the tests replay any history. A step that spans messages is applied at its last one, so
//! nobody sees half a revision. The alternative, applying parts as they come, shows torn states after a lost connection.

use std::collections::{BTreeMap, BTreeSet};

use ward_model::{Entity, EntityKey, Epoch, ObserverState, Revision, Status};

use super::{Changed, Cursor, Update, UpdateKind, settling};

/// The state by key.
pub(super) type Known = BTreeMap<EntityKey, Entity>;

/// One message of a step of the state.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) epoch: Epoch,
    pub(super) to: Revision,
    pub(super) kind: UpdateKind,
    pub(super) last: bool,
    pub(super) entities: Vec<Entity>,
}

/// A broken promise of the stream. The watcher starts over with a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disorder {
    /// A step started before the one before it was whole.
    #[error("a step to revision {to} started inside another one", to = .0.0)]
    Torn(Revision),
    /// A step does not go forward.
    #[error("a step to revision {to} follows revision {at}", to = to.0, at = at.0)]
    Backwards {
        /// Where it leads.
        to: Revision,
        /// Where the state was.
        at: Revision,
    },
    /// A step of an epoch, or before any snapshot, that it cannot be applied to.
    #[error("a step of epoch {epoch:016x} has no snapshot to start from", epoch = .0.0)]
    Unrooted(Epoch),
}

/// What a restarted aggregator says, while it is not yet to be believed in everything.
#[derive(Debug)]
struct Doubt {
    truth: Known,
    // Keys whose told state is still the one from before the restart.
    old: BTreeSet<EntityKey>,
}

/// Holds what was told, and finds what was not.
#[derive(Debug)]
pub(super) struct Differ {
    told: Known,
    cursor: Option<Cursor>,
    resumable: bool,
    unfinished: Option<Step>,
    doubt: Option<Doubt>,
    least: Status,
}

impl Differ {
    /// Knows nothing; things better than `least` are filtered out by the aggregator.
    pub(super) fn new(least: Status) -> Self {
        Self {
            told: Known::new(),
            cursor: None,
            resumable: false,
            unfinished: None,
            doubt: None,
            least,
        }
    }

    pub(super) fn told(&self) -> &Known {
        &self.told
    }

    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// Where a new stream may continue.
    pub(super) fn resume(&self) -> Option<Cursor> {
        self.cursor.filter(|_| self.resumable)
    }

    /// The next stream starts with a snapshot.
    pub(super) fn lose_place(&mut self) {
        self.resumable = false;
    }

    /// The stream is over; the rest of a step will not come.
    pub(super) fn drop_unfinished(&mut self) {
        self.unfinished = None;
    }

    /// Takes one message. `None` while its step is not whole, `Some(None)` where nothing differs.
    pub(super) fn step(&mut self, part: Step) -> Result<Option<Option<Update>>, Disorder> {
        let step = self.joined(part)?;
        if !step.last {
            self.unfinished = Some(step);
            return Ok(None);
        }
        self.check_order(&step)?;
        Ok(Some(self.applied(step)))
    }

    /// Takes a mark that everything up to `cursor` was told; it may tell that a restarted aggregator has settled.
    pub(super) fn bookmark(
        &mut self,
        cursor: Cursor,
        observer: ObserverState,
    ) -> Result<Option<Update>, Disorder> {
        let at = match self.cursor {
            Some(at) if at.epoch == cursor.epoch && self.resumable => at.revision,
            _ => return Err(Disorder::Unrooted(cursor.epoch)),
        };
        if cursor.revision < at {
            return Err(Disorder::Backwards {
                to: cursor.revision,
                at,
            });
        }
        self.cursor = Some(cursor);
        let changes = match self.doubt.take() {
            Some(doubt) if !observer.settling => self.settled(doubt),
            doubt => {
                self.doubt = doubt;
                Vec::new()
            }
        };
        Ok((!changes.is_empty()).then_some(Update {
            cursor,
            kind: UpdateKind::Settled,
            changes,
        }))
    }

    fn joined(&mut self, mut part: Step) -> Result<Step, Disorder> {
        let Some(mut step) = self.unfinished.take() else {
            return Ok(part);
        };
        if (step.epoch, step.to, step.kind) != (part.epoch, part.to, part.kind) {
            return Err(Disorder::Torn(part.to));
        }
        step.entities.append(&mut part.entities);
        step.last = part.last;
        Ok(step)
    }

    fn check_order(&self, step: &Step) -> Result<(), Disorder> {
        let snapshot = step.kind == UpdateKind::Snapshot;
        match self.cursor {
            Some(at) if at.epoch == step.epoch && (snapshot || self.resumable) => {
                let forward = step.to > at.revision || (snapshot && step.to == at.revision);
                forward.then_some(()).ok_or(Disorder::Backwards {
                    to: step.to,
                    at: at.revision,
                })
            }
            _ if snapshot => Ok(()),
            _ => Err(Disorder::Unrooted(step.epoch)),
        }
    }

    fn applied(&mut self, step: Step) -> Option<Update> {
        let first = self.cursor.is_none();
        let restarted = self.cursor.is_some_and(|at| at.epoch != step.epoch);
        let cursor = Cursor {
            epoch: step.epoch,
            revision: step.to,
        };
        self.cursor = Some(cursor);
        self.resumable = true;
        if restarted {
            self.doubt = Some(Doubt {
                truth: Known::new(),
                old: self.told.keys().cloned().collect(),
            });
        }
        let changes = match self.doubt.take() {
            Some(doubt) => self.doubted(doubt, step.kind, step.entities),
            None => self.believed(step.kind, step.entities),
        };
        (first || !changes.is_empty()).then_some(Update {
            cursor,
            kind: step.kind,
            changes,
        })
    }

    /// The usual case: what is said is so.
    fn believed(&mut self, kind: UpdateKind, entities: Vec<Entity>) -> Vec<Changed> {
        let mut now = by_key(entities);
        if kind == UpdateKind::Snapshot {
            let gone = self
                .told
                .keys()
                .filter(|key| !now.contains_key(key))
                .cloned()
                .collect::<Vec<_>>();
            now.extend(gone.into_iter().map(|key| (key.clone(), Entity::Removed(key))));
        }
        now.into_values().filter_map(|entity| self.tell(entity)).collect()
    }

    /// Behind a restart: tells only what does not rest on absence.
    fn doubted(&mut self, mut doubt: Doubt, kind: UpdateKind, entities: Vec<Entity>) -> Vec<Changed> {
        let mut touched: BTreeSet<EntityKey> = doubt.old.clone();
        if kind == UpdateKind::Snapshot {
            touched.extend(doubt.truth.keys().cloned());
            touched.extend(self.told.keys().cloned());
            doubt.truth.clear();
        }
        for (key, entity) in by_key(entities) {
            match entity {
                Entity::Removed(_) => drop(doubt.truth.remove(&key)),
                entity => drop(doubt.truth.insert(key.clone(), entity)),
            }
            touched.insert(key);
        }
        if settling::is_over(&doubt.truth) {
            return self.settled(doubt);
        }
        let held = settling::held(&doubt.old, &self.told, &doubt.truth);
        let news = touched
            .into_iter()
            .filter(|key| !held.keys.contains(key))
            .collect::<Vec<_>>();
        let changes = news
            .iter()
            .filter_map(|key| self.tell_of(&mut doubt, key))
            .collect();
        doubt.old.extend(held.in_part);
        self.doubt = (!doubt.old.is_empty()).then_some(doubt);
        changes
    }

    /// The doubt is over: what is said is so, absence included.
    fn settled(&mut self, mut doubt: Doubt) -> Vec<Changed> {
        let keys = self
            .told
            .keys()
            .chain(doubt.truth.keys())
            .cloned()
            .collect::<BTreeSet<_>>();
        keys.iter()
            .filter_map(|key| self.tell_of(&mut doubt, key))
            .collect()
    }

    fn tell_of(&mut self, doubt: &mut Doubt, key: &EntityKey) -> Option<Changed> {
        let entity = doubt
            .truth
            .get(key)
            .cloned()
            .unwrap_or_else(|| Entity::Removed(key.clone()));
        let from_before = doubt.old.remove(key);
        let unchanged = self
            .told
            .get(key)
            .is_some_and(|told| settling::same_but_for_time(told, &entity));
        if from_before && unchanged {
            self.told.insert(key.clone(), entity);
            return None;
        }
        self.tell(entity)
    }

    fn tell(&mut self, entity: Entity) -> Option<Changed> {
        if let Entity::Removed(key) = &entity {
            let before = self.told.remove(key)?;
            // Better than what was asked for: its absence from a snapshot says nothing.
            return (before.status() >= self.least).then_some(Changed {
                before: Some(before),
                entity,
            });
        }
        let before = self.told.insert(entity.key(), entity.clone());
        (before.as_ref() != Some(&entity)).then_some(Changed { before, entity })
    }
}

fn by_key(entities: Vec<Entity>) -> Known {
    entities
        .into_iter()
        .map(|entity| (entity.key(), entity))
        .collect()
}

#[cfg(test)]
mod tests;
