//! `/api/v1/maintenance`: what is worked on, beginning and ending it; and forgetting what is lost for good.

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    App,
    body::Body,
    parameters::Parameters,
    problem::Problem,
    segments::Segments,
    services::{LIST_BYTES, size, suggesting},
    span::Span,
    view::{Cursor, Maintenance},
};
use crate::{
    access::Caller,
    edge::{ask::within, failure::Failure, operate},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, start))
        .routes(routes!(end))
        .routes(routes!(forget_instance))
}

/// What is worked on, and what will be.
#[derive(Debug, Serialize, ToSchema)]
struct MaintenanceList {
    cursor: Cursor,
    /// In force now, by the names of the services.
    active: Vec<Maintenance>,
    /// The next window of each service that has one, the nearest first.
    upcoming: Vec<Maintenance>,
}

/// Begins work on a service.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "service": "bank", "by": "alice", "why": "new disks", "duration": "2h" }))]
struct MaintenanceStart {
    /// The service, which must be known.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9.-]{1,63}$")]
    service: String,
    /// Who does this.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    by: String,
    /// And why.
    #[schema(max_length = 512, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    why: Option<String>,
    /// For how long; until it is ended when left out.
    duration: Option<Span>,
}

/// How much was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Forgotten {
    pub(super) forgotten_instances: u32,
}

/// What is in maintenance, and what will be.
#[utoipa::path(
    get,
    path = "/api/v1/maintenance",
    tag = "maintenance",
    operation_id = "list_maintenance",
    responses((status = 200, description = "All of it.", body = MaintenanceList))
)]
async fn list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Json<MaintenanceList>, Problem> {
    Parameters::strict(query.as_deref(), &[]).finish()?;
    let planned = operate::list_maintenance(&app.edge).await?;
    let listed = |windows: &[ward_model::Maintenance]| {
        within(windows.iter().map(Maintenance::from), LIST_BYTES, size).collect()
    };
    Ok(Json(MaintenanceList {
        cursor: planned.cursor.into(),
        active: listed(&planned.active),
        upcoming: listed(&planned.upcoming),
    }))
}

/// Begins work on a service, or says anew until when.
#[utoipa::path(
    post,
    path = "/api/v1/maintenance",
    tag = "maintenance",
    operation_id = "start_maintenance",
    request_body = MaintenanceStart,
    responses(
        (status = 201, description = "It is in maintenance.", body = Maintenance,
            headers(("Location" = String, description = "Where it is ended."))),
        (status = 404, description = "There is no such service.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn start(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(start): Body<MaintenanceStart>,
) -> Result<Response, Problem> {
    let MaintenanceStart {
        service,
        by,
        why,
        duration,
    } = start;
    let duration = duration.map(|Span(duration)| duration);
    let started = operate::start_maintenance(
        &app.edge,
        &caller,
        &service,
        by,
        why.unwrap_or_default(),
        duration,
    )
    .await;
    match started {
        Ok(maintenance) => {
            let place = format!("/api/v1/maintenance/{}", maintenance.service);
            let place = HeaderValue::from_str(&place).expect("names of services are plain ASCII");
            let body = Json(Maintenance::from(&maintenance));
            Ok((StatusCode::CREATED, [(header::LOCATION, place)], body).into_response())
        }
        Err(failure @ Failure::Invalid(_)) => Err(Problem::in_body(&failure, "")),
        Err(failure) => Err(suggesting(&app.edge, failure).await),
    }
}

/// Ends the work on a service.
#[utoipa::path(
    delete,
    path = "/api/v1/maintenance/{service}",
    tag = "maintenance",
    operation_id = "end_maintenance",
    params(
        ("service" = String, Path, description = "The service.", max_length = 63, pattern = "^[a-z0-9.-]{1,63}$", example = "bank"),
        ("by" = String, Query, description = "Who does this.", min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "alice"),
    ),
    responses(
        (status = 204, description = "It is over."),
        (status = 404, description = "There is no such service.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was not in maintenance.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn end(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Segments(service): Segments<String>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    let by = by(query.as_deref())?;
    match operate::end_maintenance(&app.edge, &caller, &service, by).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(failure) => Err(suggesting(&app.edge, failure).await),
    }
}

/// Drops an instance that is lost for good.
#[utoipa::path(
    delete,
    path = "/api/v1/services/{name}/instances/{instance}",
    tag = "services",
    params(
        ("name" = String, Path, description = "The service.", max_length = 63, pattern = "^[a-z0-9.-]{1,63}$", example = "payments"),
        ("instance" = String, Path, description = "Which of its instances.", max_length = 63, pattern = "^[a-z0-9.-]{1,63}$", example = "one"),
        ("by" = String, Query, description = "Who does this.", min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "alice"),
    ),
    responses(
        (status = 200, description = "It is forgotten.", body = Forgotten),
        (status = 404, description = "There is no such service, or no such instance.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is still heard.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn forget_instance(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Segments((name, instance)): Segments<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Json<Forgotten>, Problem> {
    let by = by(query.as_deref())?;
    forget(&app, &caller, &name, Some(&instance), by).await
}

pub(super) async fn forget(
    app: &App,
    caller: &Caller,
    service: &str,
    instance: Option<&str>,
    by: String,
) -> Result<Json<Forgotten>, Problem> {
    match operate::forget(&app.edge, caller, service, instance, by).await {
        Ok(forgotten_instances) => Ok(Json(Forgotten { forgotten_instances })),
        Err(failure) => Err(suggesting(&app.edge, failure).await),
    }
}

/// Who does this: the one parameter of what is deleted.
pub(super) fn by(query: Option<&str>) -> Result<String, Problem> {
    let mut read = Parameters::strict(query, &["by"]);
    let by = read.text("by");
    if by.is_none() {
        read.refuse("by", "is missing, expected who does this");
    }
    read.finish()?;
    Ok(by.unwrap_or_default())
}
