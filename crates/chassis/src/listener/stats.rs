//! What a listener has seen. Counted by the listener and by whoever serves it; read by metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Live counters of one listener, since it was bound.
#[derive(Debug, Default)]
pub struct ListenerStats {
    pub(crate) accepted: AtomicU64,
    pub(crate) active: AtomicU64,
    pub(crate) refused_connections: AtomicU64,
    pub(crate) refused_address: AtomicU64,
    pub(crate) handshaking: AtomicU64,
    pub(crate) refused_handshakes: AtomicU64,
    pub(crate) failed_handshakes: AtomicU64,
    pub(crate) lost_identities: AtomicU64,
    pub(crate) strangers: AtomicU64,
    pub(crate) accept_errors: AtomicU64,
    pub(crate) handshake_timeouts: AtomicU64,
    pub(crate) aged: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) cut: AtomicU64,
}

/// The counters of a [`ListenerStats`] at one moment. All only grow, except `active` and `handshaking`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerCounts {
    /// Connections let in.
    pub accepted: u64,
    /// Connections open now.
    pub active: u64,
    /// Refused because all places were taken.
    pub refused_connections: u64,
    /// Refused because all places of its address were taken.
    pub refused_address: u64,
    /// TLS handshakes under way now.
    pub handshaking: u64,
    /// Refused because too many handshakes were under way, in all or from its address.
    pub refused_handshakes: u64,
    /// TLS handshakes that failed: certificates that are not believed, or no TLS at all.
    pub failed_handshakes: u64,
    /// Connections told to go because their certificate is believed no more: expired, revoked, of another authority.
    pub lost_identities: u64,
    /// Connections told to go because they proved nothing, and nothing of theirs was let in in time.
    pub strangers: u64,
    /// Accepts that failed for want of descriptors or memory.
    pub accept_errors: u64,
    /// Connections closed because they did not say what they wanted in time.
    pub handshake_timeouts: u64,
    /// Connections told to go because of their age.
    pub aged: u64,
    /// Connections that ended in an error: broken protocol, exceeded limits, no answer to a ping, a vanished peer.
    pub failed: u64,
    /// Connections cut because they did not finish when the server stopped, or read nothing for too long.
    pub cut: u64,
}

impl ListenerStats {
    /// All counters, each read once.
    pub fn snapshot(&self) -> ListenerCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ListenerCounts {
            accepted: read(&self.accepted),
            active: read(&self.active),
            refused_connections: read(&self.refused_connections),
            refused_address: read(&self.refused_address),
            handshaking: read(&self.handshaking),
            refused_handshakes: read(&self.refused_handshakes),
            failed_handshakes: read(&self.failed_handshakes),
            lost_identities: read(&self.lost_identities),
            strangers: read(&self.strangers),
            accept_errors: read(&self.accept_errors),
            handshake_timeouts: read(&self.handshake_timeouts),
            aged: read(&self.aged),
            failed: read(&self.failed),
            cut: read(&self.cut),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
