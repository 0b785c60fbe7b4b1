//! The model's enums with schemas. A word that is missing on one side does not compile.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! mirrored {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $value:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "lowercase")]
        pub(in super::super) enum $name { $($(#[$doc])* $value),+ }

        impl From<ward_model::$name> for $name {
            fn from(value: ward_model::$name) -> Self {
                match value { $(ward_model::$name::$value => Self::$value),+ }
            }
        }

        impl From<$name> for ward_model::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$value => Self::$value),+ }
            }
        }
    };
}

mirrored! {
    /// How well something is, in the order of badness.
    Status {
        /// Works.
        Healthy,
        /// Absence of evidence. Never evidence of health.
        Unknown,
        /// Works, but not as it should.
        Degraded,
        /// Does not work.
        Unhealthy,
    }
}

mirrored! {
    /// How much a service matters to the system.
    Criticality {
        /// The system is as bad as this service.
        Critical,
        /// The system is at most degraded by this service.
        Important,
        /// The system does not mind.
        Optional,
    }
}

mirrored! {
    /// What a dependency does to its dependent.
    DependencyKind {
        /// The dependent is as bad as this.
        Hard,
        /// The dependent is degraded when this is unhealthy.
        Soft,
    }
}

mirrored! {
    /// What a check does to its instance.
    CheckKind {
        /// The instance is as bad as this check.
        Required,
        /// The instance is at most degraded by this check.
        Advisory,
    }
}

mirrored! {
    /// Whether one still hears from an instance.
    Freshness {
        /// Heard in time.
        Fresh,
        /// Past its deadline, or its stream broke; not judged yet.
        Suspect,
        /// Judged gone.
        Lost,
        /// An agent saw its process end.
        Exited,
    }
}
