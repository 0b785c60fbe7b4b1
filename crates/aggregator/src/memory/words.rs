//! A change in the words of the audit log and of the store. Pure.

use ward_audit::{Draft, Kind, Source};
use ward_model::{Condition, EntityKey, Freshness, MinHealthy, Name, Now, Reason, ServiceState, Status};
use ward_store::{KnownInstance, KnownService};

use super::ear::{Instance, Thing};

/// Most causes told of one event; the first are the nearest.
const CAUSES: usize = 8;

/// What an event is about, as it stands in the log.
pub(super) fn subject(key: &EntityKey) -> String {
    match key {
        EntityKey::System => "system".to_owned(),
        EntityKey::Service(name) => name.to_string(),
        EntityKey::Instance(id) => format!("{}/{}", id.service, id.instance),
    }
}

/// By what a status was decided: that it lives, that it can work, or the roll-up of others.
fn source(reason: Reason) -> Source {
    match reason {
        Reason::Lost | Reason::Exited | Reason::StartupTimeout | Reason::HostUnreachable => Source::Liveness,
        Reason::Reported | Reason::Starting | Reason::Observed | Reason::Threshold | Reason::Flapping => {
            Source::Readiness
        }
        Reason::NoInstances | Reason::Quorum | Reason::Dependency | Reason::ObserverSuspect => Source::Engine,
    }
}

/// What a thing is now, as far as a transition is about it.
pub(super) struct Verdict<'a> {
    pub(super) key: EntityKey,
    pub(super) status: Status,
    pub(super) reason: Reason,
    pub(super) message: &'a str,
    pub(super) causes: &'a [Name],
    pub(super) maintenance: bool,
    /// Its status before the aggregator's start, as long as there is none since.
    pub(super) last_status: Option<Status>,
}

impl<'a> Verdict<'a> {
    /// `None` for what is no more.
    pub(super) fn of(thing: &'a Thing) -> Option<Self> {
        let verdict = |key, condition: &'a Condition| Self {
            key,
            status: condition.status,
            reason: condition.reason,
            message: &condition.message,
            causes: &[],
            maintenance: false,
            last_status: None,
        };
        Some(match thing {
            Thing::System(system) => Self {
                causes: &system.causes,
                ..verdict(EntityKey::System, &system.condition)
            },
            Thing::Service(service) => Self {
                causes: &service.causes,
                maintenance: service.maintenance.is_some(),
                last_status: service.last_status,
                ..verdict(EntityKey::Service(service.name.clone()), &service.condition)
            },
            Thing::Instance(instance) => Self {
                key: EntityKey::Instance(instance.id.clone()),
                status: instance.status,
                reason: instance.reason,
                message: &instance.message,
                causes: &[],
                maintenance: false,
                last_status: instance.last_status,
            },
            Thing::Removed(_) => return None,
        })
    }

    /// The event of its becoming that.
    pub(super) fn draft(&self, kind: Kind, before: Option<Status>, at: Now) -> Draft {
        let mut draft = Draft::new(kind, source(self.reason), subject(&self.key), at)
            .with("to", self.status.as_str())
            .with("reason", self.reason.as_str());
        if let Some(before) = before {
            draft = draft.with("from", before.as_str());
        }
        if let Some(last) = self.last_status {
            draft = draft.with("last_known", last.as_str());
        }
        if !self.message.is_empty() {
            draft = draft.with("message", self.message);
        }
        if self.maintenance {
            draft = draft.with("maintenance", "yes");
        }
        if self.causes.is_empty() {
            return draft;
        }
        let causes: Vec<_> = self.causes.iter().take(CAUSES).map(Name::as_str).collect();
        draft.with("causes", causes.join(" "))
    }
}

/// What is to be known of a service after a restart; `None` while nothing new is.
pub(super) fn known_service(state: &ServiceState) -> Option<KnownService> {
    let Condition {
        status,
        reason,
        message,
        since,
    } = state.condition.clone();
    (state.last_status.is_none() && state.reported).then(|| KnownService {
        name: state.name.clone(),
        criticality: state.criticality,
        min_healthy: MinHealthy::Count(state.min_healthy),
        dependencies: state.dependencies.clone(),
        status,
        reason,
        message,
        since,
    })
}

/// The same of an instance.
pub(super) fn known_instance(instance: &Instance) -> Option<KnownInstance> {
    instance.last_status.is_none().then(|| KnownInstance {
        id: instance.id.clone(),
        incarnation: instance.incarnation.clone(),
        interval_ms: instance.interval_ms,
        status: instance.status,
        // Silence that nobody has judged is not known of it.
        freshness: match instance.freshness {
            Freshness::Suspect => Freshness::Fresh,
            freshness => freshness,
        },
    })
}
