//! What is in force of alerts, written down.

use serde_json::{Value as Json, json};
use ward_alerts::{RuleSpec, Unknown, shipped};

use crate::{Alerting, Auth, Receiver, Webhook, reading::joined, value::written};

/// Tells `add` of each value, by its table and key. Rules are whole, so that what is written is all that is in force.
pub(super) fn add(alerting: &Alerting, mut add: impl FnMut(&str, &str, Json)) {
    let own = "alerting";
    if !alerting.labels.is_empty() {
        add(own, "labels", json!(alerting.labels));
    }
    if let Some(url) = &alerting.external_url {
        add(own, "external_url", json!(url));
    }
    if let Some(url) = &alerting.runbooks {
        add(own, "runbooks", json!(url));
    }
    let alertmanagers = alerting.alertmanagers.iter().map(receiver);
    add(own, "alertmanagers", alertmanagers.collect());
    add(own, "webhooks", alerting.webhooks.iter().map(webhook).collect());
    for rule in alerting.rules.iter() {
        let table = joined("alerting.rules", rule.spec().name.as_str());
        said(rule.spec())
            .into_iter()
            .for_each(|(key, value)| add(&table, &key, value));
    }
    let off = shipped()
        .into_iter()
        .filter(|rule| alerting.rules.get(&rule.name).is_none());
    off.for_each(|rule| {
        add(
            &joined("alerting.rules", rule.name.as_str()),
            "enabled",
            json!(false),
        )
    });
}

/// All that a rule says.
fn said(rule: &RuleSpec) -> Vec<(String, Json)> {
    let unknown = match rule.unknown {
        Unknown::Keep => "keep",
        Unknown::Judge => "judge",
    };
    let mut said = vec![("expr", json!(rule.expr))];
    said.extend(rule.hold.as_ref().map(|hold| ("hold", json!(hold))));
    said.extend([
        ("for", json!(written(rule.for_))),
        ("keep_firing_for", json!(written(rule.keep_firing_for))),
        ("severity", json!(rule.severity)),
        (
            "about",
            json!(if rule.about_system { "system" } else { "service" }),
        ),
        ("unknown", json!(unknown)),
        ("suppression", json!(rule.suppression)),
    ]);
    if !rule.services.is_empty() {
        said.push(("services", json!(rule.services)));
    }
    let mut said: Vec<_> = said
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    for (table, entries) in [("labels", &rule.labels), ("annotations", &rule.annotations)] {
        // One at a time: some may be shipped, and others said.
        said.extend(
            entries
                .iter()
                .map(|(name, text)| (joined(table, name), json!(text))),
        );
    }
    said
}

fn receiver(receiver: &Receiver) -> Json {
    let mut table = json!({
        "name": receiver.name,
        "timeout": written(receiver.timeout),
    });
    match &receiver.url_file {
        Some(file) => table["url_file"] = json!(file.to_string_lossy()),
        None => table["url"] = json!(receiver.url.shown()),
    }
    match &receiver.auth {
        Auth::None => {}
        Auth::Basic {
            username,
            password_file,
        } => {
            table["username"] = json!(username);
            table["password_file"] = json!(password_file.to_string_lossy());
        }
        Auth::Bearer { token_file } => table["token_file"] = json!(token_file.to_string_lossy()),
    }
    if let Some(ca) = &receiver.ca {
        table["ca"] = json!(ca.to_string_lossy());
    }
    if let Some((cert, key)) = &receiver.identity {
        table["cert"] = json!(cert.to_string_lossy());
        table["key"] = json!(key.to_string_lossy());
    }
    table
}

fn webhook(webhook: &Webhook) -> Json {
    let mut table = receiver(&webhook.receiver);
    table["watchdog"] = json!(webhook.watchdog);
    table["least_severity"] = json!(webhook.least_severity);
    table
}
