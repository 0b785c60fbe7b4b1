//! What was known of alerts before the start.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use ward_model::{Acknowledgement, Alert};
use ward_store::Kept;

use crate::memory::Memory;

/// How long to wait for a database that does not answer: nothing fires so soon after a start, and behind it alerts that fired
/// before would be taken for new ones.
const PATIENCE: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(500);

/// All of a kind that the store kept; nothing if it does not answer in time, or there is none.
pub(super) async fn kept(memory: &Memory, kind: Kept) -> Vec<(String, String)> {
    let Ok(store) = memory.store() else {
        return Vec::new();
    };
    let asking = async {
        loop {
            match store.kept(kind).await {
                Ok(kept) => return kept,
                Err(_) => sleep(AGAIN).await,
            }
        }
    };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| {
        tracing::error!(?kind, "what was kept of alerts cannot be read: going on without");
        Vec::new()
    })
}

/// Alerts that were not inactive.
pub(super) async fn alerts(memory: &Memory) -> Vec<Alert> {
    parsed(kept(memory, Kept::Alert).await)
}

/// Acknowledgements that were in force, corrected by what the audit log says was commanded last.
pub(super) async fn acknowledgements(memory: &Memory) -> Vec<Acknowledgement> {
    memory.acknowledged(parsed(kept(memory, Kept::Acknowledgement).await))
}

/// What a newer version wrote, or somebody by hand, is left out and said.
fn parsed<T: serde::de::DeserializeOwned>(kept: Vec<(String, String)>) -> Vec<T> {
    let parse = |(key, body): (String, String)| match serde_json::from_str(&body) {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            tracing::warn!(key, %error, "what was kept of an alert cannot be read and is left out");
            None
        }
    };
    kept.into_iter().filter_map(parse).collect()
}
