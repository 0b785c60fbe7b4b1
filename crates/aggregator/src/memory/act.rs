//! What somebody does: written down and durable before it takes effect, and what came of it behind.

use std::{collections::HashSet, time::Duration};

use tokio::time::timeout;
use ward_audit::{Draft, Event, Phase};

use super::{Memory, Why};

/// How long a command waits for the disk: longer than a busy one takes, and shorter than people are patient.
const DURABLE: Duration = Duration::from_secs(5);
/// What came of what was not done. What was commanded is told from it after a restart.
pub(super) const NOT_DONE: &str = "not done";
/// Behind so many events an intent without an outcome is not looked for: as many commands are not under way at once.
const UNDER_WAY: usize = 1_024;

/// What was written down and is to be done.
#[derive(Debug)]
#[must_use = "what came of it is to be told"]
pub(crate) struct Intent {
    index: u64,
    draft: Draft,
}

/// It could not be written down, and so must not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not done, because it cannot be written down in the audit log first: {0}; see /readyz?verbose")]
pub(crate) struct NotRecorded(pub(crate) Why);

impl Memory {
    /// What is to be done is durable when this returns.
    pub(crate) async fn intend(&self, draft: Draft) -> Result<Intent, NotRecorded> {
        let index = self.durable(draft.clone().intent()).await?;
        Ok(Intent { index, draft })
    }

    /// It was done.
    pub(crate) fn done(&self, intent: Intent) {
        self.end(intent, "done", None);
    }

    /// It was not.
    pub(crate) fn not_done(&self, intent: Intent, why: &str) {
        self.end(intent, NOT_DONE, Some(why));
    }

    fn end(&self, Intent { index, draft }: Intent, outcome: &str, why: Option<&str>) {
        let mut draft = Draft {
            now: self.clock.now(),
            ..draft.outcome_of(index)
        }
        .with("outcome", outcome);
        if let Some(why) = why {
            draft = draft.with("error", why);
        }
        self.record(draft);
    }

    /// What happened by itself, or elsewhere.
    pub(crate) fn record(&self, draft: Draft) {
        if let Ok(log) = &self.log {
            log.record(draft);
        }
    }

    /// Returns when it is durable, with its index. If that takes too long it may be written all the same: then it is written
    /// behind an intent that it was not done.
    pub(super) async fn durable(&self, draft: Draft) -> Result<u64, NotRecorded> {
        let log = self.log.clone().map_err(NotRecorded)?;
        let (appends, written) = (log.clone(), draft.clone());
        let mut appending = tokio::spawn(async move { appends.append(written).await });
        match timeout(DURABLE, &mut appending).await {
            Ok(Ok(receipt)) => receipt
                .map(|receipt| receipt.index)
                .map_err(|error| NotRecorded(error.to_string().into())),
            Ok(Err(_)) => Err(NotRecorded("to write it failed".into())),
            Err(_) => {
                tokio::spawn(async move {
                    let receipt = appending.await;
                    if let (Phase::Intent, Ok(Ok(receipt))) = (draft.phase, receipt) {
                        let draft = draft.outcome_of(receipt.index).with("outcome", NOT_DONE);
                        log.record(draft.with("error", "the disk took too long"));
                    }
                });
                let late = format!("the disk did not take it within {} s", DURABLE.as_secs());
                Err(NotRecorded(late.into()))
            }
        }
    }

    /// Ends what the aggregator before this one was about to do: nobody knows whether it did.
    pub(super) fn end_orphans(&self, newest: &[Event]) {
        let now = self.clock.now();
        for event in orphans(newest) {
            let draft = Draft {
                epoch: event.epoch,
                revision: event.revision,
                now,
                actor: event.actor.clone(),
                subject: event.subject.clone(),
                kind: event.kind,
                source: event.source,
                phase: Phase::Outcome,
                intent: Some(event.index),
                evidence: event.evidence.clone(),
            };
            self.record(
                draft
                    .with("outcome", "unknown")
                    .with("error", "the aggregator ended meanwhile"),
            );
        }
    }
}

/// Intents without an outcome, the oldest first; `newest` are intents and outcomes, the newest first.
fn orphans(newest: &[Event]) -> impl Iterator<Item = &Event> {
    let newest = &newest[..newest.len().min(UNDER_WAY)];
    let ended: HashSet<u64> = newest.iter().filter_map(|event| event.intent).collect();
    let open = move |event: &&Event| event.phase == Phase::Intent && !ended.contains(&event.index);
    newest.iter().rev().filter(open)
}
