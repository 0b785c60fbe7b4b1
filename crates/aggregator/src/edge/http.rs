//! HTTP for people, probes and Prometheus.
//!
//! `/livez`, `/readyz` and `/startupz` are about this process alone: an orchestrator that probes them must not restart
//! the aggregator because something it watches is ill. `/health` is the system.

pub(crate) mod watch;

use std::fmt::Display;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use serde_json::json;

use super::{Shared, health::Health};
use crate::metrics::{CONTENT_TYPE, Listeners};

#[derive(Clone)]
struct App {
    edge: Shared,
    listeners: Listeners,
}

/// What an HTTP connection is served with.
pub(crate) fn router(edge: Shared, listeners: Listeners) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/api/v1/watch", get(watch::watch))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(App { edge, listeners })
}

async fn livez(State(app): State<App>) -> Response {
    let silence = app.edge.decider.silence();
    probe(
        app.edge.is_alive(),
        json!({ "loop_silence_seconds": silence.as_secs_f64() }),
    )
}

async fn readyz(State(app): State<App>) -> Response {
    let readiness = &app.edge.readiness;
    let details = json!({ "waiting_for": readiness.waiting_for(), "draining": readiness.is_draining() });
    probe(readiness.is_ready(), details)
}

async fn startupz(State(app): State<App>) -> Response {
    let readiness = &app.edge.readiness;
    probe(
        readiness.is_started(),
        json!({ "waiting_for": readiness.waiting_for() }),
    )
}

fn probe(ok: bool, details: serde_json::Value) -> Response {
    let (code, status) = if ok {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "failing")
    };
    let body = json!({ "status": status, "details": details });
    (code, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn health(State(app): State<App>) -> Response {
    match Health::of(&app.edge).await {
        Ok(health) => {
            let code = if health.is_serving() {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            (code, [(header::CACHE_CONTROL, "no-store")], Json(health)).into_response()
        }
        Err(unavailable) => problem(StatusCode::SERVICE_UNAVAILABLE, unavailable),
    }
}

async fn metrics(State(app): State<App>) -> Response {
    // Without the engine the rest is all the more of interest.
    let figures = app.edge.decider.read(ward_engine::Engine::figures).await.ok();
    match app.edge.metrics.encode(figures, &app.edge.hub, &app.listeners) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}

async fn unknown_path(uri: Uri) -> Response {
    tracing::debug!(path = ?uri.path(), "an unknown path was asked for");
    problem(
        StatusCode::NOT_FOUND,
        "there is /livez, /readyz, /startupz, /health and /metrics",
    )
}

async fn unknown_method() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "there is GET and HEAD")
}

/// RFC 9457. What was asked for is not repeated: it may be anything.
#[derive(Serialize)]
struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
}

fn problem(status: StatusCode, detail: impl Display) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = Problem {
        r#type: "about:blank",
        title,
        status: status.as_u16(),
        detail: detail.to_string(),
    };
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        Json(body),
    )
        .into_response()
}
