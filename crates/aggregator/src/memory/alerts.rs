//! What alerts need of it.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};
use ward_audit::Draft;
use ward_model::{Acknowledgement, Wall};
use ward_store::Write;

use super::{Memory, NotRecorded, commanded::Acknowledged};

/// How long a start waits to hear when somebody last watched.
const PATIENCE: Duration = Duration::from_secs(2);

impl Memory {
    /// Keeps something in the store, if there is one.
    pub(crate) fn put(&self, write: Write) {
        if let Ok(store) = &self.store {
            store.put(write);
        }
    }

    /// Moves when the store lost what it had, and all is to be put anew.
    pub(crate) fn losses(&self) -> watch::Receiver<()> {
        self.lost.subscribe()
    }

    /// The name of the audit log, which no other aggregator has; empty where there is none.
    pub(crate) fn origin(&self) -> String {
        self.log
            .as_ref()
            .map(|log| log.origin().to_owned())
            .unwrap_or_default()
    }

    /// When somebody last watched before this start, if that is known.
    pub(crate) async fn last_alive(&self) -> Option<Wall> {
        let asking = self.store.as_ref().ok()?.last_alive();
        timeout(PATIENCE, asking).await.ok()?.ok()?
    }

    /// What is acknowledged, where the store knows of `stored`.
    pub(crate) fn acknowledged(&self, stored: Vec<Acknowledgement>) -> Vec<Acknowledgement> {
        let now = self.clock.wall();
        let said = match self.acknowledged.get() {
            Some(commanded) => commanded.over(stored),
            None => stored,
        };
        said.into_iter().filter(|said| said.end > now).collect()
    }

    /// Keeps what the log says of it, once.
    pub(super) fn remember_acknowledged(&self, said: Acknowledged) {
        // There is one start.
        self.acknowledged.set(said).ok();
    }

    /// Writes it into the audit log, and returns when it is durable.
    pub(crate) async fn written(&self, draft: Draft) -> Result<(), NotRecorded> {
        self.durable(draft).await.map(drop)
    }
}
