//! `/api/v1/services`: the list, one of them, why it is as it is, and forgetting.

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use ward_model::{Criticality, Name, Status, bounds::NAME_BYTES};

use super::{
    App,
    maintenance::{self, Forgotten},
    near::near,
    parameters::Parameters,
    problem::Problem,
    segments::Segments,
    system::ExplainAnswer,
    view::{self, Cursor, InstanceState, ServiceState},
};
use crate::{
    access::Caller,
    edge::{
        Edge,
        ask::{self, Filter, PAGE, service_name},
        failure::Failure,
    },
};

/// Services on a page without being asked for more or fewer.
const PAGE_DEFAULT: usize = 100;
/// Where a list ends for its size; at least one is told.
pub(super) const LIST_BYTES: usize = 1 << 20;
/// Most names that are suggested for one that is not there.
const SUGGESTED: usize = 3;

const STATUSES: [(&str, Status); 4] = [
    ("healthy", Status::Healthy),
    ("unknown", Status::Unknown),
    ("degraded", Status::Degraded),
    ("unhealthy", Status::Unhealthy),
];
const CRITICALITIES: [(&str, Criticality); 3] = [
    ("critical", Criticality::Critical),
    ("important", Criticality::Important),
    ("optional", Criticality::Optional),
];

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(service, forget))
        .routes(routes!(explain))
}

/// The parameters of the list, for its description; [`wanted`] reads them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read by hand")]
struct ListParameters {
    /// Only services at least this bad, in the order healthy, unknown, degraded, unhealthy.
    least_severity: Option<view::Status>,
    /// Only services in one of these, with commas between them.
    #[param(value_type = Option<Vec<view::Status>>, style = Form, explode = false)]
    status: Option<String>,
    /// Only services of one of these, with commas between them.
    #[param(value_type = Option<Vec<view::Criticality>>, style = Form, explode = false)]
    criticality: Option<String>,
    /// Only services in maintenance, or only others.
    in_maintenance: Option<bool>,
    /// Only services whose names begin so.
    #[param(max_length = 63)]
    prefix: Option<String>,
    /// Only services whose names have this in them.
    #[param(max_length = 63)]
    text: Option<String>,
    /// At most this many.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    page_size: Option<u32>,
    /// The `next_page_token` of the page before.
    #[param(min_length = 1, max_length = 63, pattern = "^[a-z0-9.-]{1,63}$")]
    page_token: Option<String>,
}

const KNOWN: [&str; 8] = [
    "least_severity",
    "status",
    "criticality",
    "in_maintenance",
    "prefix",
    "text",
    "page_size",
    "page_token",
];

/// A page of services, in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
struct ServicesAnswer {
    cursor: Cursor,
    services: Vec<ServiceState>,
    /// Where the next page begins. Left out on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    next_page_token: Option<Name>,
}

/// One service with its instances.
#[derive(Debug, Serialize, ToSchema)]
struct ServiceAnswer {
    cursor: Cursor,
    service: ServiceState,
    /// The worst first, at most 1,000.
    instances: Vec<InstanceState>,
}

/// All services, or those that a filter leaves; everything in the filter must hold.
#[utoipa::path(
    get,
    path = "/api/v1/services",
    tag = "services",
    params(ListParameters),
    responses((status = 200, description = "A page of services.", body = ServicesAnswer))
)]
async fn list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Json<ServicesAnswer>, Problem> {
    let (filter, after, count) = wanted(query.as_deref())?;
    let page = ask::services(&app.edge, filter, after, count).await?;
    let (services, next_page_token) = page.within(LIST_BYTES, |service| ServiceState::from(service), size);
    Ok(Json(ServicesAnswer {
        cursor: page.cursor.into(),
        services,
        next_page_token,
    }))
}

fn wanted(query: Option<&str>) -> Result<(Filter, Option<Name>, usize), Problem> {
    let mut read = Parameters::strict(query, &KNOWN);
    let least = read.word("least_severity", &STATUSES);
    let filter = Filter {
        least: least.unwrap_or_default(),
        statuses: read.words("status", &STATUSES),
        criticalities: read.words("criticality", &CRITICALITIES),
        in_maintenance: read.parsed("in_maintenance", "true or false"),
        prefix: read.bounded("prefix", NAME_BYTES),
        text: read.bounded("text", NAME_BYTES),
    };
    let expected = format!("1 to {PAGE}");
    let count = read.parsed("page_size", &expected).unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE).contains(&count) {
        read.refuse("page_size", &format!("is not right, expected {expected}"));
    }
    let after = read.text("page_token").map(|token| Name::service(&token));
    if after.as_ref().is_some_and(Result::is_err) {
        read.refuse(
            "page_token",
            "is none that was given, expected the next_page_token of an answer",
        );
    }
    read.finish()?;
    Ok((filter, after.and_then(Result::ok), count))
}

