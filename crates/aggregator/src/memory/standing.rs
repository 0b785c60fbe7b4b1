//! How remembering stands, for `/readyz?verbose` and for metrics.

use std::time::Duration;

use ward_audit::State as LogState;
use ward_store::State as StoreState;

use super::Memory;

/// Behind so long a disk that writes a batch is not slow but stuck. A command has given up by then.
pub(super) const HELD_UP: Duration = Duration::from_secs(5);

/// One part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// `audit` or `store`.
    pub(crate) name: &'static str,
    /// What is wrong, for people; `None` if nothing is.
    pub(crate) wrong: Option<String>,
    /// How many things wait to be remembered.
    pub(crate) queued: u64,
    /// How many were left out since the start.
    pub(crate) left_out: u64,
}

impl Memory {
    /// Of the log and of the store.
    pub(crate) fn standing(&self) -> [Part; 2] {
        [self.log_stands(), self.store_stands()]
    }

    fn log_stands(&self) -> Part {
        let name = "audit";
        let log = match &self.log {
            Ok(log) => log.standing(),
            Err(why) => return gone(name, why),
        };
        let wrong = match log.state {
            LogState::Writing => (log.held_up > HELD_UP).then(|| {
                let seconds = log.held_up.as_secs();
                format!("the disk has not answered for {seconds} s: events wait, and commands are refused, until it does")
            }),
            LogState::Full => Some(
                "the disk is full: events are left out, and commands refused, until there is room".to_owned(),
            ),
            LogState::Failed(why) => Some(format!(
                "{why}; commands are refused: restart when the disk is well"
            )),
        };
        Part {
            name,
            wrong,
            queued: log.queued,
            left_out: log.left_out,
        }
    }

    fn store_stands(&self) -> Part {
        let name = "store";
        let store = match &self.store {
            Ok(store) => store.standing(),
            Err(why) => return gone(name, why),
        };
        let wrong = match store.state {
            StoreState::Up => None,
            StoreState::Connecting => Some("not connected yet: what is to be remembered waits".to_owned()),
            StoreState::Down { why, .. } => Some(why),
        };
        Part {
            name,
            wrong,
            queued: store.queued as u64,
            left_out: store.left_out,
        }
    }
}

fn gone(name: &'static str, why: &str) -> Part {
    Part {
        name,
        wrong: Some(why.to_owned()),
        queued: 0,
        left_out: 0,
    }
}
