//! How busy the processors are that this process may use.
//!
//! The difference between two readings, so that a ratio is one of the time between two runs. In a control group with a
//! quota that is the quota, of nested ones whichever is nearest to its end, else the processors that the process may run on
//! (its affinity, or the set of a container). Load averages were not taken: they count who waits for a
//! disk as well, and have no end that is "full".

use std::{fs, mem, ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use sysinfo::System;
use tokio::time::sleep;
use ward_chassis::Clock;
use ward_model::{Mono, Status};

use super::{
    flight::Flight,
    groups::{Groups, Quota},
    levels::{Judge, Levels},
};
use crate::{
    check::{Check, Verdict},
    signal::{Signal, SignalHandle},
};

/// Over less time than this (sysinfo's shortest on Linux is 200 ms) a ratio says nothing.
const SHORTEST: Duration = Duration::from_millis(250);

/// How busy the processors are, since the run before: of the control group's quota if there is one (version 2; of
/// nested ones the one that is used most), else of the processors that this process may run on.
///
/// Degraded from 0.8 on, until it is below 0.7, once that has held for 5 min. Looks every 15 s; the first run takes 250 ms,
/// and a period under 1 s makes no sense. Unknown where it cannot be read.
///
/// Sets the signal `cpu_ratio` (0 to 1), for the alert rules on it.
///
/// ```
/// use std::time::Duration;
/// use ward_sdk::checks::{Cpu, Levels};
///
/// let check = Cpu::new("cpu").check();
/// let strict = Levels::new().degraded(0.7, 0.6).unhealthy(0.98, 0.9).hold(Duration::from_secs(120));
/// let check = Cpu::new("cpu").levels(strict).check().period(Duration::from_secs(10));
/// ```
#[derive(Clone, Debug)]
pub struct Cpu {
    name: String,
    levels: Levels,
    signal: String,
}

impl Cpu {
    const PERIOD: Duration = Duration::from_secs(15);
    const HOLD: Duration = Duration::from_secs(300);

    /// A check called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            levels: Levels::new().degraded(0.8, 0.7).hold(Self::HOLD),
            signal: "cpu_ratio".into(),
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
            meter: Arc::default(),
            flight: Flight::new(),
        });
        Check::new(self.name, move || Arc::clone(&watch).look())
            .period(Self::PERIOD)
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
    meter: Arc<Mutex<Meter>>,
    flight: Flight,
}

/// What remembers the reading before.
#[derive(Debug, Default)]
struct Meter {
    host: System,
    quotas: Option<(Vec<(PathBuf, Quota)>, Mono)>,
    started: bool,
}

impl Watch {
    async fn look(self: Arc<Self>) -> Verdict {
        if !mem::replace(&mut self.meter.lock().started, true) {
            drop(self.read().await);
            sleep(SHORTEST).await;
        }
        match self.read().await {
            Ok(Some((ratio, of))) => self.verdict(ratio, of, self.clock.mono()),
            Ok(None) => Verdict::unknown("too little time has passed to tell"),
            Err(error) => Verdict::unknown(format!("read the processors: {error}")),
        }
    }

    async fn read(&self) -> Result<Option<(f64, &'static str)>, super::flight::Grounded> {
        let meter = Arc::clone(&self.meter);
        let clock = self.clock.clone();
        self.flight
            .ask(move || meter.lock().read(Groups::here().processors(), clock.mono()))
            .await
    }

    fn verdict(&self, ratio: f64, of: &str, now: Mono) -> Verdict {
        self.handle.set(ratio);
        let status = self.judge.lock().judge(ratio, now);
        Verdict::new(status, format!("{:.1} % of {of} used", ratio * 100.0))
    }
}

impl Meter {
    /// The ratio since the reading before, and of what.
    fn read(&mut self, quotas: Vec<(PathBuf, Quota)>, now: Mono) -> Option<(f64, &'static str)> {
        if !quotas.is_empty() {
            let (before, then) = self.quotas.replace((quotas.clone(), now))?;
            let shares = quotas.into_iter().filter_map(|(group, after)| {
                let (_, before) = before.iter().find(|(known, _)| *known == group)?;
                share((*before, then), (after, now))
            });
            return Some((shares.max_by(f64::total_cmp)?, "the control group's processors"));
        }
        self.quotas = None;
        self.host.refresh_cpu_usage();
        let processors = self.host.cpus().iter();
        let used: Vec<(&str, f64)> = processors
            .map(|processor| (processor.name(), f64::from(processor.cpu_usage()) / 100.0))
            .collect();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        mean(&used, allowed(&status).as_deref())
    }
}

/// Of the processors that are allowed, by their names (`cpu3`); of all if nobody says which, or none is known.
fn mean(used: &[(&str, f64)], allowed: Option<&[RangeInclusive<usize>]>) -> Option<(f64, &'static str)> {
    let own = |name: &str| {
        let number = name.strip_prefix("cpu").and_then(|number| number.parse().ok());
        number.is_some_and(|number| {
            allowed.is_some_and(|ranges| ranges.iter().any(|range| range.contains(&number)))
        })
    };
    let owned = used.iter().filter(|(name, _)| own(name)).count();
    let all = owned == 0 || owned == used.len();
    let counted = used.iter().filter(|(name, _)| all || own(name));
    let (sum, count) = counted.fold((0.0, 0.0), |(sum, count), (_, used)| (sum + used, count + 1.0));
    let of = if all {
        "the host's processors"
    } else {
        "the processors it may run on"
    };
    (count > 0.0).then(|| ((sum / count).clamp(0.0, 1.0), of))
}

