//! How it stands with the database: for `/readyz?verbose`, for metrics, and for whoever has to put all anew.

use std::fmt;

use ward_model::Wall;

/// Whether the database can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It takes writes.
    Up,
    /// Nothing is known yet.
    Connecting,
    /// It cannot be used. What is put waits.
    Down {
        /// Since when.
        since: Wall,
        /// Why, and what to do; holds no password.
        why: String,
    },
}

/// How it stands with the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it can be used.
    pub state: State,
    /// What waits to be written: transitions, and things whose state has changed.
    pub queued: usize,
    /// What found no room or was refused for good, since the start. Of transitions the history shows that time as
    /// `NotRecorded`.
    pub left_out: u64,
    /// Records that found no room, since the start.
    pub recorded_dropped: u64,
    /// When something was last written.
    pub last_write: Option<Wall>,
    /// How often all last known state was lost: there was no room for all that changed, or the database was replaced. When
    /// this grows, every service, instance and window of maintenance has to be put anew, and all that is kept by key.
    pub resend: u64,
}

/// As one line.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Up => f.write_str("up")?,
            State::Connecting => f.write_str("connecting")?,
            State::Down { why, .. } => write!(f, "down: {why}")?,
        }
        write!(f, "; {} queued, {} left out", self.queued, self.left_out)
    }
}
