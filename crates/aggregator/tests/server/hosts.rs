//! By which names it is asked for, and what every answer carries.

use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use ward_aggregator::Config;
use ward_proto::v1::Status::Healthy;

use crate::harness::{Aggregator, SOON, hello, start, start_with};

const OTHERS: &str = "ward.evil.example";

fn asked(ward: &Aggregator, method: Method, path: &str, host: &str) -> RequestBuilder {
    reqwest::Client::new()
        .request(method, ward.url(path))
        .header(header::HOST, host)
}

async fn code(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_has_its_own_name_lead_here_gets_nothing() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Healthy)).await;
    for path in [
        "/health",
        "/metrics",
        "/api/v1/system",
        "/api/v1/watch",
        "/badge/bank.svg",
        "/",
        "/nowhere",
    ] {
        let answer = asked(&ward, Method::GET, path, OTHERS).send().await.unwrap();
        assert_eq!(answer.status(), 421, "{path}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "HOST_NOT_ALLOWED");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("`hosts` in ward.toml") && !detail.contains("evil"),
            "{detail}"
        );
    }
    // To the browser all of this is of one origin, so that no other guard is in the way.
    let report = json!({ "service": "new", "status": "healthy" });
    let writes =
        asked(&ward, Method::POST, "/api/v1/report", OTHERS).header("origin", format!("http://{OTHERS}"));
    assert_eq!(code(writes.json(&report)).await, 421);
    assert_eq!(
        code(asked(
            &ward,
            Method::DELETE,
            "/api/v1/services/bank?by=mallory",
            OTHERS
        ))
        .await,
        421
    );
    assert_eq!(
        ward.get("/api/v1/services/new").await.status(),
        404,
        "not reported"
    );
    assert_eq!(
        ward.get("/api/v1/services/bank").await.status(),
        200,
        "not forgotten"
    );
    assert_eq!(
        ward.metric(r#"ward_http_refused_total{reason="host"}"#).await,
        9.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_its_own_are_answered_and_bare_probes_by_any_name() {
    let ward = start_with(|config| Config {
        hosts: vec!["ward.example.org".into(), "*.internal".into()],
        ..config
    })
    .await;
    for host in [
        "localhost:7780",
        "ward",
        "10.1.2.3",
        "[::1]:1",
        "WARD.example.org",
        "a.b.internal:80",
    ] {
        assert_eq!(
            code(asked(&ward, Method::GET, "/api/v1/system", host)).await,
            200,
            "{host}"
        );
    }
    assert_eq!(
        code(asked(&ward, Method::GET, "/api/v1/system", OTHERS)).await,
        421
    );
    for path in ["/livez", "/readyz", "/startupz", "/healthz"] {
        let asked = |path: &str, host| code(asked(&ward, Method::GET, path, host));
        assert_eq!(asked(path, OTHERS).await, 200, "{path}");
        // It says why, which is no word for a page that has its own name lead here.
        let verbose = format!("{path}?verbose");
        assert_eq!(asked(&verbose, OTHERS).await, 421, "{verbose}");
        assert_eq!(asked(&verbose, "ward").await, 200, "{verbose}");
    }
}

async fn raw(ward: &Aggregator, request: &str) -> String {
    let mut stream = TcpStream::connect(ward.app.http_addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer))
        .await
        .expect("an end")
        .unwrap();
    String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_place_where_a_host_can_be_told_counts() {
    let ward = start().await;
    let close = "connection: close\r\n\r\n";
    for (request, expected) in [
        ("GET /api/v1/system HTTP/1.0\r\n".to_owned(), "HTTP/1.0 200"),
        (
            format!("GET /api/v1/system HTTP/1.0\r\nhost: {OTHERS}\r\n"),
            "HTTP/1.0 421",
        ),
        ("GET /api/v1/system HTTP/1.1\r\n".to_owned(), "HTTP/1.1 400"),
        (
            "GET /api/v1/system HTTP/1.1\r\nhost: \r\n".to_owned(),
            "HTTP/1.1 200",
        ),
        (
            format!("GET http://{OTHERS}/api/v1/system HTTP/1.1\r\nhost: ward\r\n"),
            "HTTP/1.1 421",
        ),
        (
            format!("GET http://ward/api/v1/system HTTP/1.1\r\nhost: {OTHERS}\r\n"),
            "HTTP/1.1 421",
        ),
        (
            "GET http://ward/api/v1/system HTTP/1.1\r\nhost: ward\r\n".to_owned(),
            "HTTP/1.1 200",
        ),
        (
            format!("GET /api/v1/system HTTP/1.1\r\nhost: ward\r\nhost: {OTHERS}\r\n"),
            "HTTP/1.1 400",
        ),
        (
            "GET /api/v1/system HTTP/1.1\r\nhost: w\u{e4}rd\r\n".to_owned(),
            "HTTP/1.1 421",
        ),
    ] {
        let answer = raw(&ward, &format!("{request}{close}")).await;
        assert!(answer.starts_with(expected), "{request:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_browsers_what_they_may_not_do() {
    let origin = "https://status.example";
    let ward = start_with(|config| Config {
        cors_origins: vec![origin.into()],
        ..config
    })
    .await;
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bank", Healthy)).await;
    let misdirected = asked(&ward, Method::GET, "/health", OTHERS);
    let asked = |method, path: &str| asked(&ward, method, path, "ward");
    let large = "x".repeat(70_000);
    let preflight = asked(Method::OPTIONS, "/api/v1/report")
        .header("origin", origin)
        .header("access-control-request-method", "POST");
    let json = |request: RequestBuilder, body: &str| {
        request
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_owned())
    };
    for (request, status, policy) in [
        (asked(Method::GET, "/health"), 200, "same-origin"),
        (asked(Method::GET, "/livez"), 200, "same-origin"),
        (asked(Method::GET, "/metrics"), 200, "same-origin"),
        (asked(Method::GET, "/api/openapi.json"), 200, "same-origin"),
        (asked(Method::GET, "/api/v1/watch"), 200, "same-origin"),
        (asked(Method::GET, "/badge/bank.svg"), 200, "cross-origin"),
        (asked(Method::GET, "/badge/nobody.svg"), 404, "cross-origin"),
        (asked(Method::GET, "/nowhere"), 404, "same-origin"),
        (asked(Method::PUT, "/health"), 405, "same-origin"),
        (
            json(asked(Method::POST, "/api/v1/report"), &large),
            413,
            "same-origin",
        ),
        (
            asked(Method::POST, "/api/v1/report").body("{}"),
            415,
            "same-origin",
        ),
        (
            json(asked(Method::POST, "/api/v1/report"), "{}"),
            400,
            "same-origin",
        ),
        (
            asked(Method::GET, &format!("/{}", "a".repeat(5_000))),
            414,
            "same-origin",
        ),
        (misdirected, 421, "same-origin"),
        (preflight, 200, "same-origin"),
    ] {
        let answer = request.send().await.unwrap();
        let (url, headers) = (answer.url().path().to_owned(), answer.headers());
        assert_eq!(answer.status(), status, "{url}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", policy),
        ] {
            assert_eq!(
                headers.get(name).map(|value| value.to_str().unwrap()),
                Some(value),
                "{status} {url}: {name}"
            );
        }
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(headers.contains_key("cache-control"), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_may_follow_and_reads_nothing() {
    let ward = start().await;
    let page =
        asked(&ward, Method::GET, "/api/v1/watch", "127.0.0.1").header("origin", "https://evil.example");
    let answer = page.send().await.unwrap();
    // The browser ends it here: without this header it passes nothing on.
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}
