//! Whether this process looks as if it leaked memory.
//!
//! The judgement is `growth`'s, a pure function of what was resident over time; here is only what it is fed and what it
//! says. It is a suspicion and never more than degraded: only who knows the program can tell a leak from a cache that
//! is still filling.

mod growth;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use ward_chassis::Clock;
use ward_model::{Mono, Status};
use ward_proto::Invalid;

use super::{disk::gibibytes, flight::Flight, memory};
use crate::check::{Check, Verdict};
use growth::{Growth, Trend};

/// How many horizons away the limit must be for a suspicion to be dropped: the slope of an even leak wavers too.
const CLEARED_AT: f64 = 1.25;

/// The resident memory of this process grows steadily and will reach its limit.
///
/// Degraded, never worse, if over the whole window the lowest points of memory have risen nearly without exception and
/// without slowing down, and would reach the limit within the horizon if that went on; until they stop, or it is 1.25 horizons away. The message says how fast (an
/// hour) and until when. The sawtooth of a garbage collector has lowest points that do not rise; a cache that fills up
/// slows down, or has filled within warm-up and window; a process whose cache takes longer than that to fill needs a longer
/// window. What is steady for less than the window is not seen: for what is fast there is [`Memory`](super::Memory). Nor is
/// a gain over the window of less than 2 % or 1 MiB, or less than twice what memory swings in a twelfth of it: a longer window
/// sees those.
///
/// Defaults: nothing is looked at for the first 10 min of the process's check; a window of 1 h; a horizon of 24 h; the
/// limit of the control group, or the host's memory; looks every 30 s. So the first suspicion can come after 1 h 10 min.
///
/// ```
/// use std::time::Duration;
/// use ward_sdk::checks::MemoryTrend;
///
/// let check = MemoryTrend::new("memory-trend")
///     .limit(2 << 30)
///     .window(Duration::from_secs(4 * 3_600))
///     .check()
///     .advisory();
/// ```
#[derive(Clone, Debug)]
pub struct MemoryTrend {
    name: String,
    warm_up: Duration,
    window: Duration,
    horizon: Duration,
    limit: Option<u64>,
}

impl MemoryTrend {
    const PERIOD: Duration = Duration::from_secs(30);
    const WINDOW_MIN: Duration = Duration::from_secs(1);

    /// A check called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            warm_up: Duration::from_secs(600),
            window: Duration::from_secs(3_600),
            horizon: Duration::from_secs(24 * 3_600),
            limit: None,
        }
    }

    /// How long from its first run nothing is looked at: while caches and pools fill.
    #[must_use]
    pub fn warm_up(self, warm_up: Duration) -> Self {
        Self { warm_up, ..self }
    }

    /// Over how long memory must have grown, 1 s or more. It is judged in twelfths, and each should hold several runs
    /// of the check and one round of the garbage collector.
    #[must_use]
    pub fn window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// Growth that takes longer than this to reach the limit is let pass.
    #[must_use]
    pub fn horizon(self, horizon: Duration) -> Self {
        Self { horizon, ..self }
    }

    /// How many bytes the process may have resident.
    #[must_use]
    pub fn limit(self, bytes: u64) -> Self {
        Self {
            limit: Some(bytes),
            ..self
        }
    }

    /// The check.
    pub fn check(self) -> Check {
        if self.window < Self::WINDOW_MIN {
            return Check::mistaken(self.name, Invalid::new("window", "must be 1 s or more"));
        }
        let watch = Arc::new(Watch {
            horizon: self.horizon,
            limit: self.limit,
            clock: Clock::start(),
            trend: Mutex::new(Trend::new(self.warm_up, self.window)),
            suspected: AtomicBool::new(false),
            flight: Flight::new(),
        });
        Check::new(self.name, move || Arc::clone(&watch).look())
            .period(Self::PERIOD)
            .debounce(1, 1)
            .late(|| Status::Unknown)
    }
}

#[derive(Debug)]
struct Watch {
    horizon: Duration,
    limit: Option<u64>,
    clock: Clock,
    trend: Mutex<Trend>,
    suspected: AtomicBool,
    flight: Flight,
}

impl Watch {
    async fn look(self: Arc<Self>) -> Verdict {
        let limit = self.limit;
        let read = move || {
            let limit = limit.or_else(|| memory::available().map(|(memory, _)| memory.limit));
            Some((resident()?, limit?))
        };
        match self.flight.ask(read).await {
            Ok(Some((resident, limit))) => self.verdict(resident, limit, self.clock.mono()),
            Ok(None) => Verdict::unknown("the memory of this process cannot be read"),
            Err(grounded) => Verdict::unknown(format!("read the memory of this process: {grounded}")),
        }
    }

