//! One entity as it stands in an event.

use std::io::Write;

use serde::Serialize;
use ward_model::{Entity, EntityKey, InstanceState, Name, ServiceState, SystemState};

/// One thing that changed, and what it is now.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Told<'a> {
    System(&'a SystemState),
    Service(&'a ServiceState),
    Instance(&'a InstanceState),
    Removed(Removed<'a>),
}

#[derive(Serialize)]
struct Removed<'a> {
    service: Option<&'a Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a Name>,
}

/// Writes it on one line.
pub(crate) fn write(entity: &Entity, to: impl Write) {
    let told = match entity {
        Entity::System(system) => Told::System(system),
        Entity::Service(service) => Told::Service(service),
        Entity::Instance(instance) => Told::Instance(instance),
        Entity::Removed(key) => Told::Removed(Removed {
            service: key.service(),
            instance: match key {
                EntityKey::Instance(id) => Some(&id.instance),
                _ => None,
            },
        }),
    };
    serde_json::to_writer(to, &told).expect("plain data into memory");
}
