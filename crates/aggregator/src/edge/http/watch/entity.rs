//! One entity as it stands in an event: the same shape that the questions about it answer with.

use std::io::Write;

use serde::Serialize;
use utoipa::ToSchema;
use ward_model::{EntityKey, Name};

use crate::edge::http::view::{InstanceState, ServiceState, SystemState};

/// One thing that changed, as it is now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Entity {
    /// The system.
    System(SystemState),
    /// A service.
    Service(ServiceState),
    /// An instance of a service.
    Instance(InstanceState),
    /// What is no more.
    Removed(Removed),
}

/// A service that is no more, or an instance.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Removed {
    /// The service.
    #[schema(value_type = String)]
    service: Option<Name>,
    /// Which of its instances. Left out when it is the service itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    instance: Option<Name>,
}

impl From<&ward_model::Entity> for Entity {
    fn from(entity: &ward_model::Entity) -> Self {
        match entity {
            ward_model::Entity::System(system) => Self::System(system.into()),
            ward_model::Entity::Service(service) => Self::Service(service.into()),
            ward_model::Entity::Instance(instance) => Self::Instance(instance.into()),
            ward_model::Entity::Removed(key) => Self::Removed(Removed {
                // The system alone has none, and that is never removed.
                service: key.service().cloned(),
                instance: match key {
                    EntityKey::Instance(id) => Some(id.instance.clone()),
                    EntityKey::System | EntityKey::Service(_) => None,
                },
            }),
        }
    }
}

/// Writes it on one line.
pub(crate) fn write(entity: &ward_model::Entity, to: impl Write) {
    serde_json::to_writer(to, &Entity::from(entity)).expect("plain data into memory");
}
