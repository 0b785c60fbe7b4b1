//! Entities as bytes of the wire, straight from the model: what the aggregator does for each thing that changes.
//!
//! The bytes are those that prost makes of [`v1::Entity`]. Making one and encoding it was the obvious way, and is still
//! taken where it is taken seldom; but it allocates each text anew, and measures every message once for each level
//! around it before it writes. That was more than half of what the hub did for a change.
//!
//! Field numbers stand here a second time, beside those that the compiler of the protos knows. The tests hold each of
//! them to the generated code; a field that is added to a message and forgotten here fails there, as soon as the
//! conversion of the model knows it. Only entities are written so: other messages are rare enough for prost.

mod fields;

use prost::bytes::BytesMut;
use ward_model::{
    CheckState, Condition, Dependency, Entity, EntityKey, InstanceCounts, InstanceState, Maintenance,
    ObserverState, ServiceCounts, ServiceState, SignalLevel, SignalState, SystemState,
};

use self::fields::{Fields, Message};
use crate::v1;

/// Appends `entity` to `buffer` as a [`v1::Entity`] in the field `tag` of whatever message is being written there.
///
/// Of labels, the order is that of their keys, where generated code has none.
pub fn encode_entity(tag: u32, entity: &Entity, buffer: &mut BytesMut) {
    Fields::new(buffer).message(tag, entity);
}

impl Message for Entity {
    fn write(&self, to: &mut Fields<'_>) {
        match self {
            Self::System(system) => to.message(1, system),
            Self::Service(service) => to.message(2, service),
            Self::Instance(instance) => to.message(3, instance),
            Self::Removed(key) => to.message(4, key),
        }
    }
}

/// What is removed.
impl Message for EntityKey {
    fn write(&self, to: &mut Fields<'_>) {
        to.name(1, self.service());
        if let Self::Instance(id) = self {
            to.text(2, id.instance.as_str());
        }
    }
}

impl Message for SystemState {
    fn write(&self, to: &mut Fields<'_>) {
        to.message(1, &self.condition);
        to.names(2, &self.causes);
        to.message(3, &self.observer);
        to.message(4, &self.services);
        to.names(5, &self.critical_unknown);
    }
}

impl Message for ServiceState {
    fn write(&self, to: &mut Fields<'_>) {
        to.text(1, self.name.as_str());
        to.message(2, &self.own);
        to.message(3, &self.condition);
        to.names(4, &self.causes);
        to.word(5, v1::Criticality::from(self.criticality));
        to.messages(6, &self.dependencies);
        to.message(7, &self.instances);
        to.count(8, self.min_healthy);
        to.messages(9, &self.maintenance);
        to.flag(10, self.reported);
        to.texts(11, self.disagreements.iter().map(String::as_str));
        to.wall(12, self.up_since);
        if let Some(status) = self.last_status {
            to.word(13, v1::Status::from(status));
        }
    }
}

impl Message for InstanceState {
    fn write(&self, to: &mut Fields<'_>) {
        to.text(1, self.id.service.as_str());
        to.text(2, self.id.instance.as_str());
        to.displayed(3, &self.incarnation);
        to.text(4, &self.version);
        for (key, value) in &self.labels {
            to.nested(5, |label| {
                label.text(1, key);
                label.text(2, value);
            });
        }
        to.count(6, self.interval_ms);
        to.message(7, &self.condition);
        if let Some(status) = self.last_status {
            to.word(8, v1::Status::from(status));
        }
        to.word(9, v1::Freshness::from(self.freshness));
        to.flag(10, self.flapping);
        to.messages(11, &self.checks);
        to.messages(12, &self.signals);
        to.wall(13, Some(self.started));
    }
}

impl Message for CheckState {
    fn write(&self, to: &mut Fields<'_>) {
        to.text(1, self.name.as_str());
        to.word(2, v1::CheckKind::from(self.kind));
        to.name(3, self.subject.as_ref());
        to.message(4, &self.condition);
        to.flag(5, self.flapping);
    }
}

impl Message for SignalState {
    fn write(&self, to: &mut Fields<'_>) {
        to.text(1, self.name.as_str());
        to.real(2, self.value);
        to.word(3, v1::Status::from(self.status));
        to.messages(4, &self.degraded);
        to.messages(5, &self.unhealthy);
    }
}

impl Message for SignalLevel {
    fn write(&self, to: &mut Fields<'_>) {
        to.real(1, self.raise);
        to.real(2, self.clear);
    }
}

impl Message for Condition {
    fn write(&self, to: &mut Fields<'_>) {
        to.word(1, v1::Status::from(self.status));
        to.text(2, self.reason.as_str());
        to.text(3, &self.message);
        to.wall(4, Some(self.since));
    }
}

impl Message for Dependency {
    fn write(&self, to: &mut Fields<'_>) {
        to.text(1, self.service.as_str());
        to.word(2, v1::DependencyKind::from(self.kind));
        to.name(3, self.any_of.as_ref());
    }
}

impl Message for Maintenance {
    fn write(&self, to: &mut Fields<'_>) {
        to.text(1, self.service.as_str());
        to.text(2, &self.by);
        to.text(3, &self.why);
        to.wall(4, Some(self.start));
        to.wall(5, self.end);
    }
}

impl Message for InstanceCounts {
    fn write(&self, to: &mut Fields<'_>) {
        to.count(1, self.total);
        to.count(2, self.healthy);
        to.count(3, self.unknown);
        to.count(4, self.degraded);
        to.count(5, self.unhealthy);
        to.count(6, self.suspect);
        to.count(7, self.lost);
    }
}

impl Message for ServiceCounts {
    fn write(&self, to: &mut Fields<'_>) {
        to.count(1, self.total);
        to.count(2, self.healthy);
        to.count(3, self.unknown);
        to.count(4, self.degraded);
        to.count(5, self.unhealthy);
    }
}

impl Message for ObserverState {
    fn write(&self, to: &mut Fields<'_>) {
        to.count(1, self.score.into());
        to.flag(2, self.degraded_view);
        to.flag(3, self.blind);
        to.flag(4, self.settling);
    }
}

#[cfg(test)]
mod tests;
