//! Alerts and receivers to test with.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ward_chassis::Clock;
use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Name, RuleName, Severity, Wall};
use ward_notify::{Auth, Config, Kind, Notifier, Receiver, Timing};

use crate::memory::Memory;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// A minute is a fifth of a second.
pub(crate) fn quick() -> Timing {
    Timing {
        resend: 200 * MS,
        retain: 1_000 * MS,
        first: 20 * MS,
        longest: 200 * MS,
        early: 20 * MS,
        asked: 2_000 * MS,
        give_up: 1_500 * MS,
    }
}

pub(crate) fn receiver(name: &str, kind: Kind, url: String) -> Receiver {
    Receiver {
        name: name.to_owned(),
        kind,
        url,
        auth: Auth::None,
        ca: None,
        identity: None,
        timeout: 300 * MS,
        least: Severity::None,
    }
}

pub(crate) fn alertmanager(name: &str, url: String) -> Receiver {
    receiver(name, Kind::Alertmanager, url)
}

pub(crate) fn webhook(name: &str, url: String) -> Receiver {
    receiver(name, Kind::Webhook { watchdog: false }, format!("{url}/hook"))
}

pub(crate) fn config(receivers: impl IntoIterator<Item = Receiver>) -> Config {
    Config {
        id: "ours".to_owned(),
        receivers: receivers.into_iter().collect(),
        labels: [("cluster".to_owned(), "eu-1".to_owned())].into(),
        external_url: Some("http://ward.example/".to_owned()),
    }
}

pub(crate) fn start(receivers: impl IntoIterator<Item = Receiver>, outbox: &Arc<Memory>) -> Notifier {
    Notifier::start_with(
        config(receivers),
        Arc::clone(outbox) as _,
        Clock::start(),
        quick(),
    )
}

/// Tells, with nothing of its own to keep.
pub(crate) fn tell(notifier: &Notifier, changed: Vec<Alert>) {
    notifier.tell(changed);
    notifier.ring();
}

pub(crate) fn now() -> Wall {
    Clock::start().wall()
}

pub(crate) fn firing(service: &str, rule: &str, fired: Wall) -> Alert {
    let labels = [
        ("alertname", rule),
        ("service", service),
        ("severity", "critical"),
        ("source", "ward"),
    ];
    Alert {
        state: AlertState::Firing,
        labels: labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        annotations: BTreeMap::from([("summary".to_owned(), format!("{service} is ill"))]),
        fired: Some(fired),
        ..Alert::pending(
            AlertKey {
                service: Some(Name::new(service).unwrap()),
                rule: RuleName::new(rule).unwrap(),
            },
            Severity::Critical,
            fired,
        )
    }
}

pub(crate) fn resolved(alert: &Alert) -> Alert {
    Alert {
        state: AlertState::Resolved,
        resolved: Some(now()),
        ..alert.clone()
    }
}

pub(crate) fn watchdog() -> Alert {
    let mut alert = firing("x", "Watchdog", now());
    alert.key.service = None;
    alert.labels.remove("service");
    alert.labels.insert("severity".into(), "none".into());
    alert.severity = Severity::None;
    alert
}

pub(crate) fn acknowledged(service: &str, rules: &[&str], lasting: Duration) -> Acknowledgement {
    let start = now();
    Acknowledgement {
        service: Some(Name::new(service).unwrap()),
        rules: rules.iter().map(|rule| RuleName::new(rule).unwrap()).collect(),
        by: "ann".into(),
        why: "the disk is being replaced".into(),
        start,
        end: Wall(start.0 + i64::try_from(lasting.as_millis()).unwrap()),
    }
}
