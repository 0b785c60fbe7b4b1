//! How full a file system is: its space and its inodes, whichever is nearer to its end.
//!
//! Asks the one file system that holds a path (`statvfs`). Looking at all mounts was not taken: a service knows where it
//! writes, and the other disks of the host are not its business.

use std::{path::PathBuf, sync::Arc, time::Duration};

use nix::sys::statvfs::statvfs;
use parking_lot::Mutex;
use ward_chassis::Clock;
use ward_model::Mono;

use super::{
    flight::Flight,
    levels::{Judge, Levels},
    misses::Misses,
};
use crate::{
    check::{Check, Verdict},
    signal::{Signal, SignalHandle},
};

/// How full the file system is that holds a path.
///
/// What counts is what a user without privileges may still write: used / (used + available), as `df` shows it, of the
/// space or of the inodes, whichever is more. Degraded from 0.9 on, until it is below 0.88; a full disk is no noise, so
/// that one reading is enough. Looks every 30 s. Unhealthy if the path could not be looked at (in time) three times in a row, and
/// unknown before; unknown where the file
/// system has no size (`/proc`).
///
/// Sets the signal `disk_ratio` (0 to 1), for the alert rules on it. Of several disks each needs a name for its signal.
///
/// ```
/// use ward_sdk::checks::Disk;
///
/// let data = Disk::new("disk", "/var/lib/orders").check();
/// let logs = Disk::new("disk-logs", "/var/log").signal("disk_ratio_logs").check().advisory();
/// ```
#[derive(Clone, Debug)]
pub struct Disk {
    name: String,
    path: PathBuf,
    levels: Levels,
    signal: String,
}

impl Disk {
    const PERIOD: Duration = Duration::from_secs(30);

    /// A check called `name` of the file system that holds `path`.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            levels: Levels::new().degraded(0.9, 0.88),
            signal: "disk_ratio".into(),
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
        let misses = Misses::default();
        let watch = Arc::new(Watch {
            path: self.path,
            handle: signal.handle(),
            clock: Clock::start(),
            judge: Mutex::new(Judge::new(self.levels)),
            flight: Flight::new(),
            misses: misses.clone(),
        });
        let look = move || {
            watch.misses.begin();
            Arc::clone(&watch).look()
        };
        Check::new(self.name, look)
            .period(Self::PERIOD)
            .debounce(1, 1)
            .late(move || misses.status())
            .sets(signal)
    }
}

#[derive(Debug)]
struct Watch {
    path: PathBuf,
    handle: SignalHandle,
    clock: Clock,
    judge: Mutex<Judge>,
    flight: Flight,
    misses: Misses,
}

/// What a file system has of one thing.
#[derive(Clone, Copy, Debug, Default)]
struct Store {
    used: u64,
    available: u64,
}

impl Store {
    fn ratio(self) -> Option<f64> {
        let all = self.used.checked_add(self.available).filter(|&all| all > 0)?;
        Some(self.used as f64 / all as f64)
    }
}

impl Watch {
    async fn look(self: Arc<Self>) -> Verdict {
        let path = self.path.clone();
        let shown = path.display().to_string();
        let fault = match self.flight.ask(move || read(&path)).await {
            Ok(Ok((space, inodes))) => {
                self.misses.read();
                return self.verdict(&shown, space, inodes, self.clock.mono());
            }
            Ok(Err(error)) => error.desc().to_owned(),
            Err(grounded) => grounded.to_string(),
        };
        Verdict::new(self.misses.status(), format!("look at {shown}: {fault}"))
    }

    fn verdict(&self, path: &str, space: Store, inodes: Store, now: Mono) -> Verdict {
        let Some(space_ratio) = space.ratio() else {
            return Verdict::unknown(format!("{path} is on a file system without a size"));
        };
        // Some file systems (btrfs) have as many inodes as they have space, and say 0.
        let inode_ratio = inodes.ratio().unwrap_or_default();
        let (ratio, left) = if inode_ratio > space_ratio {
            (
                inode_ratio,
                format!("of its inodes used, {} left", inodes.available),
            )
        } else {
            (space_ratio, format!("used, {} left", gibibytes(space.available)))
        };
        self.handle.set(ratio);
        let status = self.judge.lock().judge(ratio, now);
        Verdict::new(status, format!("{path} has {:.1} % {left}", ratio * 100.0))
    }
}

fn read(path: &std::path::Path) -> nix::Result<(Store, Store)> {
    let stat = statvfs(path)?;
    let unit = number(stat.fragment_size());
    let bytes = |blocks| number(blocks).saturating_mul(unit);
    let space = Store {
        used: bytes(stat.blocks()).saturating_sub(bytes(stat.blocks_free())),
        available: bytes(stat.blocks_available()),
    };
    let inodes = Store {
        used: number(stat.files()).saturating_sub(number(stat.files_free())),
        available: number(stat.files_available()),
    };
    Ok((space, inodes))
}

/// The widths of the fields differ between systems.
fn number(field: impl Into<u64>) -> u64 {
    field.into()
}

/// For people: with one digit behind the point.
pub(crate) fn gibibytes(bytes: u64) -> String {
    let mebibytes = bytes as f64 / (1024.0 * 1024.0);
    if mebibytes < 1024.0 {
        format!("{mebibytes:.1} MiB")
    } else {
        format!("{:.1} GiB", mebibytes / 1024.0)
    }
}

#[cfg(test)]
mod tests;
