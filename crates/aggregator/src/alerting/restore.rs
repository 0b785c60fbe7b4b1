//! What was known of alerts before the start.
//!
//! A database that does not answer is waited for, as nothing fires so soon after a start; then alerts are judged without, and
//! what it tells later is put in order.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use ward_model::{Acknowledgement, Alert, AlertKey, AlertState};
use ward_store::Kept;

use crate::memory::Memory;

const PATIENCE: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(500);
/// An acknowledgement and what fired before it are told the time by two clocks, of which the one may have been set back.
const APART_MS: i64 = 60_000;

/// What was kept.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Alerts that were not inactive.
    pub(super) alerts: Vec<Alert>,
    /// Acknowledgements that were in force, corrected by what the audit log says was commanded last.
    pub(super) acknowledged: Vec<Acknowledgement>,
}

/// Comes later.
pub(super) type Late = Pin<Box<dyn Future<Output = Before> + Send>>;

/// What was kept, or who will tell it.
pub(super) async fn before(memory: &Arc<Memory>) -> (Before, Option<Late>) {
    let memory = memory.clone();
    let mut asking: Late = Box::pin(async move { ask(&memory).await });
    match timeout(PATIENCE, &mut asking).await {
        Ok(before) => (before, None),
        Err(_) => {
            tracing::error!("what was known of alerts before the start cannot be read yet: going on without");
            (Before::default(), Some(asking))
        }
    }
}

async fn ask(memory: &Memory) -> Before {
    let alerts: Vec<Alert> = parsed(kept(memory, Kept::Alert).await);
    let said = memory.acknowledged(parsed(kept(memory, Kept::Acknowledgement).await));
    let acknowledged = said.into_iter().filter_map(|said| held(said, &alerts)).collect();
    Before { alerts, acknowledged }
}

/// As far as what was acknowledged still fires, and is not a later firing: of several rules the log does not know which ended.
fn held(mut said: Acknowledgement, alerts: &[Alert]) -> Option<Acknowledgement> {
    let fires = |key: AlertKey| {
        let mut alerts = alerts.iter().filter(|alert| alert.state == AlertState::Firing);
        let latest = said.start.0.saturating_add(APART_MS);
        alerts.any(|alert| alert.key == key && alert.fired.is_some_and(|fired| fired.0 <= latest))
    };
    let key = |rule| AlertKey {
        service: said.service.clone(),
        rule,
    };
    let rules: Vec<_> = said
        .rules
        .iter()
        .filter(|rule| fires(key((*rule).clone())))
        .cloned()
        .collect();
    said.rules = rules;
    (!said.rules.is_empty()).then_some(said)
}

/// All of a kind that the store kept, however long that takes; nothing if there is none.
pub(super) async fn kept(memory: &Memory, kind: Kept) -> Vec<(String, String)> {
    let Ok(store) = memory.store() else {
        return Vec::new();
    };
    loop {
        match store.kept(kind).await {
            Ok(kept) => return kept,
            Err(_) => sleep(AGAIN).await,
        }
    }
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

#[cfg(test)]
mod tests {
    use ward_model::{Name, RuleName, Severity, Wall};

    use super::*;

    #[test]
    fn what_ended_by_itself_is_not_acknowledged_again() {
        let bank = Some(Name::new("bank").unwrap());
        let rule = |name: &str| RuleName::new(name).unwrap();
        let alert = |name: &str, state, fired| Alert {
            state,
            fired: Some(Wall(fired)),
            ..Alert::pending(
                AlertKey {
                    service: bank.clone(),
                    rule: rule(name),
                },
                Severity::Critical,
                Wall(0),
            )
        };
        let said = Acknowledgement {
            service: bank.clone(),
            rules: ["A", "B", "C"].map(rule).into(),
            by: "ann".into(),
            why: String::new(),
            start: Wall(10_000),
            end: Wall(99_000),
        };
        let alerts = [
            alert("A", AlertState::Firing, 9_000),
            alert("B", AlertState::Firing, 80_000),
            alert("C", AlertState::Resolved, 9_000),
        ];
        assert_eq!(held(said.clone(), &alerts).unwrap().rules, [rule("A")]);
        assert_eq!(held(said, &alerts[1..]), None);
    }
}
