//! What is known, as JSON.
//!
//! The shapes and names of fields are those of the model's own serialisation, and so of `ward -o json`, but times are
//! RFC 3339 and every type has a schema. The model was not given the schemas: it depends on nothing but serde, and what
//! is shown may have to change at another pace than what is known.

mod alerts;
mod explain;
mod past;
mod state;
mod words;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use ward_model::Wall;

use crate::hub;

pub(super) use alerts::{Acknowledgement, Alert, Receiver, Rule};
pub(super) use explain::Explanation;
pub(super) use past::{AuditEvent, AuditHead, History};
pub(super) use state::{InstanceState, Maintenance, ObserverState, ServiceState, SystemState};
pub(super) use words::{CheckKind, Criticality, DependencyKind, Status};

/// The place in the aggregator's history that an answer is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Cursor {
    /// One life of the aggregator, in hexadecimal.
    #[schema(example = "00184f2c9d1be7a3", pattern = "^[0-9a-f]{16}$")]
    epoch: String,
    /// How many changes were published in it.
    revision: u64,
}

impl From<hub::Cursor> for Cursor {
    fn from(cursor: hub::Cursor) -> Self {
        Self {
            epoch: format!("{:016x}", cursor.epoch.0),
            revision: cursor.revision.0,
        }
    }
}

/// RFC 3339 in UTC. A clock far outside of any calendar is shown as the nearest moment that has a name.
pub(super) fn rfc3339(wall: Wall) -> String {
    let nearest = if wall.0 < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_millisecond(wall.0).unwrap_or(nearest).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_clock_can_be_shown() {
        assert_eq!(rfc3339(Wall(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(Wall(4_102_444_800_123)), "2100-01-01T00:00:00.123Z");
        for far in [i64::MIN, i64::MAX] {
            assert!(rfc3339(Wall(far)).contains('T'), "{far}");
        }
    }
}
