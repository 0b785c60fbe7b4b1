//! Signals: numbers that a service sets as often as it likes, and that leave with its beats.
//!
//! Setting one is one relaxed store; nothing is sent, queued or compared on the caller's path. The levels are judged by
//! the aggregator, where the thresholds in force are known.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use ward_proto::v1;

/// A number to be reported, and what it means.
#[derive(Clone, Debug)]
pub struct Signal {
    pub(crate) wire: v1::SignalDeclaration,
    handle: SignalHandle,
}

impl Signal {
    /// A number without a meaning of its own: shown, and at hand for alert rules.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            wire: v1::SignalDeclaration {
                name: name.into(),
                degraded: None,
                unhealthy: None,
            },
            handle: SignalHandle::default(),
        }
    }

    /// The instance is degraded from `raise` on, until the value is below `clear` (at most `raise`).
    #[must_use]
    pub fn degraded(mut self, raise: f64, clear: f64) -> Self {
        self.wire.degraded = Some(v1::SignalLevel { raise, clear });
        self
    }

    /// The instance is unhealthy from `raise` on, until the value is below `clear` (at most `raise`).
    #[must_use]
    pub fn unhealthy(mut self, raise: f64, clear: f64) -> Self {
        self.wire.unhealthy = Some(v1::SignalLevel { raise, clear });
        self
    }

    /// Where its value is set, also before anything has started. [`Reporter::signal`](crate::Reporter::signal) finds
    /// the same by name.
    pub fn handle(&self) -> SignalHandle {
        self.handle.clone()
    }
}

/// Where the value of one signal is set. Clones set the same.
#[derive(Clone, Debug)]
pub struct SignalHandle(Arc<AtomicU64>);

impl Default for SignalHandle {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(f64::NAN.to_bits())))
    }
}

impl SignalHandle {
    /// Sets the value: some nanoseconds, no lock, no allocation, whatever the aggregator does. It leaves with the next
    /// beat; the last of several wins. A value that is not finite is not reported: the one before stays in force.
    #[inline]
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// The value last set; `None` before the first, and while it is not finite.
    pub fn get(&self) -> Option<f64> {
        let value = f64::from_bits(self.0.load(Relaxed));
        value.is_finite().then_some(value)
    }
}
