//! HTTP for people, probes and Prometheus, and for programs that speak no gRPC.
//!
//! `/livez`, `/readyz` and `/startupz` are about this process alone: an orchestrator that probes them must not restart
//! the aggregator because something it watches is ill. `/health` is the system; `/api/v1` is what gRPC offers, as JSON.
//! Everything that is decided or asked is decided and asked as gRPC does it, in the modules beside this one; here are
//! the words of HTTP only.

mod badge;
mod health;
mod near;
mod openapi;
mod parameters;
mod probes;
mod problem;
mod segments;
mod services;
mod statuspage;
mod system;
mod view;
pub(crate) mod watch;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa_axum::router::OpenApiRouter;

use self::{health::Health, problem::Problem};
use super::{Shared, failure::Failure};
use crate::metrics::{CONTENT_TYPE, Listeners};

/// What every handler has in hand.
#[derive(Clone)]
struct App {
    edge: Shared,
    listeners: Listeners,
}

/// What an HTTP connection is served with.
pub(crate) fn router(edge: Shared, listeners: Listeners) -> Router {
    let (described, description) = OpenApiRouter::with_openapi(openapi::begin())
        .merge(system::routes())
        .merge(services::routes())
        .merge(watch::routes())
        .merge(statuspage::routes())
        .merge(badge::routes())
        .split_for_parts();
    described
        .merge(openapi::route(openapi::finish(description)))
        .merge(probes::routes())
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(App { edge, listeners })
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
        Err(unavailable) => Problem::from(Failure::from(unavailable)).into_response(),
    }
}

async fn metrics(State(app): State<App>) -> Response {
    // Without the engine the rest is all the more of interest.
    let figures = app.edge.decider.read(ward_engine::Engine::figures).await.ok();
    match app.edge.metrics.encode(figures, &app.edge.hub, &app.listeners) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written down");
            Problem::from(Failure::Internal("the metrics could not be written down")).into_response()
        }
    }
}

async fn unknown_path(uri: Uri) -> Problem {
    tracing::debug!(path = ?uri.path(), "an unknown path was asked for");
    let detail = "there is /livez, /readyz, /startupz, /health and /metrics";
    Problem::new(StatusCode::NOT_FOUND, "NO_SUCH_PATH", detail)
}

async fn unknown_method() -> Problem {
    let detail = "there is GET and HEAD";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "NO_SUCH_METHOD", detail)
}
