//! `/api/v1/system` and `/api/v1/explain`.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use ward_model::Mono;

use super::{
    App,
    parameters::Parameters,
    problem::Problem,
    view::{self, Cursor, SystemState},
};
use crate::edge::{VERSION, ask};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(system))
        .routes(routes!(explain))
}

/// The system, and the aggregator that says so.
#[derive(Debug, Serialize, ToSchema)]
struct SystemAnswer {
    cursor: Cursor,
    system: SystemState,
    /// The version of the aggregator.
    version: &'static str,
    /// How long it runs.
    uptime_ms: u64,
}

/// Why something is as it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExplainAnswer {
    pub(super) cursor: Cursor,
    #[serde(flatten)]
    pub(super) explanation: view::Explanation,
}

/// The verdict about the whole system.
#[utoipa::path(
    get,
    path = "/api/v1/system",
    tag = "system",
    responses(
        (status = 200, description = "The system as it is now.", body = SystemAnswer),
    )
)]
async fn system(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Json<SystemAnswer>, Problem> {
    Parameters::strict(query.as_deref(), &[]).finish()?;
    let (cursor, system) = ask::system(&app.edge).await?;
    let uptime = app.edge.clock.mono().since(Mono::default());
    Ok(Json(SystemAnswer {
        cursor: Cursor::from(cursor),
        system: (&system).into(),
        version: VERSION,
        uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
    }))
}

/// Why the system is as it is: the shortest chains to the root causes.
#[utoipa::path(
    get,
    path = "/api/v1/explain",
    tag = "system",
    responses(
        (status = 200, description = "One chain for each root cause; none when healthy.", body = ExplainAnswer),
    )
)]
async fn explain(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Json<ExplainAnswer>, Problem> {
    Parameters::strict(query.as_deref(), &[]).finish()?;
    let (cursor, explanation) = ask::explain(&app.edge, None).await?;
    Ok(Json(ExplainAnswer {
        cursor: cursor.into(),
        explanation: (&explanation).into(),
    }))
}
