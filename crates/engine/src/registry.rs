//! Who is there: hellos, updates and goodbyes.

mod declared;
mod lease;
mod state;

use ward_model::{Freshness, Hello, Incarnation, InstanceId, Name, Now, Status, Update, bounds};

use crate::{
    Engine, Refusal, Registered, Reply, Slot, StreamId,
    leaf::Leaf,
    wake::Wake,
    world::{Instance, InstanceIx, Pace},
};

impl Engine {
    pub(crate) fn hello(
        &mut self,
        stream: Option<StreamId>,
        mut hello: Hello,
        now: Now,
    ) -> Result<Registered, Refusal> {
        let known = self.find_instance(&hello.id).ok();
        self.admit(known, &hello)?;
        let ix = match known {
            Some(ix) => self.welcome_again(ix, stream, &hello, now)?,
            None => self.welcome(stream, &hello, now)?,
        };
        let service = self.world.instances[ix].service();
        self.take_declarations(ix, &mut hello);
        let left_out = self.take_hello_state(ix, hello, now);
        self.world.rebuild_edges(service, now);
        self.heard(ix, now);
        Ok(Registered {
            left_out,
            ..self.registered(ix)
        })
    }

    /// A report of whoever reports for an instance without a stream, in the life that is under way if there is one.
    pub(crate) fn hello_anonymous(&mut self, mut hello: Hello, now: Now) -> Result<Registered, Refusal> {
        let known = self.find_instance(&hello.id).ok();
        let holder = known.map(|ix| &self.world.instances[ix]);
        if let Some(holder) =
            holder.filter(|holder| holder.pace.once && holder.freshness != Freshness::Exited)
        {
            hello.incarnation = holder.incarnation.clone();
        }
        self.hello(None, hello, now)
    }

    /// Refuses what may not say hello: the superseded, the departed, a second holder of a live id, one too many.
    fn admit(&self, known: Option<InstanceIx>, hello: &Hello) -> Result<(), Refusal> {
        let service = self
            .world
            .find(&hello.id.service)
            .map(|ix| &self.world.services[ix]);
        if service.is_some_and(|service| service.has_departed(&hello.id.instance, &hello.incarnation)) {
            return Err(Refusal::Superseded(hello.id.clone()));
        }
        let subjects = hello.checks.iter().filter_map(|check| check.subject.as_ref());
        let needed = hello
            .dependencies
            .iter()
            .map(|dependency| &dependency.service)
            .chain(subjects);
        self.admit_services(needed.chain([&hello.id.service]))?;
        match known {
            None if self.world.instances.len() >= self.config.instances => {
                Err(Refusal::TooManyInstances(self.world.instances.len()))
            }
            None => self.admit_to_service(&hello.id.service),
            Some(ix) => self.admit_again(&self.world.instances[ix], hello),
        }
    }

    /// Refuses one more instance of a service that has as many as one may have. Those that are known from before a start
    /// were let in then.
    fn admit_to_service(&self, service: &Name) -> Result<(), Refusal> {
        let found = self.world.find(service);
        let there = found.map_or(0, |ix| self.world.services[ix].instances.len());
        if there < self.config.instances_of_service {
            Ok(())
        } else {
            Err(Refusal::TooManyOfService(service.clone(), there))
        }
    }

