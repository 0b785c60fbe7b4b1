//! Alerts as Alertmanager's API v2 reads them.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use ward_model::{Alert, Name, Wall};

use crate::time::rfc3339;

/// So many times the time between two sends, nothing is heard of an alert before it is taken for resolved: Prometheus's 4.
/// Three sends may be lost. Left out it would be Alertmanager's `resolve_timeout`, which others may have set.
const SENDS: u32 = 4;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<String>,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<String>,
}

/// The body of a request about these.
pub(super) fn encode<'a>(
    alerts: impl Iterator<Item = &'a Alert>,
    external_url: Option<&str>,
    now: Wall,
    resend: Duration,
) -> Vec<u8> {
    let all: Vec<Posted<'_>> = alerts
        .map(|alert| Posted {
            labels: &alert.labels,
            annotations: &alert.annotations,
            starts_at: alert.fired.map(rfc3339),
            ends_at: rfc3339(end(alert, now, resend)),
            generator_url: external_url.map(|url| generator(url, alert.key.service.as_ref())),
        })
        .collect();
    serde_json::to_vec(&all).expect("texts, and maps of texts by texts, can be written")
}

fn end(alert: &Alert, now: Wall, resend: Duration) -> Wall {
    let lasts = i64::try_from((resend * SENDS).as_millis()).unwrap_or(i64::MAX);
    alert
        .resolved
        .unwrap_or_else(|| Wall(now.0.saturating_add(lasts)))
}

/// Where people see what the alert is about.
fn generator(external_url: &str, service: Option<&Name>) -> String {
    let base = external_url.trim_end_matches('/');
    match service {
        Some(service) => format!("{base}/api/v1/services/{service}"),
        None => format!("{base}/api/v1/system"),
    }
}
