//! A handler that panics, which no path that is served has.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    routing::get,
};
use tower::ServiceExt;

use super::*;

async fn panics() -> &'static str {
    panic!("a secret")
}

#[tokio::test]
async fn a_panic_in_a_handler_is_an_answer_like_any_other_and_the_next_one_is_well() {
    let home = tempfile::tempdir().unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config {
        grpc: any,
        http: any,
        ..Config::new(home.path())
    };
    let running = crate::App::start(config.clone()).await.unwrap();
    let app = App {
        edge: running.shared(),
        listeners: Listeners {
            grpc: Arc::default(),
            http: Arc::default(),
        },
        guard: Arc::new(Guard::new(config.http_limits, &[], &[])),
        paths: Arc::default(),
    };
    let router = sealed(
        Router::new()
            .route("/panics", get(panics))
            .route("/well", get(async || "well")),
        app,
        false,
    );
    let request = Request::get("/panics").header("host", "ward");
    let answer = router
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), 500);
    let headers = answer.headers().clone();
    for (name, value) in [
        ("content-type", "application/problem+json"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(
            headers.get(name).map(|value| value.as_bytes()),
            Some(value.as_bytes()),
            "{name}"
        );
    }
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("frame-ancestors 'none'")
    );
    let said = to_bytes(answer.into_body(), 4_096).await.unwrap();
    assert!(!String::from_utf8_lossy(&said).contains("secret"));
    let request = Request::get("/well").header("host", "ward");
    let answer = router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    running.stop().await;
}
