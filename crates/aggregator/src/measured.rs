//! The decision with its hub and two watchers, without sockets: for the suite of measurements and nobody else.
//!
//! It is what the loop runs, step by step in the caller's thread, so that what is measured is what is served. It judges
//! nothing itself.

use std::thread;

use prost::Message;
use ward_engine::{Engine, Event};
use ward_model::{Entity, Now};
use ward_proto::v1;

use crate::{
    decider::{self, Voice},
    hub::{self, Cursor, Encoding, Filter, Hub, Level, Reader},
    memory::Ear,
};

/// An engine whose verdicts are published, and who watches them.
#[derive(Debug)]
pub struct Measured {
    voice: Voice,
    hub: Hub,
    services: Reader,
    instances: Reader,
    /// What would be remembered is let go of.
    ear: Ear,
}

impl Measured {
    /// Everything that `engine` knows is published already.
    pub fn new(engine: Engine) -> Self {
        let services: Vec<_> = engine.services(None).map(|service| service.name).collect();
        let instances = services
            .iter()
            .flat_map(|name| engine.instances(name, usize::MAX))
            .map(Entity::Instance);
        let state = decider::entities(&engine).into_iter().chain(instances);
        let (publisher, hub) = hub::hub(engine.epoch(), engine.revision(), state, hub::Config::default());
        let at = Cursor {
            epoch: engine.epoch(),
            revision: engine.revision(),
        };
        let watch = |level| {
            let filter = Filter {
                level,
                ..Filter::default()
            };
            Reader::new(filter, Encoding::Protobuf, Some(at))
        };
        let ear = Ear::default();
        Self {
            services: watch(Level::Service),
            instances: watch(Level::Instance),
            voice: Voice::new(engine, publisher, ear.clone()),
            ear,
            hub,
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.voice.engine()
    }

    /// Up to the verdict: it is published when this returns.
    pub fn decide(&mut self, event: Event, now: Now) {
        self.voice.decide(event, now);
    }

    /// The rest of the revision: who watches instances is told as well when this returns.
    pub fn tell(&mut self) {
        self.voice.tell();
        drop(self.ear.take(&thread::current()));
    }

    /// What one who watches the system and its services is told since the last call.
    pub fn told_of_services(&mut self) -> Vec<v1::Entity> {
        read(&mut self.services, &self.hub)
    }

    /// What one who watches instances too is told since the last call.
    pub fn told_of_all(&mut self) -> Vec<v1::Entity> {
        read(&mut self.instances, &self.hub)
    }
}

fn read(reader: &mut Reader, hub: &Hub) -> Vec<v1::Entity> {
    let mut delta = v1::Delta::default();
    while let Some(frame) = reader.next(&hub.ring()) {
        for piece in frame.entities {
            delta.merge(piece).expect("the hub encoded it");
        }
    }
    delta.entities
}
