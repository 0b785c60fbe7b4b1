//! Whether this process should be restarted: its runtime turns, its loops go round, its memory is within bounds.
//!
//! Nothing here asks a dependency. A thread of its own looks at counters that the watched places move on; it counts
//! looks instead of reading a clock, so that a process that was suspended is not found stuck when it wakes. Asking the
//! runtime directly (a task, an async lock) was not taken: a stuck runtime does not answer.

use std::{
    fs, io,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;

/// How often the counters are looked at, and how often the runtime's is moved on.
const LOOK: Duration = Duration::from_millis(250);
/// Memory is looked at every so many looks: reading it costs some 20 us.
const LOOKS_PER_MEMORY: u64 = 4;

/// Where one loop of a service shows that it goes round. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// Shows that the loop goes round: some nanoseconds, no lock, no allocation, no clock.
    #[inline]
    pub fn beat(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// What is watched, and what was found.
#[derive(Debug)]
pub(crate) struct Liveness {
    pulses: Vec<Pulse>,
    memory_ceiling: Option<u64>,
    resident: AtomicU64,
    troubles: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Pulse {
    name: String,
    heartbeat: Heartbeat,
    /// Stuck after so many looks without a beat.
    looks: u64,
}

/// What the watching thread remembers of a pulse.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    beats: u64,
    unchanged: u64,
}

impl Liveness {
    /// Watches `heartbeats` (a name, and how long it may miss), and the memory in bytes.
    pub(crate) fn new(heartbeats: Vec<(String, Duration)>, memory_ceiling: Option<u64>) -> Self {
        let pulse = |(name, within): (String, Duration)| {
            let looks = within.as_millis().div_ceil(LOOK.as_millis()).max(2);
            Pulse {
                name,
                heartbeat: Heartbeat::default(),
                looks: u64::try_from(looks).unwrap_or(u64::MAX),
            }
        };
        Self {
            pulses: heartbeats.into_iter().map(pulse).collect(),
            memory_ceiling,
            resident: AtomicU64::new(0),
            troubles: Mutex::default(),
        }
    }

    /// The heartbeat of that name.
    pub(crate) fn heartbeat(&self, name: &str) -> Option<&Heartbeat> {
        self.pulses
            .iter()
            .find(|pulse| pulse.name == name)
            .map(|pulse| &pulse.heartbeat)
    }

    /// What is wrong, for people; empty if the process lives.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.troubles.lock().clone()
    }

    /// Bytes resident at the last look; 0 if that is not known.
    pub(crate) fn resident(&self) -> u64 {
        self.resident.load(Relaxed)
    }

    /// Starts the thread, which ends when nobody holds `self` any more.
    pub(crate) fn watch(self: &Arc<Self>) -> io::Result<()> {
        let watched = Arc::downgrade(self);
        let looking = move || {
            let mut seen = Vec::new();
            let mut looks = 0;
            while let Some(liveness) = watched.upgrade() {
                if looks % LOOKS_PER_MEMORY == 0 {
                    liveness.resident.store(resident_bytes().unwrap_or(0), Relaxed);
                }
                liveness.look(&mut seen);
                drop(liveness);
                looks += 1;
                thread::sleep(LOOK);
            }
        };
        thread::Builder::new()
            .name("ward-liveness".into())
            .spawn(looking)
            .map(drop)
    }

    fn look(&self, seen: &mut Vec<Seen>) {
        seen.resize(self.pulses.len(), Seen::default());
        let mut troubles = Vec::new();
        for (pulse, seen) in self.pulses.iter().zip(seen) {
            let beats = pulse.heartbeat.0.load(Relaxed);
            let unchanged = if beats == seen.beats {
                seen.unchanged + 1
            } else {
                0
            };
            *seen = Seen { beats, unchanged };
            if unchanged >= pulse.looks {
                let silence = LOOK.saturating_mul(u32::try_from(unchanged).unwrap_or(u32::MAX));
                troubles.push(format!("{} has not moved for {silence:?}", pulse.name));
            }
        }
        let resident = self.resident();
        if let Some(ceiling) = self.memory_ceiling.filter(|&ceiling| resident > ceiling) {
            troubles.push(format!("{resident} bytes resident, the ceiling is {ceiling}"));
        }
        *self.troubles.lock() = troubles;
    }
}

/// Moves on the heartbeat called `name` for as long as the runtime turns and anyone watches.
pub(crate) async fn turn(watched: Weak<Liveness>, name: &'static str) {
    let mut ticks = tokio::time::interval(LOOK);
    while let Some(liveness) = watched.upgrade() {
        if let Some(heartbeat) = liveness.heartbeat(name) {
            heartbeat.beat();
        }
        drop(liveness);
        ticks.tick().await;
    }
}

/// From `/proc`, whose `status` says kilobytes where `statm` says pages of a size one would have to ask for. `None`
/// where there is no such file: the ceiling then never is reached.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_is_found_and_one_that_moves_again_is_forgiven() {
        let liveness = Liveness::new(vec![("consumer".into(), Duration::from_secs(1))], None);
        let mut seen = Vec::new();
        let heartbeat = liveness.heartbeat("consumer").unwrap();
        heartbeat.beat();
        for look in 0..=4 {
            assert!(liveness.troubles().is_empty(), "after {look} looks");
            liveness.look(&mut seen);
        }
        assert_eq!(liveness.troubles(), ["consumer has not moved for 1s"]);
        heartbeat.beat();
        liveness.look(&mut seen);
        assert!(liveness.troubles().is_empty());
    }

    #[test]
    fn memory_has_a_ceiling() {
        let Some(resident) = resident_bytes() else { return };
        assert!(resident > 100_000);
        for (ceiling, troubles) in [(1, 1), (u64::MAX, 0)] {
            let liveness = Liveness::new(vec![], Some(ceiling));
            liveness.resident.store(resident, Relaxed);
            liveness.look(&mut Vec::new());
            assert_eq!(liveness.troubles().len(), troubles);
        }
    }
}
