//! Where what is owed is kept, and what is kept there.
//!
//! One entry for each thing that a receiver has yet to be told: that an alert fires, or that it is resolved. The alert
//! stands in it as it is to be told, with all its labels, so that who is told after a crash is told the same.

use std::{borrow::Cow, fmt, pin::Pin};

use serde::{Deserialize, Serialize};
use ward_model::{Alert, AlertKey, AlertState, Wall};

/// What is known later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where what is owed is kept.
pub trait Outbox: fmt::Debug + Send + Sync + 'static {
    /// Keeps a body under a key, or (`None`) forgets it. Never waits. What is said later of a key wins.
    fn keep(&self, key: String, body: Option<String>);

    /// Resolves when all that was kept before the call is on disk; `false` if that cannot be told in a few seconds.
    fn durable(&self) -> Later<'_, bool>;

    /// All that is kept, from the life before. Asked once, at the start; waits for as long as it takes.
    fn kept(&self) -> Later<'_, Vec<(String, String)>>;
}

/// What an outbox is to do.
pub(crate) type Write = (String, Option<String>);

/// Which thing there is to tell: that this alert, which first fired then, is in this state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) key: AlertKey,
    pub(crate) fired: Wall,
    pub(crate) state: AlertState,
}

impl Id {
    /// None if it is nothing that is told.
    pub(crate) fn of(alert: &Alert) -> Option<Self> {
        let told = matches!(alert.state, AlertState::Firing | AlertState::Resolved);
        Some(Self {
            key: alert.key.clone(),
            fired: alert.fired.filter(|_| told)?,
            state: alert.state,
        })
    }

    /// The same firing in another state.
    pub(crate) fn with(&self, state: AlertState) -> Self {
        Self {
            state,
            ..self.clone()
        }
    }

    /// What it is kept under for a receiver.
    pub(crate) fn kept_as(&self, receiver: &str) -> String {
        let Self { key, fired, state } = self;
        format!("{receiver} {key} {} {state}", fired.0)
    }
}

/// What is kept.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry<'a> {
    pub(crate) receiver: Cow<'a, str>,
    /// Its place among what the receiver is told.
    pub(crate) order: u64,
    /// Since when it is owed.
    pub(crate) owed: Wall,
    /// When it was first refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) refused: Option<Wall>,
    pub(crate) alert: Cow<'a, Alert>,
}

impl Entry<'_> {
    pub(crate) fn encode(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and maps by texts can be written")
    }

    /// None if that is no entry of ours.
    pub(crate) fn decode(body: &str) -> Option<Entry<'static>> {
        serde_json::from_str(body).ok()
    }
}
