//! `/health`: the system, as one page of JSON; also as `application/health+json` for who asks for that.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use ward_model::{Condition, Mono, Name, ServiceState, SystemState};

use super::{
    App,
    inadarei::{self, HealthJson},
    negotiate::best,
    problem::Problem,
    view::{Criticality, Status, rfc3339},
};
use crate::edge::{Edge, VERSION, ask, failure::Failure};

const JSON: &str = "application/json";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health))
}

/// The page.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    pub(super) status: Status,
    #[schema(format = DateTime)]
    pub(super) timestamp: String,
    /// Always `ward`.
    pub(super) service: &'static str,
    /// The version of the aggregator.
    pub(super) version: &'static str,
    pub(super) uptime_seconds: f64,
    /// Why, for machines.
    pub(super) reason: &'static str,
    /// Why, for people. May be empty.
    pub(super) message: String,
    /// Since when the status holds.
    #[schema(format = DateTime)]
    pub(super) since: String,
    /// Root causes of a status that is not healthy.
    #[schema(value_type = Vec<String>)]
    pub(super) causes: Vec<Name>,
    /// Critical services of which nothing is known.
    #[schema(value_type = Vec<String>)]
    pub(super) critical_unknown: Vec<Name>,
    /// The services by their names.
    #[schema(value_type = BTreeMap<String, Component>)]
    pub(super) components: BTreeMap<Name, Component>,
}

/// One service on it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthComponent)]
pub(super) struct Component {
    pub(super) status: Status,
    pub(super) reason: &'static str,
    pub(super) message: String,
    #[schema(format = DateTime)]
    pub(super) since: String,
    #[schema(value_type = Vec<String>)]
    pub(super) causes: Vec<Name>,
    pub(super) criticality: Criticality,
    /// Left out when it is not.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub(super) in_maintenance: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The system and its services, for people and load balancers.
///
/// 200 while it is healthy or degraded and no critical service is unknown, 503 otherwise. With
/// `Accept: application/health+json` in the words of draft-inadarei-api-health-check-06.
#[utoipa::path(
    get,
    path = "/health",
    tag = "pages",
    responses(
        (status = 200, description = "It works.", content(
            (Health = "application/json"), (HealthJson = "application/health+json")
        )),
        (status = 503, description = "It does not, or too busy to say.", content(
            (Health = "application/json"), (HealthJson = "application/health+json"), (Problem = "application/problem+json")
        )),
    )
)]
async fn health(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let health = Health::of(&app.edge).await?;
    let code = if health.is_serving() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    // What suits nobody is sent all the same: a probe that asks for text must not be told that all is ill.
    let mut response = if best(&headers, &[JSON, inadarei::MEDIA]) == Some(inadarei::MEDIA) {
        let kind = [(header::CONTENT_TYPE, inadarei::MEDIA)];
        (code, kind, Json(HealthJson::from(health))).into_response()
    } else {
        (code, Json(health)).into_response()
    };
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

impl Health {
    /// Copies the page out of the engine.
    async fn of(edge: &Edge) -> Result<Self, Failure> {
        let (_, system) = ask::system(edge).await?;
        let components = ask::all(edge, component).await?;
        Ok(Self::new(edge, system, components.into_iter().collect()))
    }

    fn new(edge: &Edge, system: SystemState, components: BTreeMap<Name, Component>) -> Self {
        let Condition {
            status,
            reason,
            message,
            since,
        } = system.condition;
        Self {
            status: status.into(),
            timestamp: rfc3339(edge.clock.wall()),
            service: "ward",
            version: VERSION,
            uptime_seconds: edge.clock.mono().since(Mono::default()).as_secs_f64(),
            reason: reason.as_str(),
            message,
            since: rfc3339(since),
            causes: system.causes,
            critical_unknown: system.critical_unknown,
            components,
        }
    }

    /// Somebody who only reads the code may send work here. An unknown critical service counts as none.
    pub(super) fn is_serving(&self) -> bool {
        matches!(self.status, Status::Healthy | Status::Degraded) && self.critical_unknown.is_empty()
    }
}

fn component(service: ServiceState) -> (Name, Component) {
    let Condition {
        status,
        reason,
        message,
        since,
    } = service.condition;
    let component = Component {
        status: status.into(),
        reason: reason.as_str(),
        message,
        since: rfc3339(since),
        causes: service.causes,
        criticality: service.criticality.into(),
        in_maintenance: service.maintenance.is_some(),
    };
    (service.name, component)
}
