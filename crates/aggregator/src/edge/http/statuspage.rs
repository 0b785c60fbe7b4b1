//! `/api/v2/summary.json` and its like: what is known in the shape of Statuspage, for readers that know that shape.
//!
//! Statuspage has no word for Unknown. Told as operational it would be a lie, so it is the middle of what there is: a
//! component of which nothing is known has a `partial_outage`, and a system of which nothing is known is `major`. The
//! text says that it is unknown. Incidents are always none: Ward has causes, which `/api/v1/explain` tells.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderName, header},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use ward_model::{Maintenance, ServiceState, Status, SystemState, Wall};

use super::{App, parameters::Parameters, problem::Problem, view::rfc3339};
use crate::edge::{
    Edge,
    ask::{self, Filter, PAGE},
    failure::Failure,
};

type Answer<T> = Result<([(HeaderName, &'static str); 1], Json<T>), Problem>;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(summary))
        .routes(routes!(status))
        .routes(routes!(components))
        .routes(routes!(incidents))
        .routes(routes!(scheduled_maintenances))
}

/// Whose page it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Page {
    id: &'static str,
    name: &'static str,
    url: &'static str,
    time_zone: &'static str,
    /// When the verdict about the system changed last.
    updated_at: String,
}

/// How bad it is as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Indicator {
    /// Healthy.
    None,
    /// Degraded.
    Minor,
    /// Unknown.
    Major,
    /// Unhealthy.
    Critical,
}

/// The verdict about the system.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct PageStatus {
    indicator: Indicator,
    #[schema(example = "All systems operational")]
    description: String,
}

/// How bad one component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ComponentStatus {
    /// Healthy.
    Operational,
    /// Degraded.
    DegradedPerformance,
    /// Unknown.
    PartialOutage,
    /// Unhealthy.
    MajorOutage,
    /// Somebody works on it, however it is.
    UnderMaintenance,
}

/// One service.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Component {
    /// The name of the service.
    id: String,
    name: String,
    status: ComponentStatus,
    /// Since when the status holds; Ward keeps no other date of a service.
    created_at: String,
    updated_at: String,
    /// By name, from 1.
    position: usize,
    /// Why it is as it is; null while operational.
    description: Option<String>,
    showcase: bool,
    group: bool,
    group_id: Option<String>,
    page_id: &'static str,
    only_show_if_degraded: bool,
}

/// Work on a service, under way or to come.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Scheduled {
    /// The service and when it begins.
    id: String,
    /// Why.
    name: String,
    #[schema(pattern = "^(scheduled|in_progress)$")]
    status: &'static str,
    impact: &'static str,
    scheduled_for: String,
    /// Null while open-ended.
    scheduled_until: Option<String>,
    page_id: &'static str,
    /// Always none.
    #[schema(value_type = Vec<Object>, max_items = 0)]
    incident_updates: [(); 0],
    components: Vec<Component>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Summary {
    page: Page,
    status: PageStatus,
    components: Vec<Component>,
    /// Always none.
    #[schema(value_type = Vec<Object>, max_items = 0)]
    incidents: [(); 0],
    scheduled_maintenances: Vec<Scheduled>,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatusPage {
    page: Page,
    status: PageStatus,
}

#[derive(Debug, Serialize, ToSchema)]
struct Components {
    page: Page,
    components: Vec<Component>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Incidents {
    page: Page,
    /// Always none.
    #[schema(value_type = Vec<Object>, max_items = 0)]
    incidents: [(); 0],
}

#[derive(Debug, Serialize, ToSchema)]
struct ScheduledMaintenances {
    page: Page,
    scheduled_maintenances: Vec<Scheduled>,
}

/// Everything in the shape of Statuspage.
#[utoipa::path(get, path = "/api/v2/summary.json", tag = "pages",
    responses((status = 200, description = "Page, status, components and maintenance.", body = Summary)))]
async fn summary(State(app): State<App>, RawQuery(query): RawQuery) -> Answer<Summary> {
    let known = Known::of(&app.edge, query.as_deref()).await?;
    Ok(answer(Summary {
        page: page(&known.system),
        status: verdict(&known.system),
        scheduled_maintenances: known.scheduled(),
        components: known.components(),
        incidents: [],
    }))
}

/// The verdict about the system in the shape of Statuspage.
#[utoipa::path(get, path = "/api/v2/status.json", tag = "pages",
    responses((status = 200, description = "Page and status.", body = StatusPage)))]
async fn status(State(app): State<App>, RawQuery(query): RawQuery) -> Answer<StatusPage> {
    Parameters::strict(query.as_deref(), &[]).finish()?;
    let (_, system) = ask::system(&app.edge).await?;
    Ok(answer(StatusPage {
        page: page(&system),
        status: verdict(&system),
    }))
}

/// The services in the shape of Statuspage.
#[utoipa::path(get, path = "/api/v2/components.json", tag = "pages",
    responses((status = 200, description = "Page and components.", body = Components)))]
async fn components(State(app): State<App>, RawQuery(query): RawQuery) -> Answer<Components> {
    let known = Known::of(&app.edge, query.as_deref()).await?;
    Ok(answer(Components {
        page: page(&known.system),
        components: known.components(),
    }))
}

/// No incidents: Ward has causes, see `/api/v1/explain`.
#[utoipa::path(get, path = "/api/v2/incidents.json", tag = "pages",
    responses((status = 200, description = "Page and an empty list.", body = Incidents)))]
async fn incidents(State(app): State<App>, RawQuery(query): RawQuery) -> Answer<Incidents> {
    Parameters::strict(query.as_deref(), &[]).finish()?;
    let (_, system) = ask::system(&app.edge).await?;
    Ok(answer(Incidents {
        page: page(&system),
        incidents: [],
    }))
}

