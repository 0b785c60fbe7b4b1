//! What is remembered: every decision in the audit log; history and what is last known in the store.
//!
//! Verdicts are published before they are remembered, and wait for no disk: without a log or a store they go on, and
//! `/readyz?verbose` and metrics say what is missing. What somebody commands is the other way round: durable in the log
//! first, then done; without a log it is refused.

mod act;
mod alerts;
mod apart;
mod commanded;
mod ear;
mod judged;
mod life;
mod look;
mod place;
mod recall;
mod recorder;
mod standing;
mod words;

use std::sync::{Arc, OnceLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use ward_audit::Log;
use ward_chassis::Clock;
use ward_model::Epoch;
use ward_store::Store;

use self::commanded::Acknowledged;
pub(crate) use act::NotRecorded;
pub(crate) use ear::Ear;
pub(crate) use life::{InForce, Running};
pub use place::{AUDIT_DIR, DATABASE_FILE, store_place};
pub(crate) use standing::Part;

/// How many read the log at a time.
const READERS: usize = 4;

/// What of the log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Events,
    Proof,
}

/// Why there is none, for people.
type Why = Arc<str>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Memory {
    log: Result<Log, Why>,
    store: Result<Store, Why>,
    /// Turns of those who read the log.
    readers: Arc<Semaphore>,
    /// And of those who want a proof, which takes milliseconds: watchers must not wait behind who reads for seconds.
    provers: Arc<Semaphore>,
    epoch: Epoch,
    ear: Ear,
    clock: Clock,
    /// Moves when the store lost what it had, and all is to be put anew.
    lost: watch::Sender<()>,
    /// What was acknowledged last before the start, by the audit log.
    acknowledged: OnceLock<Acknowledged>,
}

impl Memory {
    /// The log, or why there is none.
    pub(crate) fn log(&self) -> Result<&Log, &str> {
        self.log.as_ref().map_err(|why| &**why)
    }

    /// To be held by who reads the log, which takes a thread for up to seconds: a few at a time, so that threads are left for
    /// everything else.
    pub(crate) async fn turn(&self, what: Read) -> OwnedSemaphorePermit {
        let turns = match what {
            Read::Events => &self.readers,
            Read::Proof => &self.provers,
        };
        let turn = turns.clone().acquire_owned().await;
        turn.expect("nobody closes it")
    }

    /// The store, or why there is none.
    pub(crate) fn store(&self) -> Result<&Store, &str> {
        self.store.as_ref().map_err(|why| &**why)
    }
}
