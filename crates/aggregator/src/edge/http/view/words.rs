//! The model's enums with schemas. A word that is missing on one side does not compile.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Visitor},
};
use utoipa::ToSchema;

macro_rules! mirrored {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
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

        impl FromStr for $name {
            type Err = &'static [&'static str];

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$value),)+
                    _ => Err(&[$($word),+]),
                }
            }
        }

        // What serde derives calls a number in the place of a word an error of syntax, without a place.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Reader(PhantomData))
            }
        }
    };
}

struct Reader<T>(PhantomData<T>);

impl<T: FromStr<Err = &'static [&'static str]>> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match T::from_str("") {
            Ok(_) => f.write_str("a word"),
            Err(words) => write!(f, "one of {}", words.join(", ")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|words| E::unknown_variant(text, words))
    }
}

mirrored! {
    /// How well something is, in the order of badness.
    Status {
        /// Works.
        Healthy = "healthy",
        /// Absence of evidence. Never evidence of health.
        Unknown = "unknown",
        /// Works, but not as it should.
        Degraded = "degraded",
        /// Does not work.
        Unhealthy = "unhealthy",
    }
}

mirrored! {
    /// How much a service matters to the system.
    Criticality {
        /// The system is as bad as this service.
        Critical = "critical",
        /// The system is at most degraded by this service.
        Important = "important",
        /// The system does not mind.
        Optional = "optional",
    }
}

mirrored! {
    /// What a dependency does to its dependent.
    DependencyKind {
        /// The dependent is as bad as this.
        Hard = "hard",
        /// The dependent is degraded when this is unhealthy.
        Soft = "soft",
    }
}

mirrored! {
    /// What a check does to its instance.
    CheckKind {
        /// The instance is as bad as this check.
        Required = "required",
        /// The instance is at most degraded by this check.
        Advisory = "advisory",
    }
}

mirrored! {
    /// Whether one still hears from an instance.
    Freshness {
        /// Heard in time.
        Fresh = "fresh",
        /// Past its deadline, or its stream broke; not judged yet.
        Suspect = "suspect",
        /// Judged gone.
        Lost = "lost",
        /// An agent saw its process end.
        Exited = "exited",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for status in ward_model::Status::ALL.map(Status::from) {
            let written = serde_json::to_string(&status).unwrap();
            assert_eq!(serde_json::from_str::<Status>(&written).unwrap(), status);
            assert_eq!(written, format!("\"{}\"", ward_model::Status::from(status)));
        }
        let refused = serde_json::from_str::<Criticality>("7").unwrap_err().to_string();
        assert!(
            refused.contains("expected one of critical, important, optional"),
            "{refused}"
        );
    }
}
