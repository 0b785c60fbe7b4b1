//! By when something has to be read, or the connection of who reads nothing is cut.
//!
//! A body that is not asked for anything cannot end itself, so the clock runs in a task of its own. The hub looks for watchers that
//! stand still all at once ([`crate::hub`]); this is for what there are few of.

use std::time::Duration;

use tokio::task::AbortHandle;
use ward_chassis::Peer;

/// Cuts a connection, unless it is dropped before.
#[derive(Debug)]
pub(super) struct Deadline(Option<AbortHandle>);

impl Deadline {
    /// Cuts the connection of `peer` after `time`; of a caller within this process there is none to cut. To be called within a
    /// tokio runtime.
    pub(super) fn new(peer: Option<Peer>, time: Duration) -> Self {
        Self(peer.map(|peer| {
            let late = async move {
                tokio::time::sleep(time).await;
                tracing::debug!(addr = %peer.addr, "an answer was not read in time: its connection is cut");
                peer.cut();
            };
            tokio::spawn(late).abort_handle()
        }))
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(clock) = &self.0 {
            clock.abort();
        }
    }
}