/// Which processors this process may run on, as in `0-3,8`, from `/proc/self/status`.
fn allowed(status: &str) -> Option<Vec<RangeInclusive<usize>>> {
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').map(range).collect()
}

/// How much of its quota a group used between two readings. A little more than all is possible, as a quota is kept on
/// average.
fn share((before, then): (Quota, Mono), (after, now): (Quota, Mono)) -> Option<f64> {
    let allowed = now.since(then).as_secs_f64() * after.processors;
    let used = after.used.checked_sub(before.used)?;
    (allowed > 0.0).then(|| (used.as_secs_f64() / allowed).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_quota_is_measured_between_two_readings() {
        let quota = |seconds| Quota {
            used: Duration::from_secs(seconds),
            processors: 2.0,
        };
        let mut meter = Meter::default();
        assert_eq!(
            meter.read(vec![("".into(), quota(100))], at(0)),
            None,
            "one reading is no ratio"
        );
        let mut ratio = |used, second| {
            let quotas = vec![("".into(), quota(used))];
            meter.read(quotas, at(second)).map(|(ratio, _)| ratio)
        };
        assert_eq!(ratio(115, 10), Some(0.75));
        assert_eq!(ratio(145, 20), Some(1.0));
        assert_eq!(ratio(1, 30), None, "another group than before");
        assert_eq!(ratio(1, 30), None, "no time has passed");
    }

    #[test]
    fn of_nested_quotas_the_one_that_is_used_most_counts() {
        let quotas = |outer, inner| {
            let quota = |folder: &str, seconds, processors| {
                let used = Duration::from_secs(seconds);
                (folder.into(), Quota { used, processors })
            };
            vec![quota("a/b", inner, 1.0), quota("a", outer, 4.0)]
        };
        let mut meter = Meter::default();
        assert_eq!(meter.read(quotas(0, 0), at(0)), None);
        // Its neighbours use what is left.
        let ratio = meter.read(quotas(36, 1), at(10)).unwrap().0;
        assert_eq!(ratio, 0.9);
        assert_eq!(meter.read(quotas(40, 6), at(20)).unwrap().0, 0.5);
    }

    #[test]
    fn without_a_quota_the_processors_count_that_it_may_run_on() {
        let used = [("cpu0", 1.0), ("cpu1", 0.5), ("cpu2", 0.0), ("cpu3", 0.0)];
        let told = |status: &str| mean(&used, allowed(status).as_deref());
        let host = Some((0.375, "the host's processors"));
        assert_eq!(
            told("Name:\tx\nCpus_allowed_list:\t0-1\n"),
            Some((0.75, "the processors it may run on"))
        );
        assert_eq!(told("Cpus_allowed_list:\t0,2-3\n").unwrap().0, 1.0 / 3.0);
        for all in [
            "Cpus_allowed_list:\t0-3\n",
            "",
            "Cpus_allowed_list:\tnonsense\n",
            "Cpus_allowed_list:\t64\n",
        ] {
            assert_eq!(told(all), host, "{all:?}");
        }
        assert_eq!(mean(&[], None), None);
    }

    #[test]
    fn busy_for_five_minutes_is_degraded() {
        let Cpu { levels, .. } = Cpu::new("cpu");
        let watch = Watch {
            handle: SignalHandle::default(),
            clock: Clock::start(),
            judge: Mutex::new(Judge::new(levels)),
            meter: Arc::default(),
            flight: Flight::new(),
        };
        for second in (0..300).step_by(15) {
            assert_eq!(watch.verdict(0.85, "x", at(second)).status, Status::Healthy);
        }
        assert_eq!(
            watch.verdict(0.85, "the host's processors", at(300)),
            Verdict::degraded("85.0 % of the host's processors used")
        );
        assert_eq!(watch.verdict(0.75, "x", at(315)).status, Status::Degraded);
        assert_eq!(watch.verdict(0.69, "x", at(330)).status, Status::Healthy);
        assert_eq!(watch.handle.get(), Some(0.69));
    }

    #[tokio::test]
    async fn the_processors_of_this_host_can_be_read() {
        let check = Cpu::new("cpu").levels(Levels::new()).check();
        let turning = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let spinning = Arc::clone(&turning);
        // Something to see: an idle machine could rightly say zero.
        let spinner = std::thread::spawn(move || {
            while spinning.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let verdict = check.look().await;
        turning.store(false, std::sync::atomic::Ordering::Relaxed);
        spinner.join().unwrap();
        assert_eq!(verdict.status, Status::Healthy, "{verdict:?}");
        let ratio = check.signals[0].handle().get().unwrap();
        assert!(ratio > 0.0 && ratio <= 1.0, "{ratio}");
    }
}
