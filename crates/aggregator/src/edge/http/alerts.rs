//! `/api/v1/alerts`, `/api/v1/acknowledgements`, `/api/v1/rules`: what fires, who works on it, and what makes it fire.

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use ward_model::{AlertState, Name, RuleName, Severity};
use ward_proto::service_or_system;

use super::{
    App,
    body::Body,
    maintenance::by,
    parameters::Parameters,
    problem::Problem,
    segments::Segments,
    services::{LIST_BYTES, size, suggesting},
    span::Span,
    view::{Acknowledgement, Alert, Receiver, Rule},
};
use crate::{
    access::Caller,
    edge::{
        alerts::{self, Filter, PAGE, Said},
        ask::within,
        failure::Failure,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(acknowledgements, acknowledge))
        .routes(routes!(unacknowledge))
        .routes(routes!(rules))
        .routes(routes!(receivers))
}

/// The parameters of the list, for its description; [`asked`] reads them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read by hand")]
struct AlertParameters {
    /// Only alerts in these states, with commas between them. Those that fire if not given.
    #[param(
        pattern = "^((pending|suppressed|firing|resolved)(,(pending|suppressed|firing|resolved)){0,31})?$"
    )]
    state: Option<String>,
    /// Only alerts at least this urgent.
    #[param(pattern = "^(none|info|warning|critical)$")]
    severity: Option<String>,
    /// Only alerts about this service, or `system`.
    #[param(max_length = 63, pattern = "^[a-z0-9.-]{1,63}$")]
    service: Option<String>,
    /// Only alerts behind this one: the `next` of the page before.
    #[param(pattern = "^[a-z0-9.-]{1,63}/[A-Za-z_][A-Za-z0-9_]{0,62}$")]
    after: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1_000, default = 1_000)]
    limit: Option<u32>,
}

/// Alerts, those about the system first, then by service and rule.
#[derive(Debug, Serialize, ToSchema)]
struct AlertsAnswer {
    alerts: Vec<Alert>,
    /// What to ask for as `after` next. Left out where there are no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// What fires; with `state` also what is pending, withheld and why, or resolved within a quarter of an hour.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    tag = "alerts",
    operation_id = "list_alerts",
    params(AlertParameters),
    responses((status = 200, description = "A page of alerts.", body = AlertsAnswer))
)]
async fn list(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Json<AlertsAnswer>, Problem> {
    let (filter, limit) = asked(query.as_deref())?;
    let (found, more) = alerts::list(&app.edge, &filter, limit);
    let alerts: Vec<Alert> = within(found.iter().map(Alert::from), LIST_BYTES, size).collect();
    let more = more || alerts.len() < found.len();
    let last = alerts.len().checked_sub(1).filter(|_| more);
    let next = last.map(|last| alerts::place(&found[last].key));
    Ok(Json(AlertsAnswer { alerts, next }))
}

fn asked(query: Option<&str>) -> Result<(Filter, usize), Problem> {
    let mut read = Parameters::strict(query, &["state", "severity", "service", "after", "limit"]);
    let states: Vec<_> = AlertState::ALL
        .iter()
        .map(|state| (state.as_str(), *state))
        .collect();
    let severities: Vec<_> = Severity::ALL
        .iter()
        .map(|severity| (severity.as_str(), *severity))
        .collect();
    let mut filter = Filter {
        states: read.words("state", &states),
        least: read.word("severity", &severities).unwrap_or(Severity::None),
        ..Filter::default()
    };
    if let Some(service) = read.text("service") {
        match service_or_system("service", &service) {
            Ok(of) => filter.of = Some(of),
            Err(invalid) => read.refuse("service", &invalid.message),
        }
    }
    if let Some(after) = read.text("after") {
        match alerts::behind("after", &after) {
            Ok(after) => filter.after = Some(after),
            Err(invalid) => read.refuse("after", &invalid.message),
        }
    }
    let limit: usize = read.parsed("limit", "1 to 1000").unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        read.refuse("limit", "is not right, expected 1 to 1000");
    }
    read.finish()?;
    Ok((filter, limit))
}

/// What is acknowledged.
#[derive(Debug, Serialize, ToSchema)]
struct Acknowledgements {
    acknowledgements: Vec<Acknowledgement>,
}

/// Says that somebody works on what fires.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "service": "bank", "by": "alice", "why": "on it", "duration": "2h" }))]
struct Acknowledge {
    /// The service, which must be known, or `system`.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9.-]{1,63}$")]
    service: String,
    /// Who says so.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    by: String,
    /// And why.
    #[schema(max_length = 512, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    why: Option<String>,
    /// For how long at most: two hours when left out, and never more than seven days.
    duration: Option<Span>,
    /// Only the alerts of these rules; of all that fire when left out.
    #[schema(max_items = 64, inline)]
    rules: Option<Vec<RuleText>>,
}

