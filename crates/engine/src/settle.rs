//! From what an event touched to one revision: roll-up, causes, system, and the states others are told.

use std::collections::BTreeSet;

use ward_model::{Change, ChangeSet, Entity, EntityKey, Mono, Now, ObserverState, Status, SystemState};

use crate::{
    Engine, blame, propagate, view,
    wake::Wake,
    world::{InstanceIx, ServiceIx},
};

/// A thing that is no more, and its last status.
pub(crate) type Gone = (EntityKey, Option<Status>);

impl Engine {
    /// Ends an event: brings everything it touched up to date and makes a revision of it, if others see any of it. What
    /// is said of instances is left for [`Engine::tell`].
    pub(crate) fn settle(&mut self, now: Now) -> Option<ChangeSet> {
        if self.is_untouched() {
            return None;
        }
        let dirty = std::mem::take(&mut self.world.dirty_services);
        dirty.iter().for_each(|&ix| self.world.find_worst(ix));
        self.ask_for_wakes(&dirty, now.mono);
        let moved = propagate::propagate(&mut self.world, &dirty, now.mono, now.wall);
        let rewired = self.rewired(&dirty);
        let blaming = blame::refresh(&mut self.world, &dirty, &moved, &rewired, now.mono);
        let mut touched: BTreeSet<ServiceIx> = dirty.iter().chain(&moved).chain(&blaming).copied().collect();
        touched.extend(self.victims(&moved));
        for &ix in &touched {
            self.system.count(&mut self.world, ix);
        }
        self.system.settle(now.wall);
        let gone = self.collect_unreferenced(&dirty);
        let mut changes = self.publish_system(now.mono).into_iter().collect::<Vec<_>>();
        self.publish_services(&touched, now.mono, &mut changes);
        changes.extend(gone.into_iter().map(removed));
        self.count_transitions(&changes);
        if changes.is_empty() && self.untold() == 0 {
            return None;
        }
        self.revision = self.revision.next();
        Some(ChangeSet {
            revision: self.revision,
            changes,
        })
    }

    /// How many instances [`Engine::tell`] may have to tell of.
    pub fn untold(&self) -> usize {
        self.world.dirty_instances.len() + self.gone.len()
    }

    /// What the last revision says of instances, to be added to what [`Engine::decide`] returned of it.
    pub fn tell(&mut self) -> Vec<Change> {
        let dirty = std::mem::take(&mut self.world.dirty_instances);
        let mut changes = Vec::with_capacity(dirty.len());
        for ix in dirty {
            if !self.is_untold(ix) {
                continue;
            }
            self.remember(ix, self.mono);
            let instance = &mut self.world.instances[ix];
            instance.dirty = false;
            let before = instance.published.replace(instance.leaf.status());
            changes.push(Change {
                before,
                entity: Entity::Instance(view::instance(&self.world, &self.world.instances[ix])),
            });
        }
        changes.extend(std::mem::take(&mut self.gone).into_iter().map(removed));
        self.count_transitions(&changes);
        changes
    }

    fn is_untold(&self, ix: InstanceIx) -> bool {
        self.world
            .instances
            .get(ix)
            .is_some_and(|instance| instance.dirty)
    }

    /// Makes up for a [`Engine::tell`] that was not called: what it would have said is said by the next, and what it
    /// would have remembered belongs to the event that is over.
    pub(crate) fn remember_untold(&mut self) {
        for place in 0..self.world.dirty_instances.len() {
            let ix = self.world.dirty_instances[place];
            if self.is_untold(ix) {
                self.remember(ix, self.mono);
            }
        }
    }

    /// Most ticks change nothing: they end here.
    fn is_untouched(&self) -> bool {
        let told = self.told_system.as_ref().map(|system| system.observer);
        let ObserverState {
            degraded_view,
            blind,
            settling,
            ..
        } = self.observer.state;
        self.world.dirty_services.is_empty()
            && self.world.dirty_instances.is_empty()
            && self.gone.is_empty()
            && told.is_some_and(|told| {
                (told.degraded_view, told.blind, told.settling) == (degraded_view, blind, settling)
            })
    }

