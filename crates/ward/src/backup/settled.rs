//! What is durable in an audit log, published, before it is copied: only what is published can be.
//!
//! A log whose writer is gone is opened and closed as its writer would, which publishes all of it, also what a killed one
//! left. One that is written is waited for: its writer publishes within a second of a change. To ask the writer for a
//! checkpoint was not taken, because a backup asks an aggregator nothing.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::MetadataExt as _,
    path::Path,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, bail};
use nix::unistd::geteuid;
use ward_audit::{Log, Options, Start, boot_id};
use ward_chassis::Clock;
use ward_model::Epoch;

use super::log::CHECKPOINT;

/// Held by whoever writes the log.
const LOCK: &str = "lock";
/// There while something may not be published.
const TAILS: [&str; 2] = ["tail-0", "tail-1"];
/// A writer publishes within a second of a change; half as much again for a disk that is busy.
const PUBLISHED: Duration = Duration::from_millis(1_500);
/// With a disk that is slower still what the last moments brought is left out: a backup is not to wait for ever.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the checkpoint is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Returns when all that was durable is published, or after [`PATIENCE`].
pub(super) fn settle(audit: &Path, clock: &Clock) -> anyhow::Result<()> {
    if !TAILS.iter().any(|tail| audit.join(tail).exists()) {
        return Ok(());
    }
    if is_written(audit)? {
        wait(audit, clock);
        return Ok(());
    }
    let owner = fs::metadata(audit).with_context(|| format!("look at {}", audit.display()))?;
    if owner.uid() != geteuid().as_raw() {
        bail!(
            "publish the rest of the audit log {}: it belongs to another user, whose aggregator could not write it any \
             more; do this as that user, or start the aggregator",
            audit.display()
        );
    }
    let log = open(audit, clock).context("publish the rest of the audit log")?;
    log.close().context("publish the rest of the audit log")
}

/// Opens a log that nobody writes.
pub(super) fn open(audit: &Path, clock: &Clock) -> anyhow::Result<Log> {
    let start = Start {
        clock: clock.clone(),
        boot_id: boot_id(),
        epoch: Epoch::default(),
    };
    Ok(Log::open(audit, Options::default(), start)?.0)
}

fn is_written(audit: &Path) -> anyhow::Result<bool> {
    let path = audit.join(LOCK);
    let tried = match File::open(&path) {
        Ok(file) => file.try_lock(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(TryLockError::Error(error)),
    };
    match tried {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error).context(format!("lock {}", path.display())),
    }
}

/// Waits for a checkpoint that was begun after this was: one that came long enough after, or for so long none.
fn wait(audit: &Path, clock: &Clock) {
    let read = || fs::read(audit.join(CHECKPOINT)).ok();
    let (mut last, mut waited, mut changed) = (read(), Duration::ZERO, Duration::ZERO);
    let begun = clock.mono();
    while waited < PATIENCE && changed <= PUBLISHED && waited.saturating_sub(changed) <= PUBLISHED {
        sleep(LOOK);
        waited = clock.mono().since(begun);
        let now = read();
        if now != last {
            (last, changed) = (now, waited);
        }
    }
}
