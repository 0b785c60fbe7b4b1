//! The machine under the measurement: which core does what, who else wants it, and what a process has used of it.
//!
//! CPU time of a process is read from its CPU clock, in nanoseconds and threads that have ended included;
//! `/proc/PID/stat` counts in ticks of 10 ms, which is more than some samples take. Linux only, as the figures are.

use std::{fs, thread, time::Duration};

use anyhow::Context;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::resource::{Resource, getrlimit, setrlimit},
    time::{ClockId, clock_getcpuclockid},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// Above this share of time (%) in which somebody waited for a core, a sample is not begun.
const CALM: f64 = 15.0;
/// And above this at its end it is thrown away.
const DISTURBED: f64 = 20.0;
/// How long to wait for calm before measuring all the same; that it was not calm is then said beside the figure.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where servers run.
pub(crate) const SERVER_CORE: usize = 0;

/// Where clients run; the servers' core on a machine of one.
pub(crate) fn client_core() -> usize {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    usize::from(cores > 1)
}

/// Keeps the calling thread, and what it starts from now on, on one core.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    keep_to([core]).with_context(|| format!("keep to core {core}"))
}

/// Does something on another core, such as starting a process that stays there.
pub(crate) fn on_core<T>(core: usize, what: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    elsewhere([core], what)
}

/// Does something on all cores, as a program runs that nobody keeps to one: what has threads of its own is to use them.
pub(crate) fn on_all_cores<T>(what: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    // Those that are not there are left out by the system.
    elsewhere(0..CpuSet::count(), what)
}

fn elsewhere<T>(
    cores: impl IntoIterator<Item = usize>,
    what: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let own = sched_getaffinity(Pid::from_raw(0)).context("read the cores of this thread")?;
    keep_to(cores).context("leave the cores of this thread")?;
    let done = what();
    sched_setaffinity(Pid::from_raw(0), &own).context("return to the cores of this thread")?;
    done
}

fn keep_to(cores: impl IntoIterator<Item = usize>) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(core)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// As many open files as this process may have: thousands of connections are made.
pub(crate) fn raise_descriptors() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("raise the limit of open files")
}

/// How much others want the processor: `some avg10` of the kernel's pressure figures, in percent; `None` without them.
pub(crate) fn pressure() -> Option<f64> {
    let text = fs::read_to_string("/proc/pressure/cpu").ok()?;
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.split_whitespace()
        .find_map(|field| field.strip_prefix("avg10="))?
        .parse()
        .ok()
}

/// Waits until the machine is calm; false if it did not become so.
pub(crate) fn wait_for_calm() -> bool {
    let step = Duration::from_millis(500);
    let mut waited = Duration::ZERO;
    while pressure().is_some_and(|pressure| pressure > CALM) {
        if waited >= PATIENCE {
            return false;
        }
        thread::sleep(step);
        waited += step;
    }
    true
}

/// Others took too much of the machine while a sample was taken.
pub(crate) fn was_disturbed() -> bool {
    pressure().is_some_and(|pressure| pressure > DISTURBED)
}

/// CPU time that a process has used, all its threads together.
pub(crate) fn cpu_of(pid: u32) -> anyhow::Result<Duration> {
    let pid = Pid::from_raw(i32::try_from(pid)?);
    let clock = clock_getcpuclockid(pid).with_context(|| format!("find the CPU clock of process {pid}"))?;
    Ok(clock.now().context("read a CPU clock")?.into())
}

/// CPU time of the calling thread.
pub(crate) fn cpu_of_thread() -> Duration {
    let time = nix::time::clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map_or(Duration::ZERO, Duration::from)
}

/// Resident memory of a process, in bytes.
pub(crate) fn memory_of(pid: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("look at process {pid}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .context("a process without VmRSS")?;
    Ok(kib * 1024)
}

/// What else went on while a row was measured.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Weather {
    /// `some avg10` of the CPU pressure at the end, in percent.
    pub(crate) pressure: Option<f64>,
    /// Share of the time that the hypervisor gave to others, in percent.
    pub(crate) steal: f64,
    /// Load of the last minute, at the end.
    pub(crate) load: f64,
}

/// Counters at the beginning of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    total: u64,
    stolen: u64,
}

impl Weather {
    pub(crate) fn begin() -> Begun {
        let (total, stolen) = ticks().unwrap_or_default();
        Begun { total, stolen }
    }
}

impl Begun {
    pub(crate) fn end(self) -> Weather {
        let (total, stolen) = ticks().unwrap_or_default();
        let passed = total.saturating_sub(self.total).max(1);
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next();
        Weather {
            pressure: pressure(),
            steal: stolen.saturating_sub(self.stolen) as f64 / passed as f64 * 100.0,
            load: load.and_then(|load| load.parse().ok()).unwrap_or(0.0),
        }
    }
}

/// All time of all cores, and what of it was stolen, in ticks of the kernel (proc(5), `/proc/stat`).
fn ticks() -> Option<(u64, u64)> {
    /// The eighth figure of the first line.
    const STEAL: usize = 7;
    let text = fs::read_to_string("/proc/stat").ok()?;
    let fields = text.lines().next()?.split_whitespace().skip(1);
    let fields: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    // Guests are counted in user time as well.
    Some((fields.iter().take(STEAL + 1).sum(), *fields.get(STEAL)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_used_some_of_the_machine() {
        assert!(cpu_of(std::process::id()).unwrap() >= cpu_of_thread());
        assert!(cpu_of_thread() > Duration::ZERO);
        assert!(memory_of(std::process::id()).unwrap() > 1 << 20);
    }
}
