//! Paths, methods and queries that are not there, or not like this.

use reqwest::Method;
use serde_json::Value;

use crate::target::{problem, start, unhurried};

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_that_is_wrong_is_named() {
    let target = start(unhurried()).await;
    for (path, parameter) in [
        ("/api/v1/system?verbose", "verbose"),
        ("/api/v1/explain?name=bank", "name"),
        ("/api/v1/services?least_severity=bad", "least_severity"),
        (
            "/api/v1/services?least_severity=degraded,unhealthy",
            "least_severity",
        ),
        ("/api/v1/services?least_severity=", "least_severity"),
        ("/api/v1/services?status=Healthy", "status"),
        ("/api/v1/services?status=healthy,", "status"),
        ("/api/v1/services?criticality=vital", "criticality"),
        ("/api/v1/services?in_maintenance=yes", "in_maintenance"),
        ("/api/v1/services?page_size=0", "page_size"),
        ("/api/v1/services?page_size=-1", "page_size"),
        ("/api/v1/services?page_size=1001", "page_size"),
        ("/api/v1/services?page_size=1e3", "page_size"),
        ("/api/v1/services?page_size=99999999999999999999999", "page_size"),
        ("/api/v1/services?page_token=%00", "page_token"),
        ("/api/v1/services?page_token=", "page_token"),
        ("/api/v1/services?page_size=1&page_size=2", "page_size"),
        ("/api/v1/services?page_size=1&page%5Fsize=2", "page_size"),
        ("/api/v1/services?prefix=%ff", "prefix"),
        ("/api/v1/services?prefix=%zz", "prefix"),
        ("/api/v1/services?%ff=1", "query"),
        ("/api/v1/services?stauts=healthy", "stauts"),
        ("/api/v1/services?%1b%5b31m=x", "[31m"),
        ("/api/v1/maintenance?active=true", "active"),
        ("/api/v1/services/%ff", "path"),
        ("/api/v1/services/bank%00", "name"),
        ("/api/v1/services/bank%2fexplain", "name"),
        ("/api/v1/services/system", "name"),
    ] {
        let answer = target.client.get(target.url(path)).send().await.unwrap();
        let (status, problem) = problem(answer).await;
        assert_eq!(
            (status, &problem["errors"][0]["parameter"]),
            (400, &Value::from(parameter)),
            "{path}: {problem}"
        );
    }
    let (_, near) = problem(
        target
            .client
            .get(target.url("/api/v1/services?stauts=x"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert!(
        near["detail"].as_str().unwrap().contains("did you mean status?"),
        "{near}"
    );
    for path in [
        "/api/v1/services/bank",
        "/api/v1/maintenance/bank",
        "/api/v1/services/storefront/instances/one",
    ] {
        for query in ["", "?by=", "?by=%1b", "?by=a&by=b", "?who=a", "?by=a&force=1"] {
            let answer = target
                .client
                .delete(target.url(&format!("{path}{query}")))
                .send()
                .await
                .unwrap();
            assert_eq!(problem(answer).await.0, 400, "{path}{query}");
        }
    }
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_are_not_there_suggest() {
    let target = start(unhurried()).await;
    for (path, meant) in [
        ("/api/v1/service", Some("/api/v1/services")),
        ("/api/v1/services/", Some("/api/v1/services")),
        ("/helth", Some("/health")),
        ("/metric", Some("/metrics")),
        ("/../../etc/passwd", None),
        ("/%2e%2e/%2e%2e/etc/passwd", None),
        ("/wp-admin.php", None),
        ("/\u{202e}", None),
    ] {
        let answer = target.client.get(target.url(path)).send().await.unwrap();
        let (status, problem) = problem(answer).await;
        assert_eq!(status, 404, "{path}");
        let detail = problem["detail"].as_str().unwrap();
        match meant {
            Some(meant) => assert!(
                detail.contains(&format!("did you mean {meant}?")),
                "{path}: {detail}"
            ),
            None => assert!(!detail.contains("passwd"), "{path}: {detail}"),
        }
    }
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_are_not_there_say_which_are() {
    let target = start(unhurried()).await;
    for (method, path, allowed) in [
        ("POST", "/api/v1/system", "GET,HEAD"),
        ("DELETE", "/api/v1/services", "GET,HEAD"),
        ("PUT", "/api/v1/services/bank", "GET,HEAD,DELETE"),
        ("GET", "/api/v1/report", "POST"),
        ("PATCH", "/api/v1/maintenance", "GET,HEAD,POST"),
        ("OPTIONS", "/api/v1/system", "GET,HEAD"),
        ("TRACE", "/health", "GET,HEAD"),
        ("PROPFIND", "/health", "GET,HEAD"),
        ("POST", "/livez", "GET,HEAD"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = target
            .client
            .request(method.clone(), target.url(path))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["allow"], allowed, "{method} {path}");
        assert_eq!(problem(answer).await.0, 405, "{method} {path}");
    }
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_in_json_is_not_acceptable() {
    let target = start(unhurried()).await;
    for (accept, status) in [
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("*/*", 200),
        ("application/*", 200),
        ("", 200),
    ] {
        let request = target
            .client
            .get(target.url("/api/v1/system"))
            .header("accept", accept);
        assert_eq!(request.send().await.unwrap().status(), status, "{accept}");
    }
    let probe = target
        .client
        .get(target.url("/livez"))
        .header("accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(
        probe.status(),
        200,
        "a probe is never told that all is ill for its headers"
    );
}
