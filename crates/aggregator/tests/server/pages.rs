//! What readers of status pages and badges see.

use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::Value;
use ward_proto::v1::{
    self,
    Status::{Degraded, Healthy},
};

use crate::harness::{Aggregator, hello, start, start_configured};

async fn page(ward: &Aggregator, path: &str) -> Value {
    let answer = ward.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store", "{path}");
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_page_tells_what_is_known_and_never_more() {
    let ward = start().await;
    let empty = page(&ward, "/api/v2/summary.json").await;
    assert_eq!(
        empty["status"]["indicator"], "major",
        "nobody has reported: {empty}"
    );
    assert_eq!(empty["components"], Value::Array(Vec::new()));

    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Healthy)).await;
    reporter.hello(hello("cart", Degraded)).await;
    let needs_unseen = v1::Hello {
        dependencies: vec![v1::Dependency {
            service: "unseen".into(),
            ..Default::default()
        }],
        ..hello("shop", Healthy)
    };
    reporter.hello(needs_unseen).await;
    let maintained = v1::StartMaintenanceRequest {
        service: "cart".into(),
        by: "ops".into(),
        why: "new disks".into(),
        duration_ms: 3_600_000,
    };
    ward.client().await.start_maintenance(maintained).await.unwrap();

    let summary = page(&ward, "/api/v2/summary.json").await;
    let status = |name: &str| {
        let components = summary["components"].as_array().unwrap();
        let component = components.iter().find(|component| component["name"] == name);
        component.map(|component| component["status"].clone()).unwrap()
    };
    assert_eq!(status("bank"), "operational");
    assert_eq!(status("cart"), "under_maintenance");
    assert_eq!(status("unseen"), "partial_outage", "unknown is not operational");
    assert_eq!(status("shop"), "partial_outage", "nor is what needs it");
    assert_eq!(
        page(&ward, "/api/v2/status.json").await["status"],
        summary["status"]
    );
    assert_eq!(
        page(&ward, "/api/v2/components.json").await["components"],
        summary["components"]
    );
    assert_eq!(
        page(&ward, "/api/v2/incidents.json").await["incidents"],
        Value::Array(Vec::new())
    );
    let scheduled = page(&ward, "/api/v2/scheduled-maintenances.json").await;
    let under_way = &scheduled["scheduled_maintenances"][0];
    assert_eq!(
        (&under_way["status"], &under_way["name"]),
        (&"in_progress".into(), &"cart: new disks".into())
    );
    ward.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_the_file_are_scheduled() {
    let ward = start_configured(
        "[services.bank]\nmaintenance = [{ every = \"sunday\", at = \"02:00\", for = \"2h\", why = \"updates\" }]\n",
    )
    .await;
    let path = "/api/v2/scheduled-maintenances.json";
    let page = crate::harness::until("the window is known", async || {
        let page = page(&ward, path).await;
        (page["scheduled_maintenances"] != Value::Array(Vec::new())).then_some(page)
    });
    let page = page.await;
    let window = &page["scheduled_maintenances"][0];
    assert_eq!(window["name"], "bank: updates");
    assert!(window["scheduled_until"].is_string(), "{window}");
    ward.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_badge_says_the_status_in_a_word() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Degraded)).await;
    let image = ward.get("/badge/bank.svg").await;
    assert_eq!(
        (image.status().as_u16(), &image.headers()[CONTENT_TYPE]),
        (200, &"image/svg+xml".parse().unwrap())
    );
    assert!(
        image.headers()[CACHE_CONTROL]
            .to_str()
            .unwrap()
            .contains("no-store")
    );
    assert!(
        image
            .text()
            .await
            .unwrap()
            .contains("<title>bank: degraded</title>")
    );
    let endpoint: Value = ward.get("/badge/bank.json").await.json().await.unwrap();
    assert_eq!(
        (
            &endpoint["schemaVersion"],
            &endpoint["label"],
            &endpoint["message"]
        ),
        (&1.into(), &"bank".into(), &"degraded".into())
    );
    let system: Value = ward.get("/badge/system.json").await.json().await.unwrap();
    assert_eq!(system["message"], "degraded");

    for (path, kind) in [
        ("/badge/nobody.svg", "image/svg+xml"),
        ("/badge/%3Cscript%3E.svg", "image/svg+xml"),
        ("/badge/nobody.json", "application/json"),
        ("/badge/bank", "application/problem+json"),
        ("/badge/bank.png", "application/problem+json"),
    ] {
        let answer = ward.get(path).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[CONTENT_TYPE]),
            (404, &kind.parse().unwrap()),
            "{path}"
        );
        assert!(!answer.text().await.unwrap().contains("<script>"), "{path}");
    }
    ward.app.stop().await;
}
