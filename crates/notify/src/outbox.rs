//! Where what is owed is kept, and what is kept there.
//!
//! One entry for each thing that a receiver has yet to be told: that an alert fires, or that it is resolved. The alert
//! stands in it as it is to be told, with all its labels, so that who is told after a crash is told the same.

use std::{fmt, pin::Pin};

/// Where what is owed is kept.
pub trait Outbox: fmt::Debug + Send + Sync + 'static {
    /// Keeps a body under a key, or (`None`) forgets it. Never waits. What is said later of a key wins.
    fn keep(&self, key: String, body: Option<String>);

    /// Resolves when all that was kept before the call is on disk; `false` if that cannot be told in a few seconds.
    fn durable(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;

    /// All that is kept, from the life before. Asked once, at the start; waits for as long as it takes.
    fn kept(&self) -> Pin<Box<dyn Future<Output = Vec<(String, String)>> + Send + '_>>;
}
