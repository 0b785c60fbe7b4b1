//! The HTTP API as an honest client uses it: reports, lists, maintenance, forgetting, and what it says of failures.

use std::collections::BTreeSet;

use reqwest::{Response, header};
use serde_json::{Value, json};
use tonic_types::StatusExt;
use ward_proto::v1::{self, Status::Healthy};

use crate::harness::{Aggregator, hello, start, until};

async fn post(ward: &Aggregator, path: &str, body: &Value) -> Response {
    let client = reqwest::Client::new();
    client.post(ward.url(path)).json(body).send().await.unwrap()
}

async fn delete(ward: &Aggregator, path: &str) -> Response {
    reqwest::Client::new()
        .delete(ward.url(path))
        .send()
        .await
        .unwrap()
}

async fn json(ward: &Aggregator, path: &str) -> Value {
    let answer = ward.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

async fn report(ward: &Aggregator, body: Value) -> Value {
    let answer = post(ward, "/api/v1/report", &body).await;
    let status = answer.status();
    let told: Value = answer.json().await.unwrap();
    assert_eq!(status, 200, "{told}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_report_is_enough_and_a_whole_one_counts_as_over_grpc() {
    let ward = start().await;
    let least = report(&ward, json!({ "service": "backup", "status": "healthy" })).await;
    assert_eq!(
        least,
        json!({ "registration": { "service": "backup", "instance": "default", "interval_ms": 5_000,
            "suspect_after_ms": 15_000, "lost_after_ms": 20_000 }, "left_out": [] })
    );
    let whole = report(
        &ward,
        json!({
            "service": "bank", "instance": "one", "incarnation": "first", "version": "1.2", "interval": "1d",
            "labels": { "zone": "eu" }, "criticality": "critical",
            "dependencies": [{ "service": "backup", "kind": "soft" }, { "service": "bank" }],
            "checks": [{ "name": "ledger", "kind": "advisory", "subject": "ledger" }],
            "signals": [{ "name": "error_ratio", "degraded": { "raise": 0.1, "clear": 0.05 } }],
            "status": "healthy", "message": "as ever",
            "results": [{ "name": "ledger", "status": "unhealthy", "message": "refused" }],
            "values": [{ "name": "error_ratio", "value": 0.5 }],
        }),
    )
    .await;
    assert_eq!(whole["registration"]["interval_ms"], 86_400_000);
    assert_eq!(
        whole["left_out"][0]["pointer"], "/dependencies/1/service",
        "{whole}"
    );
    let told = ward.service("bank").await;
    let instance = &told.instances[0];
    assert_eq!(
        (instance.version.as_str(), instance.labels["zone"].as_str()),
        ("1.2", "eu")
    );
    assert_eq!(
        told.service.as_ref().unwrap().criticality(),
        v1::Criticality::Critical
    );
    let told = json(&ward, "/api/v1/services/bank").await;
    assert_eq!(told["service"]["condition"]["status"], "degraded", "{told}");
    let checks = told["instances"][0]["checks"].as_array().unwrap();
    let checks: BTreeSet<_> = checks
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(checks, BTreeSet::from(["ledger", "self"]));
    assert_eq!(told["instances"][0]["signals"][0]["value"], 0.5);
    assert!(
        told["service"]["condition"]["since"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    // Another life is refused while this one is alive, and the last word of this one is taken.
    let other = json!({ "service": "bank", "instance": "one", "incarnation": "second", "status": "healthy" });
    let refused = post(&ward, "/api/v1/report", &other).await;
    assert_eq!(refused.status(), 409);
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "ALREADY_EXISTS");
    let goodbye = json!({ "service": "bank", "instance": "one", "incarnation": "first", "goodbye": true });
    assert_eq!(report(&ward, goodbye).await, json!({ "left_out": [] }));
    assert_eq!(ward.service("bank").await.instances, []);
}

async fn names(ward: &Aggregator, query: &str) -> Vec<String> {
    let page = json(ward, &format!("/api/v1/services?{query}")).await;
    let services = page["services"].as_array().unwrap().clone();
    services
        .iter()
        .map(|service| service["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged() {
    let ward = start().await;
    for (service, status, criticality) in [
        ("bank", "unhealthy", "critical"),
        ("cart", "healthy", "important"),
        ("catalog", "degraded", "optional"),
        ("payments", "healthy", "critical"),
    ] {
        report(
            &ward,
            json!({ "service": service, "status": status, "criticality": criticality, "interval": "1h" }),
        )
        .await;
    }
    let start = json!({ "service": "cart", "by": "alice" });
    assert_eq!(post(&ward, "/api/v1/maintenance", &start).await.status(), 201);
    for (query, expected) in [
        ("", &["bank", "cart", "catalog", "payments"][..]),
        ("least_severity=degraded", &["bank", "catalog"]),
        ("status=healthy", &["cart", "payments"]),
        ("status=healthy,degraded", &["cart", "catalog", "payments"]),
        ("criticality=critical", &["bank", "payments"]),
        ("criticality=critical&status=healthy", &["payments"]),
        ("in_maintenance=true", &["cart"]),
        ("in_maintenance=false", &["bank", "catalog", "payments"]),
        ("prefix=ca", &["cart", "catalog"]),
        ("text=a", &["bank", "cart", "catalog", "payments"]),
        ("text=art", &["cart"]),
        ("prefix=zz", &[]),
    ] {
        assert_eq!(names(&ward, query).await, expected, "{query}");
    }
    let mut seen = Vec::new();
    let mut query = "page_size=1&status=healthy,unhealthy".to_owned();
    loop {
        let page = json(&ward, &format!("/api/v1/services?{query}")).await;
        let services = page["services"].as_array().unwrap();
        assert_eq!(services.len(), 1, "{page}");
        seen.push(services[0]["name"].as_str().unwrap().to_owned());
        match page["next_page_token"].as_str() {
            Some(token) => query = format!("page_size=1&status=healthy,unhealthy&page_token={token}"),
            None => break,
        }
    }
    assert_eq!(seen, ["bank", "cart", "payments"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_and_goes_on_across_what_is_looked_at_once() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let hellos: Vec<_> = (0..1_203).map(|n| hello(&format!("s{n:04}"), Healthy)).collect();
    for part in hellos.chunks(100) {
        reporter
            .send(v1::ReportRequest {
                hellos: part.to_vec(),
                ..Default::default()
            })
            .await;
        reporter.next().await;
    }
    let total = async || json(&ward, "/api/v1/system").await["system"]["services"]["total"].as_u64();
    until("all are there", async || {
        total().await.filter(|&total| total == 1_203)
    })
    .await;
    let page = json(&ward, "/api/v1/services?page_size=1000").await;
    assert_eq!(page["services"].as_array().unwrap().len(), 1_000);
    assert_eq!(page["next_page_token"], "s0999");
    let rest = json(&ward, "/api/v1/services?page_size=1000&page_token=s0999").await;
    assert_eq!(rest["services"].as_array().unwrap().len(), 203);
    assert!(rest["next_page_token"].is_null());
    // One that stands behind everything that is looked at first.
    assert_eq!(names(&ward, "text=1202").await, ["s1202"]);
    let health: Value = ward.get("/health").await.json().await.unwrap();
    assert_eq!(health["components"].as_object().unwrap().len(), 1_203);
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_is_begun_listed_and_ended() {
    let ward = start().await;
    report(
        &ward,
        json!({ "service": "bank", "status": "unhealthy", "criticality": "critical" }),
    )
    .await;
    assert_eq!(
        json(&ward, "/api/v1/system").await["system"]["condition"]["status"],
        "unhealthy"
    );
    let start = json!({ "service": "bank", "by": "alice", "why": "new disks", "duration": "2h" });
    let begun = post(&ward, "/api/v1/maintenance", &start).await;
    assert_eq!(begun.status(), 201);
    assert_eq!(begun.headers()[header::LOCATION], "/api/v1/maintenance/bank");
    let begun: Value = begun.json().await.unwrap();
    assert_eq!(
        (&begun["by"], &begun["why"]),
        (&json!("alice"), &json!("new disks"))
    );
    let listed = json(&ward, "/api/v1/maintenance").await;
    assert_eq!(
        (&listed["active"], &listed["upcoming"]),
        (&json!([begun]), &json!([]))
    );
    assert_eq!(
        json(&ward, "/api/v1/system").await["system"]["condition"]["status"],
        "degraded"
    );
    let ended = delete(&ward, "/api/v1/maintenance/bank?by=alice").await;
    assert_eq!(ended.status(), 204);
    assert_eq!(json(&ward, "/api/v1/maintenance").await["active"], json!([]));
    let again = delete(&ward, "/api/v1/maintenance/bank?by=alice").await;
    assert_eq!(again.status(), 409);
    assert_eq!(again.json::<Value>().await.unwrap()["code"], "NOT_IN_MAINTENANCE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_for_good_can_be_forgotten_and_what_lives_cannot() {
    let ward = start().await;
    report(
        &ward,
        json!({ "service": "bank", "instance": "one", "status": "healthy" }),
    )
    .await;
    for path in [
        "/api/v1/services/bank?by=alice",
        "/api/v1/services/bank/instances/one?by=alice",
    ] {
        let alive = delete(&ward, path).await;
        assert_eq!(alive.status(), 409, "{path}");
        assert_eq!(alive.json::<Value>().await.unwrap()["code"], "STILL_ALIVE");
    }
    let nobody = delete(&ward, "/api/v1/services/bank/instances/two?by=alice").await;
    assert_eq!(nobody.status(), 404);
    assert_eq!(nobody.json::<Value>().await.unwrap()["code"], "NO_SUCH_INSTANCE");
    report(
        &ward,
        json!({ "service": "bank", "instance": "one", "goodbye": true }),
    )
    .await;
    let forgotten = delete(&ward, "/api/v1/services/bank?by=alice").await;
    assert_eq!(forgotten.status(), 200);
    assert!(forgotten.json::<Value>().await.unwrap()["forgotten_instances"].is_u64());
    let gone = ward.get("/api/v1/services/bank").await;
    assert_eq!(gone.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_edges_tell_a_failure_by_the_same_word() {
    let ward = start().await;
    report(&ward, json!({ "service": "payments", "status": "healthy" })).await;
    let over_http: Value = ward.get("/api/v1/services/paymnets").await.json().await.unwrap();
    let detail = over_http["detail"].as_str().unwrap();
    assert!(detail.contains("did you mean payments?"), "{detail}");
    let mut client = ward.client().await;
    let asked = client
        .get_service(v1::GetServiceRequest {
            name: "paymnets".into(),
        })
        .await;
    let details = asked.unwrap_err().get_error_details();
    assert_eq!(over_http["code"], details.error_info().unwrap().reason);
    assert_eq!(details.resource_info().unwrap().resource_name, "paymnets");
    let over_http: Value = ward.get("/api/v1/services/PAYMENTS").await.json().await.unwrap();
    let asked = client
        .get_service(v1::GetServiceRequest {
            name: "PAYMENTS".into(),
        })
        .await;
    let details = asked.unwrap_err().get_error_details();
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(
        (&over_http["code"], over_http["errors"][0]["parameter"].as_str()),
        (&json!("INVALID_FIELD"), Some("name"))
    );
    assert_eq!(
        (violation.field.as_str(), &over_http["errors"][0]["detail"]),
        ("name", &json!(violation.description))
    );
    let once = v1::ReportOnceRequest {
        hello: Some(v1::Hello::default()),
        goodbye: false,
    };
    let details = client.report_once(once).await.unwrap_err().get_error_details();
    assert_eq!(
        details.bad_request().unwrap().field_violations[0].field,
        "hello.service"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn explanations_are_those_of_grpc() {
    let ward = start().await;
    report(
        &ward,
        json!({ "service": "bank", "status": "unhealthy", "message": "no money" }),
    )
    .await;
    report(
        &ward,
        json!({ "service": "payments", "status": "healthy", "dependencies": [{ "service": "bank" }] }),
    )
    .await;
    let why = json(&ward, "/api/v1/services/payments/explain").await;
    let links = why["chains"][0]["links"].as_array().unwrap();
    let path: Vec<_> = links
        .iter()
        .map(|link| link["service"].as_str().unwrap())
        .collect();
    assert_eq!(
        (path, &links[1]["via"]),
        (vec!["payments", "bank"], &json!("hard"))
    );
    assert_eq!(links[1]["evidence"][0]["condition"]["message"], "no money");
    let system = json(&ward, "/api/v1/explain").await;
    assert!(
        system["name"].is_null() && !system["chains"].as_array().unwrap().is_empty(),
        "{system}"
    );
}