/// Maintenance in the shape of Statuspage.
#[utoipa::path(get, path = "/api/v2/scheduled-maintenances.json", tag = "pages",
    responses((status = 200, description = "Page and maintenance under way.", body = ScheduledMaintenances)))]
async fn scheduled_maintenances(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Answer<ScheduledMaintenances> {
    let known = Known::of(&app.edge, query.as_deref()).await?;
    Ok(answer(ScheduledMaintenances {
        page: page(&known.system),
        scheduled_maintenances: known.scheduled(),
    }))
}

fn answer<T>(body: T) -> ([(HeaderName, &'static str); 1], Json<T>) {
    ([(header::CACHE_CONTROL, "no-store")], Json(body))
}

/// What the pages are made of.
struct Known {
    system: SystemState,
    services: Vec<ServiceState>,
}

impl Known {
    async fn of(edge: &Edge, query: Option<&str>) -> Result<Self, Problem> {
        Parameters::strict(query, &[]).finish()?;
        let (_, system) = ask::system(edge).await?;
        let services = all(edge).await?;
        Ok(Self { system, services })
    }

    fn components(&self) -> Vec<Component> {
        let numbered = self.services.iter().enumerate();
        numbered
            .map(|(index, service)| component(index + 1, service))
            .collect()
    }

    fn scheduled(&self) -> Vec<Scheduled> {
        let numbered = self.services.iter().enumerate();
        numbered
            .filter_map(|(index, service)| {
                let maintenance = service.maintenance.as_ref()?;
                Some(under_way(maintenance, component(index + 1, service)))
            })
            .collect()
    }
}

/// All services. The engine has its turn between two pages.
async fn all(edge: &Edge) -> Result<Vec<ServiceState>, Failure> {
    let mut services = Vec::new();
    loop {
        let after = services.last().map(|service: &ServiceState| service.name.clone());
        let page = ask::services(edge, Filter::default(), after, PAGE).await?;
        services.extend(page.services);
        if !page.more {
            return Ok(services);
        }
    }
}

fn page(system: &SystemState) -> Page {
    Page {
        id: "ward",
        name: "Ward",
        url: "/",
        time_zone: "Etc/UTC",
        updated_at: rfc3339(system.condition.since),
    }
}

fn verdict(system: &SystemState) -> PageStatus {
    let (indicator, word) = match system.condition.status {
        // As for `/health`: of something critical nothing is known.
        Status::Healthy | Status::Degraded if !system.critical_unknown.is_empty() => {
            (Indicator::Major, "Unknown")
        }
        Status::Healthy => (Indicator::None, "All systems operational"),
        Status::Unknown => (Indicator::Major, "Unknown"),
        Status::Degraded => (Indicator::Minor, "Degraded"),
        Status::Unhealthy => (Indicator::Critical, "Unhealthy"),
    };
    let message = &system.condition.message;
    let description = if message.is_empty() || indicator == Indicator::None {
        word.to_owned()
    } else {
        format!("{word}: {message}")
    };
    PageStatus {
        indicator,
        description,
    }
}

fn component(position: usize, service: &ServiceState) -> Component {
    let condition = &service.condition;
    let status = match condition.status {
        _ if service.maintenance.is_some() => ComponentStatus::UnderMaintenance,
        Status::Healthy => ComponentStatus::Operational,
        Status::Unknown => ComponentStatus::PartialOutage,
        Status::Degraded => ComponentStatus::DegradedPerformance,
        Status::Unhealthy => ComponentStatus::MajorOutage,
    };
    let why = || {
        format!(
            "{}: {}, {}",
            condition.status, condition.reason, condition.message
        )
    };
    Component {
        id: service.name.to_string(),
        name: service.name.to_string(),
        status,
        created_at: rfc3339(condition.since),
        updated_at: rfc3339(condition.since),
        position,
        description: condition.status.is_bad().then(why),
        showcase: true,
        group: false,
        group_id: None,
        page_id: "ward",
        only_show_if_degraded: false,
    }
}

fn under_way(maintenance: &Maintenance, component: Component) -> Scheduled {
    let Maintenance {
        service,
        why,
        start,
        end,
        ..
    } = maintenance;
    Scheduled {
        id: format!("{service}-{}", start.0),
        name: format!("{service}: {why}"),
        status: "in_progress",
        impact: "maintenance",
        scheduled_for: rfc3339(*start),
        scheduled_until: end.map(|end: Wall| rfc3339(end)),
        page_id: "ward",
        incident_updates: [],
        components: vec![component],
    }
}

#[cfg(test)]
mod tests {
    use ward_model::{Condition, Reason};

    use super::*;

    fn system(status: Status) -> SystemState {
        SystemState {
            condition: Condition {
                status,
                reason: Reason::Dependency,
                message: "bank is ill".to_owned(),
                since: Wall(0),
            },
            ..SystemState::default()
        }
    }

    #[test]
    fn unknown_is_never_told_as_operational() {
        assert_eq!(verdict(&system(Status::Unknown)).indicator, Indicator::Major);
        let mut blind = system(Status::Healthy);
        assert_eq!(verdict(&blind).description, "All systems operational");
        blind.critical_unknown = vec![ward_model::Name::new("bank").unwrap()];
        assert_eq!(verdict(&blind).indicator, Indicator::Major);
    }

    #[test]
    fn the_worse_the_verdict_the_worse_the_indicator() {
        let of = |status| verdict(&system(status));
        assert_eq!(of(Status::Degraded).indicator, Indicator::Minor);
        assert_eq!(of(Status::Unhealthy).indicator, Indicator::Critical);
        assert_eq!(of(Status::Unhealthy).description, "Unhealthy: bank is ill");
    }
}