    fn count_transitions(&mut self, changes: &[Change]) {
        for change in changes {
            if change.is_transition() && !matches!(change.entity, Entity::Removed(_)) {
                self.transitions[match change.entity {
                    Entity::System(_) => 0,
                    Entity::Service(_) => 1,
                    _ => 2,
                }] += 1;
            }
        }
    }

    fn ask_for_wakes(&mut self, dirty: &[ServiceIx], now: Mono) {
        for &ix in dirty {
            let service = &mut self.world.services[ix];
            service.dirty = false;
            let look = service.next_look(now);
            self.wakes.ask(&mut service.next_wake, look, Wake::Service(ix));
        }
    }

    /// Bad services that depend on one whose verdict changed: what they say of it changes even if they do not.
    fn victims(&self, moved: &[ServiceIx]) -> Vec<ServiceIx> {
        let services = &self.world.services;
        let dependents = moved
            .iter()
            .flat_map(|&ix| services[ix].dependents.keys().copied());
        dependents
            .filter(|&ix| services[ix].effective.0.is_bad())
            .collect()
    }

    /// Those among `dirty` that have other edges than at the last roll-up.
    fn rewired(&mut self, dirty: &[ServiceIx]) -> Vec<ServiceIx> {
        let services = &mut self.world.services;
        dirty
            .iter()
            .copied()
            .filter(|&ix| std::mem::take(&mut services[ix].rewired))
            .collect()
    }

    /// Drops services that only stood for something others needed and no longer do.
    fn collect_unreferenced(&mut self, dirty: &[ServiceIx]) -> Vec<Gone> {
        let mut gone = Vec::new();
        let mut open: Vec<ServiceIx> = dirty.to_vec();
        while let Some(ix) = open.pop() {
            let Some(service) = self.world.services.get(ix) else {
                continue;
            };
            if service.reported || !service.is_unreferenced() {
                continue;
            }
            gone.extend(self.drop_service(ix, &mut open));
        }
        gone
    }

    /// Takes a service away; `open` gets those it needed, which may be unreferenced now.
    pub(crate) fn drop_service(&mut self, ix: ServiceIx, open: &mut Vec<ServiceIx>) -> Option<Gone> {
        open.extend(self.world.services[ix].edges.iter().map(|edge| edge.target));
        self.world.replace_edges(ix, Vec::new());
        self.wakes
            .ask(&mut self.world.services[ix].next_wake, None, Wake::Service(ix));
        self.world.dirty_services.retain(|&dirty| dirty != ix);
        self.system.forget(&mut self.world, ix);
        self.system.settle(self.wall);
        let service = self.world.services.remove(ix);
        self.world.names.remove(&service.name);
        let published = service.published?;
        Some((EntityKey::Service(service.name), Some(published.condition.status)))
    }

    fn publish_system(&mut self, now: Mono) -> Option<Change> {
        let state = self.system_state(now);
        let same = |told: &SystemState| {
            let observer = ObserverState {
                score: state.observer.score,
                ..told.observer
            };
            SystemState {
                observer,
                ..told.clone()
            } == state
        };
        if self.told_system.as_ref().is_some_and(same) {
            return None;
        }
        let before = self
            .told_system
            .replace(state.clone())
            .map(|told| told.condition.status);
        Some(Change {
            before,
            entity: Entity::System(state),
        })
    }

    fn publish_services(&mut self, touched: &BTreeSet<ServiceIx>, now: Mono, changes: &mut Vec<Change>) {
        for &ix in touched {
            if !self.world.services.contains(ix) {
                continue;
            }
            self.world.find_oldest(ix);
            let state = view::service(&self.world, ix, now);
            let told = &mut self.world.services[ix].published;
            if told.as_ref() != Some(&state) {
                let before = told.replace(state.clone()).map(|told| told.condition.status);
                changes.push(Change {
                    before,
                    entity: Entity::Service(state),
                });
            }
        }
    }
}

fn removed((key, before): Gone) -> Change {
    Change {
        before,
        entity: Entity::Removed(key),
    }
}
