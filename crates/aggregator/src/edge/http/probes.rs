//! `/livez`, `/readyz`, `/startupz`: this process, for orchestrators.

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
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
