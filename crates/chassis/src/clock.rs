//! The only place that reads clocks.
//!
//! A [`Clock`] counts from its own start, so that its times mean nothing in another process and nobody is tempted to
//! send them. It offers no timers: sleeping is tokio's business, deciding is the engine's. A trait with a fake clock
//! behind it was not made: whoever decides by time takes a [`Now`] as an argument, and a test passes its own.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ward_model::{Mono, Now, Wall};

/// Reads both clocks of this machine. Cheap to clone; all clones share one start.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Start>);

#[derive(Debug)]
struct Start {
    monotonic: Instant,
    suspended: Duration,
}

impl Clock {
    /// A clock whose monotonic time is zero now.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn start() -> Self {
        Self(Arc::new(Start {
            monotonic: Instant::now(),
            suspended: suspended_since_boot(),
        }))
    }

    /// This moment on both clocks.
    pub fn now(&self) -> Now {
        Now {
            mono: self.mono(),
            wall: self.wall(),
        }
    }

    /// Monotonic time since the start. It stands still while the machine is suspended.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn mono(&self) -> Mono {
        Mono::default() + Instant::now().saturating_duration_since(self.0.monotonic)
    }

    /// Wall time; saturates far outside any year that can be shown.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn wall(&self) -> Wall {
        let now = SystemTime::now();
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        Wall(match now.duration_since(UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }

    /// How long the machine has been suspended since the start: the growth of boot time over monotonic time. Always
    /// zero where the system has no boot clock.
    pub fn suspended(&self) -> Duration {
        suspended_since_boot().saturating_sub(self.0.suspended)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn suspended_since_boot() -> Duration {
    use nix::time::{ClockId, clock_gettime};

    // Monotonic first: whatever passes between the two readings is then counted as suspension (microseconds), while
    // the other order would hide as much of it.
    let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    let boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    match (monotonic, boot) {
        (Ok(monotonic), Ok(boot)) => boot.saturating_sub(monotonic),
        // Linux has had both since 2.6.39; a sandbox may refuse one. No evidence of suspension is no suspension.
        _ => Duration::ZERO,
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn suspended_since_boot() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_one_start_and_time_passes() {
        let clock = Clock::start();
        let first = clock.clone().mono();
        std::thread::sleep(Duration::from_millis(20));
        let later = clock.mono();
        assert!(later.since(first) >= Duration::from_millis(20));
        assert!(
            later.since(Mono::default()) < Duration::from_secs(60),
            "counts from its own start, not from boot"
        );
    }

    #[test]
    fn wall_is_this_century_and_nothing_was_suspended() {
        let clock = Clock::start();
        let year_2020 = 1_577_836_800_000;
        assert!(clock.wall().0 > year_2020);
        assert!(
            clock.suspended() < Duration::from_secs(1),
            "suspension before the start is not counted"
        );
    }
}
