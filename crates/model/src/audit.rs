//! What is said of the audit log besides its events.

/// The log's name, and as much of it as is durable. Whoever keeps one can tell later whether the log still begins as it
/// did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The log's name; another one is another log.
    pub origin: String,
    /// How many events.
    pub size: u64,
    /// The root of the RFC 6962 tree over them.
    pub root: [u8; 32],
}