    /// Refuses services that would be too many with those there are.
    pub(crate) fn admit_services<'a>(&self, named: impl Iterator<Item = &'a Name>) -> Result<(), Refusal> {
        let new = self.world.count_new(named);
        let all = self.world.services.len() + new;
        if new > 0 && all > bounds::SERVICES {
            return Err(Refusal::TooManyServices(all));
        }
        Ok(())
    }

    fn admit_again(&self, holder: &Instance, hello: &Hello) -> Result<(), Refusal> {
        if holder.incarnation == hello.incarnation {
            return match holder.freshness {
                Freshness::Exited => Err(Refusal::Superseded(hello.id.clone())),
                _ if hello.sequence > 0 && hello.sequence < holder.sequence => Err(Refusal::Replayed {
                    got: hello.sequence,
                    last: holder.sequence,
                }),
                _ => Ok(()),
            };
        }
        // Of a holder that is gone the last word is no reason to refuse one that runs: hellos that waited on several
        // connections may have been read in the wrong order.
        if holder.has_superseded(&hello.incarnation) && !holder.is_gone() {
            Err(Refusal::Superseded(hello.id.clone()))
        } else if holder.freshness == Freshness::Fresh {
            Err(Refusal::AlreadyExists(hello.id.clone()))
        } else {
            Ok(())
        }
    }

    fn welcome(&mut self, stream: Option<StreamId>, hello: &Hello, now: Now) -> Result<InstanceIx, Refusal> {
        let pace = self.pace(stream, hello);
        let slot = self
            .leases
            .allocate(stream, now.mono + pace.lease().suspect_after);
        let slot = slot.ok_or(Refusal::TooManyInstances(self.world.instances.len()))?;
        Ok(self.add_instance(hello, pace, slot, now))
    }

    fn add_instance(&mut self, hello: &Hello, pace: Pace, slot: Slot, now: Now) -> InstanceIx {
        let service = self.world.service_or_new(&hello.id.service, now.mono, now.wall);
        if !self.world.services[service].reported {
            self.world.services[service].seats_due = now.mono + hello.startup_deadline;
        }
        let ix = self.world.add_instance(Instance::new(
            hello.id.instance.clone(),
            service,
            hello.incarnation.clone(),
            pace,
            slot,
            now.mono + hello.startup_deadline,
            now.wall,
            Status::Healthy,
        ));
        self.count_freshness(pace.is_seldom(), None, Some(Freshness::Fresh));
        self.leases.assign(slot, ix);
        ix
    }

    /// The same instance on a new stream, or its next life.
    fn welcome_again(
        &mut self,
        ix: InstanceIx,
        stream: Option<StreamId>,
        hello: &Hello,
        now: Now,
    ) -> Result<InstanceIx, Refusal> {
        let pace = self.pace(stream, hello);
        let deadline = now.mono + pace.lease().suspect_after;
        let slot = self
            .leases
            .take_over(self.world.instances[ix].slot, ix, stream, deadline);
        let instance = &mut self.world.instances[ix];
        instance.slot = slot.ok_or(Refusal::TooManyInstances(bounds::INSTANCES))?;
        let same = instance.incarnation == hello.incarnation;
        if instance.incarnation == hello.incarnation {
            // The life before the aggregator's start goes on, so it had not ended.
            instance.tainted = instance.tainted.filter(|_| instance.recalled.is_none());
        } else {
            if instance.recalled.is_none() {
                instance.tainted = Self::unclean_end(instance.freshness);
            }
            instance.supersede(hello.incarnation.clone());
            instance.set_exit(String::new());
            instance.startup_due = now.mono + hello.startup_deadline;
            instance.checks.iter_mut().for_each(|check| check.pending = true);
            instance.signals.iter_mut().for_each(|signal| {
                (signal.value, signal.leaf) = (None, Leaf::new(Status::Healthy, now.wall))
            });
            self.world.restart(ix, now.wall);
        }
        if !same {
            self.world.touch_instance(ix);
        }
        self.set_pace(ix, pace, now);
        Ok(ix)
    }

    pub(crate) fn update(&mut self, slot: Slot, update: Update, now: Now) -> Result<Reply, Refusal> {
        let ix = self.leases.instance(slot).ok_or(Refusal::Forgotten)?;
        let instance = &mut self.world.instances[ix];
        let last = instance.sequence;
        if instance.freshness == Freshness::Exited {
            return Err(Refusal::Superseded(self.world.id_of(&self.world.instances[ix])));
        }
        // One that was told of another interval while it was suspect is heard under that.
        instance.pace.renew();
        self.leases
            .slab
            .touch(slot, now.mono + instance.pace.lease().suspect_after);
        if update.sequence <= last {
            self.heard(ix, now);
            return Err(Refusal::Replayed {
                got: update.sequence,
                last,
            });
        }
        if !update.full && update.sequence != last + 1 {
            self.heard(ix, now);
            return Ok(Reply::FullStateWanted);
        }
        instance.sequence = update.sequence;
        let left_out = self.take_state(ix, update, now);
        self.heard(ix, now);
        Ok(Reply::Updated { left_out })
    }

    pub(crate) fn goodbye(&mut self, slot: Slot) -> Result<Reply, Refusal> {
        let ix = self.leases.instance(slot).ok_or(Refusal::Forgotten)?;
        self.leases.release(slot);
        self.depart(ix);
        Ok(Reply::Done)
    }

    pub(crate) fn goodbye_once(
        &mut self,
        id: &InstanceId,
        life: Option<&Incarnation>,
    ) -> Result<Reply, Refusal> {
        let ix = self.find_instance(id)?;
        let instance = &self.world.instances[ix];
        match life {
            Some(life) if *life != instance.incarnation => return Err(Refusal::Superseded(id.clone())),
            None if !instance.pace.once => return Err(Refusal::AlreadyExists(id.clone())),
            _ => {}
        }
        // Said beside the stream that may still beat: what that beats must not be given to another.
        self.leases.orphan(self.world.instances[ix].slot);
        self.depart(ix);
        Ok(Reply::Done)
    }

    /// A clean end: remembered, so that a late message of this life does not bring it back.
    fn depart(&mut self, ix: InstanceIx) {
        let instance = self.drop_instance(ix);
        let service = &mut self.world.services[instance.service()];
        for life in instance.lives() {
            service.remember_departed(instance.name.clone(), life.clone());
        }
    }

    /// Takes an instance away whose stream may still beat.
    pub(crate) fn remove_instance(&mut self, ix: InstanceIx) {
        self.leases.orphan(self.world.instances[ix].slot);
        self.drop_instance(ix);
    }

    fn drop_instance(&mut self, ix: InstanceIx) -> Instance {
        self.wakes
            .ask(&mut self.world.instances[ix].next_wake, None, Wake::Instance(ix));
        let instance = self.world.remove_instance(ix);
        self.count_freshness(instance.pace.is_seldom(), Some(instance.freshness), None);
        if instance.is_suspect() {
            self.suspects.strike(ix, instance.due);
        }
        if let Some(before) = instance.published {
            self.gone.push((
                ward_model::EntityKey::Instance(self.world.id_of(&instance)),
                Some(before),
            ));
        }
        let now = Now {
            mono: self.mono,
            wall: self.wall,
        };
        self.world.rebuild_edges(instance.service(), now);
        instance
    }

    pub(crate) fn find_instance(&self, id: &InstanceId) -> Result<InstanceIx, Refusal> {
        let service = self.world.find(&id.service).map(|ix| &self.world.services[ix]);
        let found = service.and_then(|service| service.instances.get(&id.instance, &self.world.instances));
        found.ok_or_else(|| Refusal::NoInstance(id.clone()))
    }
}
