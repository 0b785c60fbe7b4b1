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
            starts_at: alert.fired.map(|fired| rfc3339(fired.min(now))),
            ends_at: rfc3339(end(alert, now, resend)),
            generator_url: external_url.map(|url| generator(url, alert.key.service.as_ref())),
        })
        .collect();
    serde_json::to_vec(&all).expect("texts, and maps of texts by texts, can be written")
}

/// Whoever decides has a time of its own that is never set back, and so may be ahead of the clock. What is over in the
/// future fires on, and what begins there and is over now is refused.
fn end(alert: &Alert, now: Wall, resend: Duration) -> Wall {
    let lasts = i64::try_from((resend * SENDS).as_millis()).unwrap_or(i64::MAX);
    match alert.resolved {
        Some(resolved) => resolved.min(now),
        None => Wall(now.0.saturating_add(lasts)),
    }
}

/// Where people see what the alert is about.
fn generator(external_url: &str, service: Option<&Name>) -> String {
    let base = external_url.trim_end_matches('/');
    match service {
        Some(service) => format!("{base}/api/v1/services/{service}"),
        None => format!("{base}/api/v1/system"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use ward_model::{AlertKey, AlertState, RuleName, Severity};

    use super::*;

    fn shown(fired: i64, resolved: Option<i64>, now: i64) -> (Value, Value) {
        let alert = Alert {
            state: AlertState::Resolved,
            fired: Some(Wall(fired)),
            resolved: resolved.map(Wall),
            ..Alert::pending(
                AlertKey {
                    service: None,
                    rule: RuleName::new("Ill").unwrap(),
                },
                Severity::Critical,
                Wall(fired),
            )
        };
        let body = encode([&alert].into_iter(), None, Wall(now), Duration::from_secs(60));
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        (body[0]["startsAt"].take(), body[0]["endsAt"].take())
    }

    #[test]
    fn nothing_begins_or_is_over_in_the_future_of_a_clock_that_was_set_back() {
        let at = |second: i64| json!(rfc3339(Wall(second * 1_000)));
        assert_eq!(shown(100_000, Some(200_000), 300_000), (at(100), at(200)));
        assert_eq!(shown(100_000, Some(200_000), 150_000), (at(100), at(150)));
        assert_eq!(shown(100_000, Some(200_000), 50_000), (at(50), at(50)));
        assert_eq!(shown(100_000, None, 50_000), (at(50), at(290)));
    }
}
