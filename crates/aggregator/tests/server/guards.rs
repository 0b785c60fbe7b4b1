//! What one HTTP client may cost, and which pages may ask.

use std::time::Duration;

use reqwest::{Method, header};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use ward_aggregator::{Config, HttpLimits};
use ward_proto::v1::{self, Status::Healthy};

use crate::harness::{Aggregator, Reporter, SOON, hello, rate, start_with, until};

async fn limited(limits: HttpLimits) -> Aggregator {
    start_with(|config| Config {
        http_limits: limits,
        ..config
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let ward = limited(HttpLimits {
        reads: rate(5, 1),
        ..HttpLimits::default()
    })
    .await;
    for _ in 0..5 {
        assert_eq!(ward.get("/api/v1/system").await.status(), 200);
    }
    let refused = ward.get("/api/v1/system").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert_eq!(
        ward.get("/api/openapi.json").await.status(),
        429,
        "as all of /api"
    );
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(
        (&problem["code"], &problem["retry_after_seconds"]),
        (&"TOO_MANY_REQUESTS".into(), &1.into())
    );
    for path in ["/livez", "/readyz", "/health/live", "/metrics"] {
        assert_eq!(
            ward.get(path).await.status(),
            200,
            "{path}: an orchestrator is not refused for it"
        );
    }
    assert!(ward.metric(r#"ward_http_refused_total{reason="rate"}"#).await >= 1.0);
    until("it may ask again", async || {
        (ward.get("/api/v1/system").await.status() == 200).then_some(())
    })
    .await;
}

/// Asks for a page and reads nothing.
async fn asks_and_does_not_read(ward: &Aggregator, path: &str) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // Little fits between the two, so that the answer waits on the other side.
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(ward.app.http_addr()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: ward\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).await.unwrap();
    stream
}

/// A system of so many times 90 services, each of which takes 700 bytes to tell of.
pub(crate) async fn large(ward: &Aggregator, parts: usize) -> Reporter {
    let mut reporter = ward.reporter().await;
    let message = "x".repeat(500);
    for part in 0..parts {
        let hellos = (0..90).map(|n| {
            let mut hello = hello(&format!("s{part:02}-{n:02}"), v1::Status::Degraded);
            hello.interval_ms = 3_600_000;
            hello.results[0].message.clone_from(&message);
            hello
        });
        reporter
            .send(v1::ReportRequest {
                hellos: hellos.collect(),
                ..Default::default()
            })
            .await;
        reporter.next().await;
    }
    reporter
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_have_a_bound_and_an_end() {
    let limits = HttpLimits {
        pages: 4,
        places_per_client: 3,
        read_time: Duration::from_secs(3),
        ..HttpLimits::default()
    };
    let ward = limited(limits).await;
    // A page of 4 MB does not fit into the buffers of a socket: 2.6 on Linux, to oneself.
    let _reporter = large(&ward, 60).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(asks_and_does_not_read(&ward, "/health").await);
    }
    let refused = ward.get("/health").await;
    let status = refused.status();
    let retry = refused.headers().get(header::RETRY_AFTER).cloned();
    let told = refused.text().await.unwrap();
    let told = &told[..told.len().min(500)];
    assert_eq!(status, 429, "three wait to be read by this client: {told}");
    assert_eq!(retry.unwrap(), "1");
    for path in ["/livez", "/api/v1/system"] {
        assert_eq!(
            ward.get(path).await.status(),
            200,
            "{path} has nothing to do with it"
        );
    }
    until("their connections are cut", async || {
        (ward.get("/health").await.status() == 200).then_some(())
    })
    .await;
    let mut rest = Vec::new();
    let read = timeout(SOON, slow[0].read_to_end(&mut rest))
        .await
        .expect("an end");
    assert!(read.is_err() || !rest.ends_with(b"}"), "cut before the end");
    assert!(ward.metric(r#"ward_http_refused_total{reason="busy"}"#).await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_named_may_ask_and_others_may_not() {
    let origin = "https://status.example";
    let ward = start_with(|config| Config {
        cors_origins: vec![origin.into()],
        ..config
    })
    .await;
    let client = reqwest::Client::new();
    let preflight = client
        .request(Method::OPTIONS, ward.url("/api/v1/report"))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let preflight = preflight.send().await.unwrap();
    assert_eq!(preflight.status(), 200);
    assert_eq!(preflight.headers()["access-control-allow-origin"], origin);
    let report = |origin: &'static str| {
        let body = serde_json::json!({ "service": "bank", "status": "healthy" });
        client
            .post(ward.url("/api/v1/report"))
            .header("origin", origin)
            .json(&body)
            .send()
    };
    assert_eq!(report("https://status.example").await.unwrap().status(), 200);
    let other = report("https://evil.example").await.unwrap();
    assert_eq!(other.status(), 403);
    assert!(!other.headers().contains_key("access-control-allow-origin"));
    assert!(ward.metric(r#"ward_http_refused_total{reason="origin"}"#).await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_have_other_names_and_tell_people_more() {
    let ward = start_with(|config| config).await;
    for path in [
        "/livez",
        "/healthz",
        "/health/live",
        "/readyz",
        "/health/ready",
        "/startupz",
        "/health/startup",
    ] {
        let answer = ward.get(&format!("{path}?t=1&unknown")).await;
        assert_eq!(answer.status(), 200, "{path}, though the system is unknown");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let verbose = ward.get(&format!("{path}?verbose")).await.text().await.unwrap();
        let last = verbose.lines().last().unwrap();
        assert!(
            verbose.starts_with("[+]") && last.ends_with("check passed"),
            "{path}: {verbose}"
        );
    }
    let text = ward
        .get("/readyz?verbose&exclude=drain&exclude=nothing")
        .await
        .text()
        .await
        .unwrap();
    assert_eq!(
        text,
        "[+]start ok\n[+]audit ok\n[+]store ok\nwarn: something was excluded that is not looked at here\nreadyz check passed\n"
    );
    assert!(
        ward.get("/health/metrics")
            .await
            .text()
            .await
            .unwrap()
            .ends_with("# EOF\n")
    );
    let index: Value = ward.get("/").await.json().await.unwrap();
    for link in index["links"].as_object().unwrap().values() {
        let link = link.as_str().unwrap();
        if link != "/api/v1/watch" {
            assert_ne!(ward.get(link).await.status(), 404, "{link}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_in_other_words_to_who_asks_for_them() {
    let ward = start_with(|config| config).await;
    let ask = async || {
        let client = reqwest::Client::new();
        let request = client
            .get(ward.url("/health"))
            .header("accept", "application/health+json");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/health+json");
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (code, page) = ask().await;
    assert_eq!(
        (code, &page["status"]),
        (503, &"fail".into()),
        "unknown is not pass: {page}"
    );
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    let (code, page) = ask().await;
    assert_eq!(
        (code, &page["status"], page.get("output")),
        (200, &"pass".into(), None),
        "{page}"
    );
    assert_eq!(page["checks"]["bank:status"][0]["observedValue"], "healthy");
    reporter
        .update(crate::harness::update(handle, 2, v1::Status::Degraded))
        .await;
    let (code, page) = until("degraded", async || {
        Some(ask().await).filter(|(_, page)| page["status"] == "warn")
    })
    .await;
    assert_eq!(code, 200);
    assert!(page["output"].as_str().unwrap().contains("says so"), "{page}");
    let plain = ward.get("/health").await;
    assert_eq!(
        (&plain.headers()["content-type"], &plain.headers()["vary"]),
        (&"application/json".parse().unwrap(), &"Accept".parse().unwrap())
    );
}
