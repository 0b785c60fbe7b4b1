//! `/` and `/metrics`: where to go, and what Prometheus reads.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{App, problem::Problem};
use crate::{
    edge::{VERSION, alerts, failure::Failure},
    metrics::{Alerts, CONTENT_TYPE, ask},
};

/// Cheap and constant.
pub(super) fn index_route() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(index))
}

pub(super) fn metrics_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(metrics))
        .routes(routes!(health_metrics))
}

/// What this is, and where to look.
#[derive(Debug, Serialize, ToSchema)]
struct Index {
    service: &'static str,
    version: &'static str,
    /// What there is to see, by what it is.
    links: BTreeMap<&'static str, &'static str>,
}

/// What this is, and where to look.
#[utoipa::path(get, path = "/", tag = "pages", responses((status = 200, description = "Links.", body = Index)))]
async fn index() -> Json<Index> {
    let links = BTreeMap::from([
        ("health", "/health"),
        ("system", "/api/v1/system"),
        ("services", "/api/v1/services"),
        ("explain", "/api/v1/explain"),
        ("maintenance", "/api/v1/maintenance"),
        ("watch", "/api/v1/watch"),
        ("status page", "/api/v2/summary.json"),
        ("badge", "/badge/system.svg"),
        ("runbooks", "/runbooks/ServiceUnhealthy"),
        ("metrics", "/metrics"),
        ("description", "/api/openapi.json"),
    ]);
    Json(Index {
        service: "ward",
        version: VERSION,
        links,
    })
}

/// What Ward measures about itself and shows of the system, in OpenMetrics.
#[utoipa::path(get, path = "/metrics", tag = "pages",
    responses((status = 200, description = "All of it.", body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(app): State<App>) -> Response {
    written(&app).await
}

/// The same as `/metrics`.
#[utoipa::path(get, path = "/health/metrics", tag = "pages",
    responses((status = 200, description = "All of it.", body = String, content_type = "application/openmetrics-text")))]
async fn health_metrics(State(app): State<App>) -> Response {
    written(&app).await
}

async fn written(app: &App) -> Response {
    // Without the engine the rest is all the more of interest.
    let decided = ask(&app.edge.decider).await;
    let parts = app.edge.memory.standing();
    let alerts = Alerts {
        board: app.edge.alerting.board(),
        receivers: alerts::receivers(&app.edge),
        now: app.edge.clock.wall(),
    };
    match app
        .edge
        .metrics
        .encode(decided, &app.edge.hub, &app.listeners, parts, alerts)
    {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written down");
            Problem::from(Failure::Internal("the metrics could not be written down")).into_response()
        }
    }
}