/// The name of a rule.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 63, pattern = "^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
#[serde(transparent)]
struct RuleText(RuleName);

/// What somebody works on.
#[utoipa::path(
    get,
    path = "/api/v1/acknowledgements",
    tag = "alerts",
    operation_id = "list_acknowledgements",
    responses((status = 200, description = "All that are in force.", body = Acknowledgements))
)]
async fn acknowledgements(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<Acknowledgements>, Problem> {
    Parameters::strict(query.as_deref(), &[]).finish()?;
    let board = app.edge.alerting.board();
    let said = within(board.acknowledged.iter().map(Into::into), LIST_BYTES, size);
    Ok(Json(Acknowledgements {
        acknowledgements: said.collect(),
    }))
}

/// Somebody works on what fires of a service: it is silenced until it is resolved, or their time is up.
#[utoipa::path(
    post,
    path = "/api/v1/acknowledgements",
    tag = "alerts",
    operation_id = "acknowledge",
    request_body = Acknowledge,
    responses(
        (status = 201, description = "It is acknowledged.", body = Acknowledgement,
            headers(("Location" = String, description = "Where it is ended."))),
        (status = 404, description = "There is no such service.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nothing of it fires.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn acknowledge(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(said): Body<Acknowledge>,
) -> Result<Response, Problem> {
    let service = service_or_system("service", &said.service);
    let service = service.map_err(|invalid| Problem::in_body(&Failure::from(invalid), ""))?;
    let said = Said {
        service,
        by: said.by,
        why: said.why.unwrap_or_default(),
        duration: said.duration.map(|Span(duration)| duration),
        rules: said
            .rules
            .unwrap_or_default()
            .into_iter()
            .map(|RuleText(rule)| rule)
            .collect(),
    };
    match alerts::acknowledge(&app.edge, &caller, said).await {
        Ok(said) => {
            let service = said.service.as_ref().map_or("system", Name::as_str);
            let place = format!("/api/v1/acknowledgements/{service}");
            let said = Acknowledgement::from(&said);
            let place = HeaderValue::from_str(&place).expect("names of services are plain ASCII");
            Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(said)).into_response())
        }
        Err(failure @ Failure::Invalid(_)) => Err(Problem::in_body(&failure, "")),
        Err(failure) => Err(suggesting(&app.edge, failure).await),
    }
}

/// They do no more: what still fires is heard again.
#[utoipa::path(
    delete,
    path = "/api/v1/acknowledgements/{service}",
    tag = "alerts",
    operation_id = "end_acknowledgement",
    params(
        ("service" = String, Path, description = "The service, or `system`.", max_length = 63, pattern = "^[a-z0-9.-]{1,63}$", example = "bank"),
        ("by" = String, Query, description = "Who does this.", min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", example = "alice"),
    ),
    responses(
        (status = 204, description = "It is over."),
        (status = 404, description = "There is no such service.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was not acknowledged.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn unacknowledge(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Segments(service): Segments<String>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    let by = by(query.as_deref())?;
    let service = service_or_system("service", &service).map_err(Failure::from)?;
    match alerts::unacknowledge(&app.edge, &caller, service, by).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(failure) => Err(suggesting(&app.edge, failure).await),
    }
}

/// The rules.
#[derive(Debug, Serialize, ToSchema)]
struct Rules {
    /// By name.
    rules: Vec<Rule>,
}

/// The rules in force, and shipped ones that are switched off.
#[utoipa::path(
    get,
    path = "/api/v1/rules",
    tag = "alerts",
    operation_id = "list_rules",
    responses((status = 200, description = "All of them.", body = Rules))
)]
async fn rules(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Json<Rules>, Problem> {
    Parameters::strict(query.as_deref(), &[]).finish()?;
    let rules = alerts::rules(&app.edge).into_iter().map(Into::into);
    Ok(Json(Rules {
        rules: within(rules, LIST_BYTES, size).collect(),
    }))
}

/// Who is told.
#[derive(Debug, Serialize, ToSchema)]
struct Receivers {
    receivers: Vec<Receiver>,
}

/// Who is told of alerts, and how far that has come.
#[utoipa::path(
    get,
    path = "/api/v1/receivers",
    tag = "alerts",
    operation_id = "list_receivers",
    responses((status = 200, description = "All of them.", body = Receivers))
)]
async fn receivers(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Json<Receivers>, Problem> {
    Parameters::strict(query.as_deref(), &[]).finish()?;
    let receivers = alerts::receivers(&app.edge).into_iter().map(Into::into).collect();
    Ok(Json(Receivers { receivers }))
}
