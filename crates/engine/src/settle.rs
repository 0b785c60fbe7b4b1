//! From what an event touched to one revision: roll-up, causes, system, and the states others are told.

use ward_model::{Change, ChangeSet, Entity, EntityKey, Mono, Now, ObserverState, Status, Wall};

use crate::{
    Engine, view,
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
        let mut dirty = std::mem::take(&mut self.world.dirty_services);
        dirty.iter().for_each(|&ix| self.world.find_worst(ix));
        self.brief(&dirty, now.mono);
        let rewired: Vec<ServiceIx> = self.world.rollup.rewired().collect();
        self.world.rollup.propagate();
        self.date(now.wall);
        self.touched.resize(self.world.services.capacity());
        self.blame
            .refresh(&mut self.world, &dirty, &rewired, &mut self.touched);
        self.touch(&dirty);
        self.system.settle(&self.world, now.wall);
        let gone = self.collect_unreferenced(&dirty);
        // With a place for what is told of an instance: mostly it is one.
        let mut changes = Vec::with_capacity(self.touched.len() + 1);
        changes.extend(self.publish_system());
        self.publish_services(&mut changes);
        changes.extend(gone.into_iter().map(removed));
        self.count_transitions(&changes);
        self.touched.clear();
        dirty.clear();
        // What the end of a service touched waits for the next event.
        dirty.append(&mut self.world.dirty_services);
        self.world.dirty_services = dirty;
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

    /// Adds what the last revision says of instances to what [`Engine::decide`] returned of it.
    pub fn tell(&mut self, changes: &mut Vec<Change>) {
        changes.reserve_exact(self.untold());
        let (mut dirty, from) = (std::mem::take(&mut self.world.dirty_instances), changes.len());
        for ix in dirty.drain(..) {
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
        self.world.dirty_instances = dirty;
        changes.extend(self.gone.drain(..).map(removed));
        self.count_transitions(&changes[from..]);
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

    /// Tells the roll-up what is declared about services and what time does to them, and asks to be woken for the rest.
    fn brief(&mut self, dirty: &[ServiceIx], now: Mono) {
        for &ix in dirty {
            let service = &mut self.world.services[ix];
            service.dirty = false;
            let missing = if now < service.seats_due {
                Status::Unknown
            } else {
                Status::Unhealthy
            };
            let rollup = &mut self.world.rollup;
            rollup.want(ix, service.min_healthy(), missing);
            rollup.weigh(ix, service.criticality(), service.maintenance.is_some());
            let short = (1..rollup.wanted(ix)).contains(&rollup.counted(ix));
            let seats = Some(service.seats_due).filter(|&due| short && due > now);
            let look = seats.into_iter().chain(service.maintenance_due).min();
            self.wakes.ask(&mut service.next_wake, look, Wake::Service(ix));
        }
    }

    /// Since when what moved is as it is.
    fn date(&mut self, wall: Wall) {
        let (rollup, services) = (&self.world.rollup, &mut self.world.services);
        for ix in rollup.own_moved() {
            services[ix].own_since = wall;
        }
        for ix in rollup.moved() {
            services[ix].since = wall;
            if rollup.verdict(ix) != Status::Unknown {
                services[ix].recalled = None;
            }
        }
    }

    /// Notes all services of which something else may be said now, in the order of their places.
    fn touch(&mut self, dirty: &[ServiceIx]) {
        let (rollup, touched) = (&self.world.rollup, &mut self.touched);
        for ix in dirty.iter().copied().chain(rollup.moved()) {
            touched.note(ix);
        }
        // Bad services that depend on what moved: what they say of it changes even if they do not.
        for victim in rollup.moved().flat_map(|ix| rollup.dependents(ix)) {
            if rollup.verdict(victim).is_bad() {
                touched.note(victim);
            }
        }
        touched.sort();
    }

    /// Drops services that only stood for something others needed and no longer do.
    fn collect_unreferenced(&mut self, dirty: &[ServiceIx]) -> Vec<Gone> {
        let mut gone = Vec::new();
        let mut open: Vec<ServiceIx> = dirty.to_vec();
        while let Some(ix) = open.pop() {
            let Some(service) = self.world.services.get(ix) else {
                continue;
            };
            let is_needed = self.world.rollup.dependents(ix).len() > 0;
            if service.reported || is_needed || !service.is_unreferenced() {
                continue;
            }
            gone.extend(self.drop_service(ix, &mut open));
        }
        gone
    }

    /// Takes a service away; `open` gets those it needed, which may be unreferenced now.
    pub(crate) fn drop_service(&mut self, ix: ServiceIx, open: &mut Vec<ServiceIx>) -> Option<Gone> {
        open.extend(self.world.rollup.needs(ix).map(|need| need.target));
        self.world.replace_edges(ix, &[], Vec::new());
        self.wakes
            .ask(&mut self.world.services[ix].next_wake, None, Wake::Service(ix));
        self.world.dirty_services.retain(|&dirty| dirty != ix);
        self.world.rollup.remove(ix);
        self.system.settle(&self.world, self.wall);
        let service = self.world.services.remove(ix);
        self.world.names.remove(&service.name);
        let published = service.published?;
        Some((EntityKey::Service(service.name), Some(published.condition.status)))
    }

    fn publish_system(&mut self) -> Option<Change> {
        let observer = self.observer.state;
        if let Some(told) = &self.told_system {
            // How much it doubts itself is told with the rest, and is no news alone.
            let score = told.observer.score;
            let alike = told.observer == ObserverState { score, ..observer };
            if alike && !self.system.may_differ(told, &self.world, &self.touched) {
                return None;
            }
            if *told
                == self
                    .system
                    .state(&self.world, ObserverState { score, ..observer })
            {
                return None;
            }
        }
        let state = self.system();
        let told = self.told_system.replace(state.clone());
        Some(Change {
            before: told.map(|told| told.condition.status),
            entity: Entity::System(state),
        })
    }

    fn publish_services(&mut self, changes: &mut Vec<Change>) {
        for ix in self.touched.iter() {
            if !self.world.services.contains(ix) {
                continue;
            }
            self.world.find_oldest(ix);
            let rewired = self.world.take_rewired(ix);
            let mut state = view::independent(&self.world, ix);
            let told = &mut self.world.services[ix].published;
            if rewired || told.as_ref() != Some(&state) {
                let before = told.replace(state.clone()).map(|told| told.condition.status);
                state.dependencies = view::dependencies(&self.world, ix);
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
