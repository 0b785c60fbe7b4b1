//! What probes, people and Prometheus see.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::Value;
use ward_proto::v1::{
    self,
    Status::{Degraded, Healthy, Unhealthy},
};

use crate::harness::{Aggregator, hello, start, until, update};

async fn health(ward: &Aggregator) -> (u16, Value) {
    let answer = ward.get("/health").await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_the_system_and_its_code_follows() {
    let ward = start().await;
    let (code, page) = health(&ward).await;
    assert_eq!(
        (code, &page["status"]),
        (503, &Value::from("unknown")),
        "nobody has reported: {page}"
    );
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    for (sequence, status, expected, code) in [
        (2, Degraded, "degraded", 200),
        (3, Unhealthy, "unhealthy", 503),
        (4, Healthy, "healthy", 200),
    ] {
        reporter.update(update(handle, sequence, status)).await;
        let page = until(expected, async || {
            Some(health(&ward).await).filter(|(_, page)| page["status"] == expected)
        });
        let (found, page) = page.await;
        assert_eq!(found, code, "{page}");
        assert_eq!(page["components"]["bank"]["status"], expected);
    }
    let (_, page) = health(&ward).await;
    assert_eq!(
        (page["service"].as_str(), page["version"].as_str()),
        (Some("ward"), Some(env!("CARGO_PKG_VERSION")))
    );
    assert!(page["uptime_seconds"].as_f64().unwrap() > 0.0);
    let timestamp = page["timestamp"].as_str().unwrap();
    assert!(
        timestamp.starts_with("20") && timestamp.ends_with('Z'),
        "{timestamp}"
    );
    // An optional service does not decide about the system, a critical one of which nothing is known does.
    let needs = vec![v1::Dependency {
        service: "nobody".into(),
        ..Default::default()
    }];
    reporter
        .hello(v1::Hello {
            dependencies: needs,
            ..hello("blind", Healthy)
        })
        .await;
    // Were it for the system alone, which something merely ill makes degraded, the answer would be 200.
    let important = v1::Criticality::Important.into();
    reporter
        .hello(v1::Hello {
            criticality: important,
            ..hello("ill", Degraded)
        })
        .await;
    let (code, page) = health(&ward).await;
    assert_eq!(
        (code, &page["status"], &page["critical_unknown"]),
        (503, &Value::from("degraded"), &serde_json::json!(["blind"])),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_about_this_process_alone() {
    let ward = start().await;
    for path in ["/livez", "/readyz", "/startupz"] {
        let answer = ward.get(path).await;
        assert_eq!(answer.status(), 200, "{path}, though the system is unknown");
        assert_eq!(answer.json::<Value>().await.unwrap()["status"], "ok");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_open_metrics() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Healthy)).await;
    let answer = ward.get("/metrics").await;
    let kind = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert!(text.ends_with("# EOF\n"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let named = series.starts_with("ward_") || series.starts_with("process_");
        assert!(named, "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert_eq!(
        ward.metric(r#"ward_service_status{service="bank",status="healthy"}"#)
            .await,
        1.0
    );
    assert_eq!(ward.metric(r#"ward_system_status{status="healthy"}"#).await, 1.0);
    assert_eq!(ward.metric(r#"ward_connections{listener="grpc"}"#).await, 1.0);
    assert_eq!(ward.metric(r#"ward_reports_total{kind="hello"}"#).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_get_and_head_and_nothing_else() {
    let ward = start().await;
    let client = reqwest::Client::new();
    let head = client.head(ward.url("/livez")).send().await.unwrap();
    assert_eq!(head.status(), 200);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = client
            .request(method.clone(), ward.url("/health"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 405, "{method}");
    }
    let answer = client.get(ward.url("/nowhere")).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], 404);
}