/// Bytes of something as JSON.
pub(super) fn size<T: Serialize>(value: &T) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Nothing that is shown has keys that are no text; were it so, the answer itself would fail and say so.
    drop(serde_json::to_writer(&mut count, value));
    count.0
}

/// One service, with its instances, their checks and signals.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}",
    tag = "services",
    params(("name" = String, Path, description = "The service.", max_length = 63, pattern = "^[a-z0-9.-]{1,63}$", example = "payments")),
    responses(
        (status = 200, description = "The service as it is now.", body = ServiceAnswer),
        (status = 404, description = "There is no such service.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn service(
    State(app): State<App>,
    Segments(name): Segments<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<ServiceAnswer>, Problem> {
    Parameters::strict(query.as_deref(), &[]).finish()?;
    let name = service_name("name", &name).map_err(Failure::from)?;
    let (cursor, service, instances) = match ask::service(&app.edge, &name).await {
        Ok(found) => found,
        Err(failure) => return Err(suggesting(&app.edge, failure).await),
    };
    let instances = instances.iter().map(InstanceState::from);
    Ok(Json(ServiceAnswer {
        cursor: cursor.into(),
        service: (&service).into(),
        instances: ask::within(instances, LIST_BYTES, size).collect(),
    }))
}

/// Drops a service, with all its instances, that is lost for good.
#[utoipa::path(
    delete,
    path = "/api/v1/services/{name}",
    tag = "services",
    operation_id = "forget_service",
    params(
        ("name" = String, Path, description = "The service.", max_length = 63, pattern = "^[a-z0-9.-]{1,63}$", example = "payments"),
        ("by" = String, Query, description = "Who does this.", min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "alice"),
    ),
    responses(
        (status = 200, description = "It is forgotten.", body = Forgotten),
        (status = 404, description = "There is no such service.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Some of it is still heard.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn forget(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Segments(name): Segments<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Forgotten>, Problem> {
    let by = maintenance::by(query.as_deref())?;
    maintenance::forget(&app, &caller, &name, None, by).await
}

/// Why a service is as it is: the shortest chains to the root causes.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/explain",
    tag = "services",
    operation_id = "explain_service",
    params(("name" = String, Path, description = "The service.", max_length = 63, pattern = "^[a-z0-9.-]{1,63}$", example = "payments")),
    responses(
        (status = 200, description = "One chain for each root cause; none when healthy.", body = ExplainAnswer),
        (status = 404, description = "There is no such service.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn explain(
    State(app): State<App>,
    Segments(name): Segments<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<ExplainAnswer>, Problem> {
    Parameters::strict(query.as_deref(), &[]).finish()?;
    let name = service_name("name", &name).map_err(Failure::from)?;
    match ask::explain(&app.edge, Some(&name)).await {
        Ok((cursor, explanation)) => Ok(Json(ExplainAnswer {
            cursor: cursor.into(),
            explanation: (&explanation).into(),
        })),
        Err(failure) => Err(suggesting(&app.edge, failure).await),
    }
}

/// The problem, with names of services that may have been meant.
pub(super) async fn suggesting(edge: &Edge, failure: Failure) -> Problem {
    let Failure::NoService(name) = &failure else {
        return failure.into();
    };
    // Names alone are cheap to copy; they are compared where it holds nobody up.
    let there = edge.decider.read(ward_engine::Engine::figures).await;
    let there = there.map(|figures| figures.services).unwrap_or_default();
    let near = near(
        name.as_str(),
        there.iter().map(|(name, _)| name.as_str()),
        SUGGESTED,
    );
    let meant = match near.as_slice() {
        [] => String::new(),
        near => format!(" did you mean {}?", near.join(" or ")),
    };
    let detail = format!("no service named {name}:{meant} GET /api/v1/services lists them");
    Problem::from(failure).saying(detail)
}
