//! How it stands with receivers, for those who look after them.

use ward_model::Wall;

/// How it stands with a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub receiver: String,
    /// What it has yet to be told.
    pub owed: u64,
    /// Since when the oldest of that is owed.
    pub oldest: Option<Wall>,
    /// When it was last told something.
    pub delivered: Option<Wall>,
    /// Requests that it took, that failed, and that it refused, since the start.
    pub requests: [u64; 3],
    /// What was given up, since the start: beyond a bound, or refused for too long.
    pub dropped: u64,
    /// What it was told without it being on disk that it was owed, since the start.
    pub unrecorded: u64,
    /// Why the last request failed, if none succeeded since.
    pub error: Option<String>,
}
