//! The numbers of the engine that can be configured, with where each comes from.

use std::time::Duration;

use ward_model::bounds;

/// How the engine judges. The defaults are those of the health model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How often [`crate::Event::Tick`] comes. A gap over four of them is a late tick. Smaller finds losses sooner and
    /// wakes the process more often.
    pub tick: Duration,
    /// Doubt before convicting. Off only to show what it prevents.
    pub guards: bool,
    /// For how long after its start the aggregator does not judge what it knows from before. Reporters beat and
    /// reconnect well within it.
    pub settle: Duration,
    /// A lost instance is forgotten after this, if enough others remain.
    pub forget_after: Duration,
    /// Most instances there may be.
    pub instances: usize,
    /// Most instances of one service: the engine keeps them when the stream that brought them is gone, so no share of a
    /// client bounds them.
    pub instances_of_service: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(10),
            guards: true,
            settle: Duration::from_secs(15),
            forget_after: Duration::from_secs(600),
            instances: bounds::INSTANCES,
            instances_of_service: bounds::INSTANCES_OF_SERVICE,
        }
    }
}

/// How long an instance may be silent.
///
/// Suspect at `max(3 x interval, interval + 2 s)`: three beats may be missed, and a short interval still bears one
/// pause of garbage collection or scheduling. Lost one more `max(interval, 1 s)` later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Silence until suspect.
    pub suspect_after: Duration,
    /// Silence until lost.
    pub lost_after: Duration,
}

impl Lease {
    /// How long a broken stream may stay away before its instances are lost.
    pub const BROKEN_STREAM_GRACE: Duration = Duration::from_secs(2);

    /// For an instance that says it will be heard every `interval`.
    pub fn for_interval(interval: Duration) -> Self {
        let suspect_after = interval
            .saturating_mul(3)
            .max(interval.saturating_add(Duration::from_secs(2)));
        let lost_after = suspect_after.saturating_add(interval.max(Duration::from_secs(1)));
        Self {
            suspect_after,
            lost_after,
        }
    }

    /// Further silence that makes a suspect a loss.
    pub(crate) fn confirmed_within(self) -> Duration {
        self.lost_after - self.suspect_after
    }
}
