//! `/api/v2/summary.json` and its like: what is known in the shape of Statuspage, for readers that know that shape.
//!
//! Statuspage has no word for Unknown. Told as operational it would be a lie, so it is the middle of what there is: a
//! component of which nothing is known has a `partial_outage`, and a system of which nothing is known is `major`. The
//! text says that it is unknown. Incidents are always none: Ward has causes, which `/api/v1/explain` tells.

mod shape;

use std::sync::Arc;

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderName, header},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use ward_model::{Maintenance, Name, ServiceState, Status, SystemState};

use self::shape::{
    Component, ComponentStatus, Components, Incidents, Indicator, Page, PageStatus, Scheduled,
    ScheduledMaintenances, StatusPage, Summary,
};
use super::{App, parameters::Parameters, problem::Problem, view::rfc3339};
use crate::edge::{Edge, ask};

type Answer<T> = Result<([(HeaderName, &'static str); 1], Json<T>), Problem>;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(summary))
        .routes(routes!(status))
        .routes(routes!(components))
        .routes(routes!(incidents))
        .routes(routes!(scheduled_maintenances))
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
    responses((status = 200, description = "Page, and maintenance under way and to come.", body = ScheduledMaintenances)))]
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
    /// By the windows of the configuration, the nearest first.
    upcoming: Arc<Vec<Maintenance>>,
}

impl Known {
    async fn of(edge: &Edge, query: Option<&str>) -> Result<Self, Problem> {
        Parameters::strict(query, &[]).finish()?;
        let (_, system) = ask::system(edge).await?;
        let services = ask::all(edge, |service| service).await?;
        let upcoming = edge.upcoming.load_full();
        Ok(Self {
            system,
            services,
            upcoming,
        })
    }

    fn components(&self) -> Vec<Component> {
        let numbered = self.services.iter().enumerate();
        numbered
            .map(|(index, service)| component(index + 1, service))
            .collect()
    }

    fn scheduled(&self) -> Vec<Scheduled> {
        let under_way = self
            .services
            .iter()
            .filter_map(|service| service.maintenance.as_ref());
        let under_way = under_way.map(|maintenance| ("in_progress", maintenance));
        let to_come = self.upcoming.iter().map(|maintenance| ("scheduled", maintenance));
        under_way
            .chain(to_come)
            .map(|(status, maintenance)| scheduled(status, maintenance, self.component(&maintenance.service)))
            .collect()
    }

    fn component(&self, name: &Name) -> Option<Component> {
        // In the order of their names.
        let index = self
            .services
            .binary_search_by(|service| service.name.cmp(name))
            .ok()?;
        Some(component(index + 1, &self.services[index]))
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

fn scheduled(status: &'static str, maintenance: &Maintenance, component: Option<Component>) -> Scheduled {
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
        status,
        impact: "maintenance",
        scheduled_for: rfc3339(*start),
        scheduled_until: end.map(rfc3339),
        page_id: "ward",
        incident_updates: [],
        components: component.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use ward_model::{Condition, Reason, Wall};

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
