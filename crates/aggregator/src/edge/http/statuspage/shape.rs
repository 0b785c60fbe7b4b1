//! The members that readers of Statuspage know, and what Ward puts into them.

use serde::Serialize;
use utoipa::ToSchema;

/// Whose page it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Page {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) url: &'static str,
    pub(super) time_zone: &'static str,
    /// When the verdict about the system changed last.
    pub(super) updated_at: String,
}

/// How bad it is as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Indicator {
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
pub(super) struct PageStatus {
    pub(super) indicator: Indicator,
    #[schema(example = "All systems operational")]
    pub(super) description: String,
}

/// How bad one component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ComponentStatus {
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
pub(super) struct Component {
    /// The name of the service.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: ComponentStatus,
    /// Since when the status holds; Ward keeps no other date of a service.
    pub(super) created_at: String,
    pub(super) updated_at: String,
    /// By name, from 1.
    pub(super) position: usize,
    /// Why it is as it is; null while operational.
    pub(super) description: Option<String>,
    pub(super) showcase: bool,
    pub(super) group: bool,
    pub(super) group_id: Option<String>,
    pub(super) page_id: &'static str,
    pub(super) only_show_if_degraded: bool,
}

/// Work on a service, under way or to come.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Scheduled {
    /// The service and when it begins.
    pub(super) id: String,
    /// Why.
    pub(super) name: String,
    #[schema(pattern = "^(scheduled|in_progress)$")]
    pub(super) status: &'static str,
    pub(super) impact: &'static str,
    pub(super) scheduled_for: String,
    /// Null while open-ended.
    pub(super) scheduled_until: Option<String>,
    pub(super) page_id: &'static str,
    /// Always none.
    #[schema(value_type = Vec<Object>, max_items = 0)]
    pub(super) incident_updates: [(); 0],
    pub(super) components: Vec<Component>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Summary {
    pub(super) page: Page,
    pub(super) status: PageStatus,
    pub(super) components: Vec<Component>,
    /// Always none.
    #[schema(value_type = Vec<Object>, max_items = 0)]
    pub(super) incidents: [(); 0],
    pub(super) scheduled_maintenances: Vec<Scheduled>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusPage {
    pub(super) page: Page,
    pub(super) status: PageStatus,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Components {
    pub(super) page: Page,
    pub(super) components: Vec<Component>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Incidents {
    pub(super) page: Page,
    /// Always none.
    #[schema(value_type = Vec<Object>, max_items = 0)]
    pub(super) incidents: [(); 0],
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduledMaintenances {
    pub(super) page: Page,
    pub(super) scheduled_maintenances: Vec<Scheduled>,
}
