//! What operators do: maintenance and forgetting.

use std::time::Duration;

use ward_model::{Freshness, InstanceId, Maintenance, Mono, Name, Now, Wall};

use crate::{Declaration, Engine, Refusal, Reply, world::ServiceIx};

impl Engine {
    pub(crate) fn start_maintenance(
        &mut self,
        name: &Name,
        by: String,
        why: String,
        duration: Option<Duration>,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let ix = self
            .world
            .find(name)
            .ok_or_else(|| Refusal::NoService(name.clone()))?;
        if duration.is_some_and(|duration| duration.is_zero()) {
            return Err(Refusal::EmptyWindow(now.wall));
        }
        let end = duration.map(|duration| {
            let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            Wall(now.wall.0.saturating_add(ms))
        });
        let maintenance = Maintenance {
            service: name.clone(),
            by,
            why,
            start: now.wall,
            end,
        };
        let service = &mut self.world.services[ix];
        service.maintenance = Some(Box::new(maintenance.clone()));
        service.maintenance_due = duration.map(|duration| now.mono + duration);
        self.world.touch_service(ix);
        Ok(Reply::Maintenance(Box::new(maintenance)))
    }

    pub(crate) fn end_maintenance(&mut self, name: &Name) -> Result<Reply, Refusal> {
        let ix = self
            .world
            .find(name)
            .ok_or_else(|| Refusal::NoService(name.clone()))?;
        let service = &mut self.world.services[ix];
        if service.maintenance.take().is_none() {
            return Err(Refusal::NotInMaintenance(name.clone()));
        }
        service.maintenance_due = None;
        self.world.touch_service(ix);
        Ok(Reply::Done)
    }

    pub(crate) fn end_due_maintenance(&mut self, ix: ServiceIx, now: Mono) {
        let service = &mut self.world.services[ix];
        if service.maintenance_due.is_some_and(|due| due <= now) {
            service.maintenance = None;
            service.maintenance_due = None;
            self.world.touch_service(ix);
        }
    }

    /// Drops what is lost for good. What is heard is refused: it would only come back.
    pub(crate) fn forget(&mut self, name: &Name, instance: Option<&Name>) -> Result<Reply, Refusal> {
        let ix = self
            .world
            .find(name)
            .ok_or_else(|| Refusal::NoService(name.clone()))?;
        let service = &self.world.services[ix];
        let instances = match instance {
            Some(instance) => {
                let id = InstanceId {
                    service: name.clone(),
                    instance: instance.clone(),
                };
                vec![self.find_instance(&id)?]
            }
            None => service.instances.values().collect(),
        };
        let fresh = instances
            .iter()
            .find(|&&ix| self.world.instances[ix].freshness == Freshness::Fresh);
        if let Some(&fresh) = fresh {
            return Err(Refusal::Alive(self.world.id_of(&self.world.instances[fresh])));
        }
        for &ix in &instances {
            self.remove_instance(ix);
        }
        if instance.is_none() {
            self.forget_service(ix);
        }
        Ok(Reply::Forgotten(instances.len() as u32))
    }

    /// Nothing that was said about it holds any longer. It stays while others need it or the file names it.
    fn forget_service(&mut self, ix: ServiceIx) {
        let service = &mut self.world.services[ix];
        service.reported = false;
        service.hello = Declaration::default();
        service.disagreements.clear();
        service.maintenance = None;
        service.maintenance_due = None;
        let now = Now {
            mono: self.mono,
            wall: self.wall,
        };
        self.world.rebuild_edges(ix, now);
        self.world.touch_service(ix);
    }
}
