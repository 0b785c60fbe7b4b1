//! What was known before the aggregator's start: services and instances that are Unknown, with their old status beside
//! them, and not judged before the aggregator has had time to hear them.
//!
//! They come from a store that may be slow or wrong, in parts, while reporters come back. So who is there already is left
//! alone, and nothing here is refused: what does not fit is left out.

use std::time::Duration;

use ward_model::{Freshness, KnownInstance, KnownService, Maintenance, Name, Now, Status, Wall, bounds};

use crate::{
    Declaration, Engine, Recalled,
    world::{Instance, Pace, ServiceIx},
};

impl Engine {
    /// See [`crate::Event::Recall`].
    pub(crate) fn recall(&mut self, recalled: Recalled, now: Now) {
        let others = self.world.dirty_instances.len();
        for service in recalled.services {
            self.recall_service(service, now);
        }
        // Those of a service come one after the other.
        let mut last = None;
        for instance in recalled.instances {
            let service = match &last {
                Some((name, ix)) if *name == instance.id.service => *ix,
                _ => match self.service_to_recall(&instance.id.service, now) {
                    Some(ix) => ix,
                    None => continue,
                },
            };
            last = Some((instance.id.service.clone(), service));
            self.recall_instance(service, instance, now);
        }
        for maintenance in recalled.maintenance {
            self.recall_maintenance(maintenance, now);
        }
        if recalled.complete {
            self.end_recall();
        }
        if recalled.untold {
            self.leave_untold(others);
        }
    }

    /// As if instances had been told of, behind those that are to be.
    fn leave_untold(&mut self, others: usize) {
        for ix in self.world.dirty_instances.drain(others..) {
            let instance = &mut self.world.instances[ix];
            instance.dirty = false;
            instance.published = Some(instance.leaf.status());
        }
    }

    fn recall_service(&mut self, known: KnownService, now: Now) {
        let needed = known.dependencies.iter().map(|dependency| &dependency.service);
        if self.admit_services(needed.chain([&known.name])).is_err() {
            return;
        }
        let ix = self.world.service_or_new(&known.name, now.mono, now.wall);
        let service = &mut self.world.services[ix];
        if service.reported {
            return;
        }
        service.expected = true;
        service.recalled = Some(known.status).filter(|&status| status != Status::Unknown);
        service.hello_recalled = true;
        service.hello = Declaration {
            criticality: known.criticality,
            min_healthy: known.min_healthy,
            dependencies: Some(known.dependencies),
            ..Declaration::default()
        };
        self.world.rebuild_edges(ix, now);
        self.world.touch_service(ix);
    }

    fn service_to_recall(&mut self, name: &Name, now: Now) -> Option<ServiceIx> {
        self.admit_services([name].into_iter()).ok()?;
        Some(self.world.service_or_new(name, now.mono, now.wall))
    }

    fn recall_instance(&mut self, service: ServiceIx, known: KnownInstance, now: Now) {
        let there = &self.world.services[service].instances;
        if there.get(&known.id.instance, &self.world.instances).is_some() {
            return;
        }
        let pace = Pace::recalled(known.interval, self.world.services[service].file_interval());
        let due = self.started + self.config.settle.max(pace.lease().lost_after);
        let Some(slot) = self.leases.allocate(None, due) else {
            return;
        };
        let mut instance = Instance::new(
            known.id.instance,
            service,
            known.incarnation,
            pace,
            slot,
            now.mono + bounds::STARTUP_DEADLINE_DEFAULT,
            now.wall,
            Status::Unknown,
        );
        instance.recalled = Some(known.status);
        instance.tainted =
            Self::unclean_end(known.freshness).filter(|_| known.freshness != Freshness::Suspect);
        let ix = self.world.add_instance(instance);
        self.count_freshness(pace.is_seldom(), None, Some(Freshness::Fresh));
        self.leases.assign(slot, ix);
        self.leases.slab.park(slot, due);
        self.leases.watch_for_return(slot);
        self.set_freshness(ix, Freshness::Suspect);
        self.set_due(ix, due);
        self.judge_instance(ix, now);
    }

    /// What is left of it by the wall clock, which alone goes on over a restart.
    fn recall_maintenance(&mut self, maintenance: Maintenance, now: Now) {
        let left = |end: Wall| u64::try_from(end.0.saturating_sub(now.wall.0)).unwrap_or_default();
        let left = maintenance.end.map(left);
        // Its service may have come too late to be known.
        let mut service = || self.service_to_recall(&maintenance.service, now);
        let Some(ix) = (left != Some(0)).then(&mut service).flatten() else {
            return;
        };
        let service = &mut self.world.services[ix];
        if service.maintenance.is_some() {
            return;
        }
        service.maintenance_due = left.map(|left| now.mono + Duration::from_millis(left));
        service.maintenance = Some(Box::new(maintenance));
        self.world.touch_service(ix);
    }

    /// Nobody else is to be expected.
    fn end_recall(&mut self) {
        let expected: Vec<_> = self
            .world
            .services
            .iter()
            .filter(|(_, service)| service.expected)
            .map(|(ix, _)| ix)
            .collect();
        for ix in expected {
            self.world.services[ix].expected = false;
            self.world.touch_service(ix);
        }
    }
}
