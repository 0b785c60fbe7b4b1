//! How much of the memory is used that this process may use.
//!
//! In a control group with a limit that is the limit, else the host's memory: the other one is not what will end the
//! process. Swap counts for nothing: a service that lives in it is not well.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use sysinfo::{MemoryRefreshKind, System};
use ward_chassis::Clock;
use ward_model::{Mono, Status};

use super::{
    disk::gibibytes,
    flight::Flight,
    groups::{self, Groups},
    levels::{Judge, Levels},
};
use crate::{
    check::{Check, Verdict},
    signal::{Signal, SignalHandle},
};

/// How much of the memory is used: of the control group's limit if there is one, else of the host.
///
/// The page cache does not count as used: of a group that is what is not `inactive_file` (as the kubelet counts), of a
/// host what is not available. Unhealthy from 0.9 on, until it is below 0.85, once that has held for 15 s. Looks every 5 s.
/// Unknown where it cannot be read.
///
/// Sets the signal `memory_ratio` (0 to 1), for the alert rules on it.
///
/// ```
/// use ward_sdk::checks::{Levels, Memory};
///
/// let check = Memory::new("memory").check();
/// let advice = Memory::new("memory").levels(Levels::new().degraded(0.8, 0.7)).check().advisory();
/// ```
#[derive(Clone, Debug)]
pub struct Memory {
    name: String,
    levels: Levels,
    signal: String,
}

impl Memory {
    const HOLD: Duration = Duration::from_secs(15);

    /// A check called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            levels: Levels::new().unhealthy(0.9, 0.85).hold(Self::HOLD),
            signal: "memory_ratio".into(),
        }
    }

    /// Other levels than the above.
    #[must_use]
    pub fn levels(self, levels: Levels) -> Self {
        Self { levels, ..self }
    }

    /// What the signal is called.
    #[must_use]
    pub fn signal(self, name: impl Into<String>) -> Self {
        Self {
            signal: name.into(),
            ..self
        }
    }

    /// The check.
    pub fn check(self) -> Check {
        if let Some(mistake) = self.levels.mistake() {
            return Check::mistaken(self.name, mistake);
        }
        let signal = Signal::new(self.signal);
        let watch = Arc::new(Watch {
            handle: signal.handle(),
            clock: Clock::start(),
            judge: Mutex::new(Judge::new(self.levels)),
            flight: Flight::new(),
        });
        Check::new(self.name, move || Arc::clone(&watch).look())
            .debounce(1, 1)
            .late(|| Status::Unknown)
            .sets(signal)
    }
}

#[derive(Debug)]
struct Watch {
    handle: SignalHandle,
    clock: Clock,
    judge: Mutex<Judge>,
    flight: Flight,
}

impl Watch {
    async fn look(self: Arc<Self>) -> Verdict {
        match self.flight.ask(available).await {
            Ok(Some((reading, of))) => self.verdict(reading, of, self.clock.mono()),
            Ok(None) => Verdict::unknown("the memory of this host cannot be read"),
            Err(grounded) => Verdict::unknown(format!("read the memory: {grounded}")),
        }
    }

    fn verdict(&self, groups::Memory { used, limit }: groups::Memory, of: &str, now: Mono) -> Verdict {
        let ratio = used as f64 / limit as f64;
        self.handle.set(ratio);
        let status = self.judge.lock().judge(ratio, now);
        let (used, limit) = (gibibytes(used), gibibytes(limit));
        Verdict::new(
            status,
            format!("{used} of {of} {limit} used, {:.1} %", ratio * 100.0),
        )
    }
}

/// What there is to be used, and whose it is.
pub(crate) fn available() -> Option<(groups::Memory, &'static str)> {
    if let Some(memory) = Groups::here().memory() {
        return Some((memory, "the control group's"));
    }
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let limit = system.total_memory();
    let used = limit.saturating_sub(system.available_memory());
    (limit > 0).then_some((groups::Memory { used, limit }, "the host's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_must_hold_before_it_is_believed() {
        let Memory { levels, .. } = Memory::new("memory");
        let watch = Watch {
            handle: SignalHandle::default(),
            clock: Clock::start(),
            judge: Mutex::new(Judge::new(levels)),
            flight: Flight::new(),
        };
        let told = |used, second| {
            let reading = groups::Memory {
                used,
                limit: 100 << 20,
            };
            watch.verdict(
                reading,
                "the host's",
                Mono::default() + Duration::from_secs(second),
            )
        };
        assert_eq!(told(95 << 20, 0).status, Status::Healthy);
        assert_eq!(told(95 << 20, 14).status, Status::Healthy);
        assert_eq!(
            told(95 << 20, 15),
            Verdict::unhealthy("95.0 MiB of the host's 100.0 MiB used, 95.0 %")
        );
        assert_eq!(watch.handle.get(), Some(0.95));
        assert_eq!(told(86 << 20, 20).status, Status::Unhealthy);
        assert_eq!(told(84 << 20, 25).status, Status::Healthy);
    }

    #[tokio::test]
    async fn the_memory_of_this_host_can_be_read() {
        let check = Memory::new("memory").levels(Levels::new()).check();
        let verdict = check.look().await;
        assert_eq!(verdict.status, Status::Healthy, "{verdict:?}");
        let ratio = check.signals[0].handle().get().unwrap();
        assert!(ratio > 0.0 && ratio <= 1.0, "{ratio}");
    }
}