    fn verdict(&self, resident: u64, limit: u64, now: Mono) -> Verdict {
        let growth = {
            let mut trend = self.trend.lock();
            trend.add(resident, now);
            trend.growth()
        };
        let used = gibibytes(resident);
        let Some(Growth {
            bytes_per_hour,
            lowest,
        }) = growth
        else {
            self.suspected.store(false, Relaxed);
            return Verdict::new(Status::Healthy, format!("{used} resident"));
        };
        let hours = limit.saturating_sub(lowest) as f64 / bytes_per_hour;
        let rate = gibibytes(bytes_per_hour as u64);
        let message = format!(
            "{used} resident, growing by {rate} an hour: {} in {hours:.1} h if that goes on",
            gibibytes(limit)
        );
        let share = if self.suspected.load(Relaxed) {
            CLEARED_AT
        } else {
            1.0
        };
        let suspected = hours * 3_600.0 <= share * self.horizon.as_secs_f64();
        self.suspected.store(suspected, Relaxed);
        if suspected {
            Verdict::degraded(format!("may leak memory: {message}"))
        } else {
            Verdict::new(Status::Healthy, message)
        }
    }
}

/// In bytes.
fn resident() -> Option<u64> {
    let process = sysinfo::get_current_pid().ok()?;
    let mut system = System::new();
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), false, memory);
    Some(system.process(process)?.memory())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn watch(limit: u64) -> Watch {
        Watch {
            horizon: Duration::from_secs(24 * 3_600),
            limit: Some(limit),
            clock: Clock::start(),
            trend: Mutex::new(Trend::new(Duration::ZERO, Duration::from_secs(3_600))),
            suspected: AtomicBool::new(false),
            flight: Flight::new(),
        }
    }

    /// What is said in the end of `minutes` in which `resident` is resident.
    fn told(watch: &Watch, minutes: u64, resident: impl Fn(u64) -> u64) -> Verdict {
        let limit = watch.limit.unwrap();
        let verdicts = (0..=minutes).map(|minute| {
            let now = Mono::default() + Duration::from_secs(minute * 60);
            watch.verdict(resident(minute), limit, now)
        });
        verdicts.last().unwrap()
    }

    #[test]
    fn a_leak_is_told_with_its_rate_and_its_end() {
        let leak = |minute| 100 * MIB + minute * MIB;
        assert_eq!(
            told(&watch(400 * MIB), 120, leak),
            Verdict::degraded(
                "may leak memory: 220.0 MiB resident, growing by 60.0 MiB an hour: 400.0 MiB in 3.1 h if that goes on"
            )
        );
        let far = told(&watch(1 << 40), 120, leak);
        assert_eq!(far.status, Status::Healthy, "{far:?}");
        assert!(far.message.contains("growing by 60.0 MiB an hour"), "{far:?}");
    }

    #[test]
    fn a_leak_that_was_mended_is_forgiven() {
        let watch = watch(400 * MIB);
        let mended = |minute: u64| 100 * MIB + minute.min(70) * MIB;
        assert_eq!(told(&watch, 70, mended).status, Status::Degraded);
        assert_eq!(
            told(&watch, 140, mended),
            Verdict::new(Status::Healthy, "170.0 MiB resident")
        );
    }

    #[test]
    fn a_tooth_raises_no_suspicion_and_a_suspicion_does_not_waver() {
        const HOUR: u64 = 60 * MIB;
        let watch = watch(1 << 40);
        told(&watch, 120, |minute| 100 * MIB + minute * MIB);
        // The lowest of the last slot that is over.
        let lowest = 215 * MIB;
        let now = Mono::default() + Duration::from_secs(120 * 60);
        let status = |resident, hours| watch.verdict(resident, lowest + hours * HOUR, now).status;
        assert_eq!(status(300 * MIB, 25), Status::Healthy);
        assert_eq!(status(220 * MIB, 24), Status::Degraded);
        assert_eq!(status(220 * MIB, 30), Status::Degraded);
        assert_eq!(status(220 * MIB, 31), Status::Healthy);
        assert_eq!(status(220 * MIB, 30), Status::Healthy);
    }

    #[tokio::test]
    async fn this_process_can_be_measured() {
        let check = MemoryTrend::new("trend").check();
        let verdict = check.look().await;
        assert_eq!(verdict.status, Status::Healthy, "{verdict:?}");
        assert!(resident().unwrap() > MIB);
    }
}
