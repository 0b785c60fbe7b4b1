//! How far the queue was emptied: what lets somebody wait until just what they have put is written.
//!
//! A number for each write was not taken: what is kept by key has no order, and the newest word about something takes the
//! place of the one before.

/// A place in the queue: in what has an order by number, in what has none by how often it was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Takes that were begun.
    pub(crate) takes: u64,
    /// Shards of instances that were looked at.
    pub(crate) shards: usize,
    pub(crate) transitions: u64,
    pub(crate) records: u64,
}

impl Position {
    /// Of what is taken whole by each take.
    pub(crate) fn of_keys(self) -> Self {
        Self {
            takes: self.takes,
            ..Self::default()
        }
    }

    /// Whether nothing up to `other` is left behind.
    pub(crate) fn reaches(&self, other: &Self) -> bool {
        self.takes >= other.takes
            && self.shards >= other.shards
            && self.transitions >= other.transitions
            && self.records >= other.records
    }
}
