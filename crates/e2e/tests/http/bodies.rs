//! Every field of every body, wrong in every way.

use serde_json::{Value, json};
use ward_aggregator::HttpLimits;

use crate::target::{problem, start, unhurried};

/// A report with this in it, and where the problem is told to be.
const WRONG: &[(&str, &str)] = &[
    (r#"{"status":"healthy"}"#, "/service"),
    (r#"{"service":""}"#, "/service"),
    (r#"{"service":null}"#, "/service"),
    (r#"{"service":5}"#, "/service"),
    (r#"{"service":["bank"]}"#, "/service"),
    (r#"{"service":"Bank"}"#, "/service"),
    (r#"{"service":"bank "}"#, "/service"),
    (r#"{"service":"ba\u001b[31mnk"}"#, "/service"),
    (r#"{"service":"b\u0000"}"#, "/service"),
    (r#"{"service":"bänk"}"#, "/service"),
    (r#"{"service":"a_b"}"#, "/service"),
    (r#"{"service":"system"}"#, "/service"),
    (r#"{"service":"new","instance":""}"#, "/instance"),
    (r#"{"service":"new","instance":"A"}"#, "/instance"),
    (r#"{"service":"new","instance":7}"#, "/instance"),
    (r#"{"service":"new","incarnation":"a b"}"#, "/incarnation"),
    (r#"{"service":"new","incarnation":{}}"#, "/incarnation"),
    (r#"{"service":"new","version":"1\u0007"}"#, "/version"),
    (r#"{"service":"new","version":1}"#, "/version"),
    (r#"{"service":"new","interval":1}"#, "/interval_ms"),
    (r#"{"service":"new","interval":-1}"#, "/interval"),
    (r#"{"service":"new","interval":"5"}"#, "/interval"),
    (r#"{"service":"new","interval":"soon"}"#, "/interval"),
    (r#"{"service":"new","interval":"40d"}"#, "/interval_ms"),
    (r#"{"service":"new","interval":99999999999}"#, "/interval"),
    (r#"{"service":"new","interval":1.5}"#, "/interval"),
    (r#"{"service":"new","labels":[]}"#, "/labels"),
    (r#"{"service":"new","labels":{"a":1}}"#, "/labels/a"),
    (r#"{"service":"new","labels":{"":"x"}}"#, "/labels"),
    (r#"{"service":"new","labels":{"a":"\u0000"}}"#, "/labels/value"),
    (r#"{"service":"new","criticality":"vital"}"#, "/criticality"),
    (r#"{"service":"new","criticality":"Critical"}"#, "/criticality"),
    (r#"{"service":"new","dependencies":{}}"#, "/dependencies"),
    (r#"{"service":"new","dependencies":["bank"]}"#, "/dependencies/0"),
    (
        r#"{"service":"new","dependencies":[["bank","hard",null]]}"#,
        "/dependencies/0",
    ),
    (
        r#"{"service":"new","dependencies":[{}]}"#,
        "/dependencies/0/service",
    ),
    (
        r#"{"service":"new","dependencies":[{"service":"X"}]}"#,
        "/dependencies/0/service",
    ),
    (
        r#"{"service":"new","dependencies":[{"service":"x","kind":"rigid"}]}"#,
        "/dependencies/0/kind",
    ),
    (
        r#"{"service":"new","dependencies":[{"service":"x","any_of":"G"}]}"#,
        "/dependencies/0/any_of",
    ),
    (r#"{"service":"new","checks":[{"name":"A"}]}"#, "/checks/0/name"),
    (
        r#"{"service":"new","checks":[{"name":"a"},{"name":"a"}]}"#,
        "/checks/1/name",
    ),
    (
        r#"{"service":"new","checks":[{"name":"a","kind":"optional"}]}"#,
        "/checks/0/kind",
    ),
    (
        r#"{"service":"new","checks":[{"name":"a","subject":"liveness"}]}"#,
        "/checks/0/subject",
    ),
    (
        r#"{"service":"new","signals":[{"name":"s","degraded":{"raise":1}}]}"#,
        "/signals/0/degraded/clear",
    ),
    (
        r#"{"service":"new","signals":[{"name":"s","degraded":[2,1]}]}"#,
        "/signals/0/degraded",
    ),
    (
        r#"{"service":"new","signals":[{"name":"s","degraded":{"raise":1,"clear":2}}]}"#,
        "/signals/0/degraded/clear",
    ),
    (r#"{"service":"new","status":"fine"}"#, "/status"),
    (r#"{"service":"new","status":0}"#, "/status"),
    (r#"{"service":"new","message":"alone"}"#, "/message"),
    (
        r#"{"service":"new","results":[{"name":"a"}]}"#,
        "/results/0/status",
    ),
    (
        r#"{"service":"new","results":[{"name":"a","status":"healthy","message":3}]}"#,
        "/results/0/message",
    ),
    (
        r#"{"service":"new","status":"healthy","results":[{"name":"self","status":"healthy"}]}"#,
        "/results/1/name",
    ),
    (
        r#"{"service":"new","values":[{"name":"v","value":"1"}]}"#,
        "/values/0/value",
    ),
    (
        r#"{"service":"new","values":[{"name":"v","value":null}]}"#,
        "/values/0/value",
    ),
    (r#"{"service":"new","goodbye":"yes"}"#, "/goodbye"),
    (r#"{"service":"new","servise":"x"}"#, "/servise"),
    (r#"{"service":"new","service":"other"}"#, "/service"),
    (r#"["new"]"#, ""),
    (r#""new""#, ""),
    ("null", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_report_that_is_wrong_is_named() {
    let target = start(unhurried()).await;
    for (body, pointer) in WRONG {
        let answer = send(&target, "/api/v1/report", (*body).into()).await;
        let (status, problem) = problem(answer).await;
        assert_eq!(status, 400, "{body}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], *pointer, "{body}: {problem}");
    }
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_maintenance_that_is_wrong_is_named() {
    let target = start(unhurried()).await;
    let long = "x".repeat(600);
    for (body, pointer) in [
        (json!({ "by": "alice" }), "/service"),
        (json!({ "service": "bank" }), "/by"),
        (json!({ "service": "bank", "by": "" }), "/by"),
        (json!({ "service": "bank", "by": "\u{1b}[2J" }), "/by"),
        (json!({ "service": "bank", "by": long }), "/by"),
        (json!({ "service": "bank", "by": "alice", "why": long }), "/why"),
        (json!({ "service": "bank", "by": "alice", "why": 5 }), "/why"),
        (
            json!({ "service": "bank", "by": "alice", "duration": 0 }),
            "/duration",
        ),
        (
            json!({ "service": "bank", "by": "alice", "duration": "-1h" }),
            "/duration",
        ),
        (
            json!({ "service": "bank", "by": "alice", "until": "noon" }),
            "/until",
        ),
        (json!({ "service": "BANK", "by": "alice" }), "/service"),
    ] {
        let (status, problem) = problem(target.post("/api/v1/maintenance", &body).await).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (400, &Value::from(pointer)),
            "{body}: {problem}"
        );
    }
    let unknown = json!({ "service": "bnak", "by": "alice" });
    let (status, problem) = problem(target.post("/api/v1/maintenance", &unknown).await).await;
    assert_eq!((status, &problem["code"]), (404, &Value::from("NO_SUCH_SERVICE")));
    assert!(
        problem["detail"].as_str().unwrap().contains("did you mean bank?"),
        "{problem}"
    );
    target.is_unharmed().await;
}

async fn send(target: &crate::target::Target, path: &str, body: Vec<u8>) -> reqwest::Response {
    let request = target.client.post(target.url(path)).body(body);
    request
        .header("content-type", "application/json")
        .send()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_refused_as_such() {
    let target = start(unhurried()).await;
    for body in [
        &b""[..],
        b"{",
        b"{\"service\":\"ne",
        b"service=new",
        b"\xff\xfe{\x00}\x00",
        b"{\"service\":\"\xff\"}",
        b"{\"service\":\"new\"} trailing",
        b"\xef\xbb\xbf{\"service\":\"new\"}",
        b"{'service':'new'}",
        b"{\"service\":\"new\",}",
        b"{\"service\":\"new\",\"values\":[{\"name\":\"v\",\"value\":NaN}]}",
        b"{\"service\":\"new\",\"values\":[{\"name\":\"v\",\"value\":1e999}]}",
        b"{\"service\":\"\\ud800\"}",
    ] {
        let (status, problem) = problem(send(&target, "/api/v1/report", body.to_vec()).await).await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(
            (status, &problem["code"]),
            (400, &Value::from("NOT_JSON")),
            "{shown}: {problem}"
        );
    }
    let deep = "[".repeat(60_000).into_bytes();
    assert_eq!(problem(send(&target, "/api/v1/report", deep).await).await.0, 400);
    let large = format!("{{\"service\":\"{}\"}}", "a".repeat(70_000)).into_bytes();
    assert_eq!(problem(send(&target, "/api/v1/report", large).await).await.0, 413);
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_json_and_only_from_pages_that_may() {
    let target = start(unhurried()).await;
    let report = r#"{"service":"new","status":"healthy"}"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=utf-16",
        "json",
        "",
    ] {
        let request = target
            .client
            .post(target.url("/api/v1/report"))
            .body(report)
            .header("content-type", kind);
        assert_eq!(problem(request.send().await.unwrap()).await.0, 415, "{kind}");
    }
    let bare = target
        .client
        .post(target.url("/api/v1/report"))
        .body(report)
        .send()
        .await
        .unwrap();
    assert_eq!(problem(bare).await.0, 415, "no type at all");
    for origin in ["http://evil.example", "null", "http://127.0.0.1"] {
        for request in [
            target.client.post(target.url("/api/v1/report")).body(report),
            target
                .client
                .delete(target.url("/api/v1/services/bank?by=mallory")),
        ] {
            let request = request
                .header("content-type", "application/json")
                .header("origin", origin);
            let (status, problem) = problem(request.send().await.unwrap()).await;
            assert_eq!(
                (status, &problem["code"]),
                (403, &Value::from("ORIGIN_NOT_ALLOWED")),
                "{origin}"
            );
        }
    }
    let seen = target
        .client
        .get(target.url("/api/v1/system"))
        .header("origin", "http://evil.example");
    let seen = seen.send().await.unwrap();
    assert!(
        !seen.headers().contains_key("access-control-allow-origin"),
        "CORS is off"
    );
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_differ_by_case_are_never_one() {
    let target = start(unhurried()).await;
    let upper = target
        .post(
            "/api/v1/report",
            &json!({ "service": "BANK", "status": "unhealthy" }),
        )
        .await;
    let (status, said) = problem(upper).await;
    assert_eq!(status, 400);
    assert!(
        said["detail"].as_str().unwrap().contains("expected only a-z"),
        "{said}"
    );
    for path in ["/api/v1/services/BANK", "/api/v1/services/Bank/explain"] {
        let answer = target.client.get(target.url(path)).send().await.unwrap();
        assert_eq!(problem(answer).await.0, 400, "{path}");
    }
    let badge = target
        .client
        .get(target.url("/badge/BANK.svg"))
        .send()
        .await
        .unwrap();
    assert_eq!(badge.status(), 404);
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_in_is_not_waited_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let limits = HttpLimits {
        body_time: std::time::Duration::from_millis(300),
        ..unhurried()
    };
    let target = start(limits).await;
    let mut stream = tokio::net::TcpStream::connect(target.app.http_addr())
        .await
        .unwrap();
    let head = "POST /api/v1/report HTTP/1.1\r\nhost: ward\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 512];
    let read = tokio::time::timeout(crate::target::SOON, stream.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    target.is_unharmed().await;
}
