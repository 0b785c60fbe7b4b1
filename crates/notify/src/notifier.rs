//! The handle that alerts are given to.

use std::{sync::Arc, time::Duration};

use ward_chassis::Clock;
use ward_model::{Acknowledgement, Alert};

use crate::{Config, Outbox, Standing, Timing};

/// Tells receivers about alerts. Cheap to clone; when the last is dropped without [`Notifier::stop`], delivery ends where
/// it stands, as in a crash.
#[derive(Clone, Debug)]
pub struct Notifier;

impl Notifier {
    /// Starts a task for each receiver, on the runtime that this is called on. What was owed in the life before is
    /// delivered as soon as the outbox has told it.
    pub fn start(config: Config, outbox: Arc<dyn Outbox>, clock: Clock) -> Self {
        Self::start_with(config, outbox, clock, Timing::default())
    }

    /// The same with other times.
    pub fn start_with(_config: Config, _outbox: Arc<dyn Outbox>, _clock: Clock, _timing: Timing) -> Self {
        Self
    }

    /// What fires on since before the start, causes first; to be called once, after the start, also with nothing.
    /// Alertmanagers are sent all of it at once, with the old `startsAt`; webhooks only what they are owed. What was owed
    /// as firing and is not among these fires no more: receivers are told so.
    pub fn restored(&self, _alerts: Vec<Alert>) {}

    /// What changed, causes before what they explain. Never waits. What is owed is given to the outbox before this returns:
    /// an owner that keeps alerts in the same queue calls this first, so that a crash may make it tell something twice, and
    /// not forget it.
    ///
    /// Pending and suppressed ones are passed over.
    pub fn tell(&self, _changed: Vec<Alert>) {}

    /// All acknowledgements that are in force now. Never waits. To be called before [`Notifier::tell`] where both change,
    /// so that a silence ends before the resolution is told.
    pub fn silence(&self, _in_force: Vec<Acknowledgement>) {}

    /// Other receivers, labels, addresses. Receivers of the same name and kind go on with what they are owed; of those that
    /// are gone it is forgotten. New Alertmanagers are sent all that fires, new webhooks only what comes.
    pub fn replace(&self, _config: Config) {}

    /// How it stands, in the order of the configuration.
    pub fn standing(&self) -> Vec<Standing> {
        Vec::new()
    }

    /// Delivers what can be delivered in that time, and ends. The rest stays owed.
    pub async fn stop(&self, _timeout: Duration) {}
}
