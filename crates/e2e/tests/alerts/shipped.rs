//! What is shipped for Alertmanager, in the real one: what its templates make of words that somebody chose to harm, and who is
//! not told because another alert says it already.
//!
//! The configuration is made by `deploy/alertmanager/start`, as in the compose stack; only who is told is ours. Alerts are posted
//! as Ward and Prometheus would: what those send is for other tests. That what comes of the variables of `start` is sound is
//! looked at by `cargo xtask check`.

use serde_json::{Map, Value, json};

use crate::{
    alertmanager::{Alertmanager, program},
    people::People,
};

/// What calls everybody, a link that leads elsewhere, and something that stands for neither.
const HARM: &str = "<!channel> <https://evil.example|Runbook> &lt; it's";
const HARMLESS: &str = "&lt;!channel&gt; &lt;https://evil.example|Runbook&gt; &amp;lt; it's";

/// Who may report chooses what alerts say of it: to Slack that must be words and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_says_of_itself_is_no_markup_in_slack() {
    let Some(program) = program() else { return };
    let people = People::come().await;
    let slack = format!("http://{}/slack", people.address);
    let alertmanager = Alertmanager::start_shipped(program, &[("WARD_SLACK_WEBHOOK_URL", &slack)]);
    let words = ["summary", "description", "cause", "evidence", "affects"].map(|name| (name, HARM));
    let addresses = [
        ("trace_id", "a|b>c"),
        ("runbook_url", "https://runbooks.example/a|b> <!here>"),
    ];
    let annotations: Map<_, _> = words
        .into_iter()
        .chain(addresses)
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let labels = json!({
        "alertname": "ServiceUnhealthy", "source": "ward", "severity": "critical", "service": "<bank>",
    });
    let other = json!({
        "alertname": "TargetDown", "source": "prometheus", "severity": "critical", "service": "customers",
    });
    alertmanager
        .take(&json!([
            { "labels": labels, "annotations": annotations },
            { "labels": other, "annotations": { "summary": "no metrics" } },
        ]))
        .await;

    let title = format!("[CRITICAL] &lt;bank&gt;: {HARMLESS}");
    let page = people.page("slack", &title).await;
    assert_eq!(page.text.matches(HARMLESS).count(), 5, "{}", page.text);
    let links: Vec<_> = page.text.split('<').skip(1).collect();
    let ends = ["|Runbook> | ", "|Grafana> | ", "|Trace>"];
    assert_eq!(links.len(), ends.len(), "{}", page.text);
    for (link, end) in links.iter().zip(ends) {
        let (address, rest) = link.split_once('|').unwrap();
        assert!(!address.contains('>') && format!("|{rest}") == end, "{link}");
    }

    // What Prometheus calls a service need not be one of Ward's, and has no page there.
    assert!(links[1].contains("/d/ward-service?var-service=%3Cbank%3E|"));
    let page = people.page("slack", "[CRITICAL] customers: no metrics").await;
    assert!(page.text.contains("/d/ward-system|"), "{}", page.text);
}

/// Alerts beside each other, and who is silent because of whom. What is a cause itself is never silent, nor what is of another.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_alert_says_already_is_told_to_nobody() {
    let Some(program) = program() else { return };
    let alertmanager = Alertmanager::start_shipped(program, &[]);
    let alerts = [
        ward("ServiceUnhealthy", "critical", "bank", "bank"),
        ward("ServiceUnhealthy", "critical", "payments", "bank"),
        ward("ErrorRatioCritical", "critical", "payments", "bank"),
        ward("ErrorRatioHigh", "warning", "payments", "bank"),
        ward("MemoryHigh", "critical", "payments", "bank"),
        ward("ServiceUnknown", "warning", "search", "search"),
        ward("BreakerOpen", "warning", "cart", "search"),
        ward("ErrorRatioCritical", "critical", "cart", "search"),
        ward("ServiceUnhealthy", "critical", "cart", ""),
        ward("ServiceUnhealthy", "critical", "mail", ""),
        ward("ErrorRatioHigh", "warning", "mail", ""),
        ward("ErrorRatioCritical", "critical", "till", ""),
        ward("ErrorRatioHigh", "warning", "till", ""),
        target("bank"),
        target("search"),
        target("customers"),
        prometheus("WardDown"),
        prometheus("WardWatchdogMissing"),
        prometheus("WardBlind"),
        prometheus("WardObserverInDoubt"),
        prometheus("WardCertificateExpired"),
        prometheus("WardCertificateExpires"),
        prometheus("WardAuditStalled"),
    ];
    let count = alerts.len();
    let alerts: Vec<Value> = alerts
        .into_iter()
        .map(|labels| json!({ "labels": labels }))
        .collect();
    alertmanager.take(&json!(alerts)).await;

    let silent = [
        "BreakerOpen cart",
        "ErrorRatioCritical payments",
        "ErrorRatioHigh mail",
        "ErrorRatioHigh payments",
        "ErrorRatioHigh till",
        "ServiceUnhealthy payments",
        "TargetDown bank",
        "TargetDown search",
        "WardCertificateExpires ",
        "WardObserverInDoubt ",
        "WardWatchdogMissing ",
    ];
    let inhibited = |listed: &[Value]| {
        let inhibited = listed
            .iter()
            .filter(|alert| alert["status"]["inhibitedBy"] != json!([]));
        let mut names: Vec<_> = inhibited.map(|alert| name(&alert["labels"])).collect();
        names.sort();
        names
    };
    // All of them are there at once, and what they inhibit a moment later.
    let listed = alertmanager
        .until("alerts", |listed| {
            listed.len() == count && inhibited(listed).len() >= silent.len()
        })
        .await;
    assert_eq!(inhibited(&listed), silent);
}

/// An alert of Ward, of a service whose cause is that one.
fn ward(alertname: &str, severity: &str, service: &str, cause: &str) -> Value {
    let mut labels = json!({
        "source": "ward", "alertname": alertname, "severity": severity, "service": service, "root_cause": cause,
    });
    if service == cause {
        labels["is_root_cause"] = json!("true");
    }
    labels
}

fn target(service: &str) -> Value {
    json!({
        "source": "prometheus", "alertname": "TargetDown", "severity": "warning", "job": "shop", "service": service,
    })
}

fn prometheus(alertname: &str) -> Value {
    json!({ "source": "prometheus", "alertname": alertname, "severity": "warning", "job": "ward" })
}

fn name(labels: &Value) -> String {
    let text = |name: &str| labels[name].as_str().unwrap_or_default();
    format!("{} {}", text("alertname"), text("service"))
}
