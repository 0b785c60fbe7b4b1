//! What can go wrong with one reporter.

/// A fault of one reporter, by its number, or the end of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process ends; its kernel ends the connection.
    Crash(usize),
    /// The host is gone: nothing is sent any more, not even an end.
    Vanish(usize),
    /// The process is stuck: connected and silent.
    Hang(usize),
    /// What hung goes on where it was.
    Mend(usize),
    /// Runs again under a new incarnation, whatever it was before.
    Restart(usize),
    /// Says goodbye and ends.
    Leave(usize),
    /// The network loses everything between it and the aggregator.
    Cut(usize),
    /// The network works again.
    Heal(usize),
}
