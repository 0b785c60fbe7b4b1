//! Alerts as CloudEvents 1.0, structured, in JSON.
//!
//! The id is made of what the event says, so that one that is sent twice is known to be one.

use serde::Serialize;
use ward_model::{Alert, AlertState, Wall};

use crate::{digest::digest, time::rfc3339};

pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json";
/// Who speaks, if it has no address. It must not be empty.
const SOURCE: &str = "ward";

#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    /// The extension "distributed tracing": where the event is from, which is not where its delivery is.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    data: &'a Alert,
}

/// That an alert fires, or is resolved.
pub(super) fn of(alert: &Alert, external_url: Option<&str>) -> Vec<u8> {
    let (kind, time) = match alert.state {
        AlertState::Resolved => ("dev.ward.alert.resolved", alert.resolved),
        _ => ("dev.ward.alert.firing", alert.fired),
    };
    let time = time.unwrap_or_default();
    encode(alert, external_url, kind, alert.state.as_str(), time)
}

/// That alerts are made and told, at this time.
pub(super) fn sign_of_life(alert: &Alert, external_url: Option<&str>, now: Wall) -> Vec<u8> {
    let which = now.0.to_string();
    encode(alert, external_url, "dev.ward.watchdog", &which, now)
}

fn encode(alert: &Alert, external_url: Option<&str>, kind: &'static str, which: &str, time: Wall) -> Vec<u8> {
    let subject = alert.key.service.as_ref().map_or("system", |name| name.as_str());
    let fired = alert.fired.unwrap_or_default().0.to_string();
    let event = Event {
        specversion: "1.0",
        id: digest([subject, alert.key.rule.as_str(), &fired, which])[..32].to_owned(),
        source: external_url.filter(|url| !url.is_empty()).unwrap_or(SOURCE),
        kind,
        subject,
        time: rfc3339(time),
        datacontenttype: "application/json",
        traceparent: alert.traceparent.as_deref(),
        data: alert,
    };
    serde_json::to_vec(&event).expect("texts, numbers and maps by texts can be written")
}
