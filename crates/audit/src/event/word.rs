//! The words an event may use: what happened, by what it was decided, whether it has happened yet.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A word that no event has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of {}", .known.join(", "))]
pub struct UnknownWord {
    word: String,
    known: Vec<&'static str>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$of])* $variant,)*
        }

        impl $name {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word, as it stands in the log.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let known = || Self::ALL.iter().map(|word| word.as_str());
                Self::ALL
                    .iter()
                    .copied()
                    .find(|word| word.as_str() == text)
                    .ok_or_else(|| UnknownWord { word: text.chars().take(64).collect(), known: known().collect() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

words! {
    /// What happened.
    Kind {
        /// A status became another.
        Transition = "transition",
        /// A process was started anew.
        Restart = "restart",
        /// A service gave up part of its work to keep the rest.
        Degrade = "degrade",
        /// It took that up again.
        Recover = "recover",
        /// A circuit breaker opened.
        BreakerTrip = "breaker_trip",
        /// It closed.
        BreakerReset = "breaker_reset",
        /// An alert is delivered from now on.
        AlertFiring = "alert_firing",
        /// An alert is withheld: the evidence says why.
        AlertSuppressed = "alert_suppressed",
        /// An alert that was delivered holds no more.
        AlertResolved = "alert_resolved",
        /// Somebody works on what fires: it is silenced.
        Acknowledge = "acknowledge",
        /// They do no more.
        Unacknowledge = "unacknowledge",
        /// Another configuration came into force.
        ConfigChange = "config_change",
        /// Somebody works on a service.
        MaintenanceStart = "maintenance_start",
        /// They are done.
        MaintenanceEnd = "maintenance_end",
        /// A service or an instance was dropped.
        Forget = "forget",
        /// A token was made.
        TokenCreated = "token_created",
        /// A token was made good for nothing.
        TokenRevoked = "token_revoked",
        /// Somebody may do more or less than before.
        RightChange = "right_change",
        /// An aggregator began.
        AggregatorStart = "aggregator_start",
        /// It ended, cleanly.
        AggregatorStop = "aggregator_stop",
        /// The end of the log was torn by a crash; nothing in it had been acknowledged.
        LogRecovered = "log_recovered",
        /// Events happened that are not in the log.
        LogGap = "log_gap",
        /// The disk is full: what follows is missing until it is not.
        LogFull = "log_full",
        /// The log goes on from another one, which it names.
        Origin = "origin",
    }
}

words! {
    /// What it was decided by.
    Source {
        /// That a service runs at all.
        Liveness = "liveness",
        /// That it can do its work.
        Readiness = "readiness",
        /// That it moves on.
        Watchdog = "watchdog",
        /// A circuit breaker.
        CircuitBreaker = "circuit_breaker",
        /// The roll-up.
        Engine = "engine",
        /// The rules of alerts.
        Alerting = "alerting",
        /// A person.
        Operator = "operator",
        /// The configuration.
        Config = "config",
        /// The aggregator's own life.
        Aggregator = "aggregator",
        /// This log.
        Audit = "audit",
    }
}

words! {
    /// Whether something is to happen or has.
    Phase {
        /// It is to: written, and durable, before it is done.
        Intent = "intent",
        /// It has.
        Outcome = "outcome",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_others_are_told() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        let wrong = "restarted".parse::<Kind>().unwrap_err().to_string();
        assert!(
            wrong.starts_with("\"restarted\" is none of transition, restart,"),
            "{wrong}"
        );
        assert_eq!("circuit_breaker".parse(), Ok(Source::CircuitBreaker));
        assert!("Intent".parse::<Phase>().is_err());
    }
}
