//! What Ward says when one of a hundred services flips, made up: the same fields, about as many bytes.

use ward_proto::v1::{
    Condition, Delta, DeltaKind, Entity, InstanceCounts, ObserverState, ServiceCounts, ServiceState, Status,
    SystemState, WatchResponse, entity::State, watch_response::Event,
};

/// Some moment.
const SINCE: i64 = 1_700_000_000_000;

pub(super) fn of_flip(service: &str, status: Status, revision: u64) -> WatchResponse {
    let bad = u32::from(status != Status::Healthy);
    let causes: Vec<String> = (bad > 0).then(|| service.to_owned()).into_iter().collect();
    let condition = |status: Status, reason: &str, message: &str| Condition {
        status: status.into(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        since_unix_ms: SINCE,
    };
    let own = condition(status, "Reported", if bad > 0 { "flip: says so" } else { "" });
    let system = if bad > 0 {
        Status::Degraded
    } else {
        Status::Healthy
    };
    let system = SystemState {
        condition: Some(condition(
            system,
            if bad > 0 { "Dependency" } else { "Reported" },
            "",
        )),
        causes: causes.clone(),
        observer: Some(ObserverState::default()),
        services: Some(ServiceCounts {
            total: 100,
            healthy: 100 - bad,
            unhealthy: bad,
            ..ServiceCounts::default()
        }),
        ..SystemState::default()
    };
    let service = ServiceState {
        name: service.to_owned(),
        condition: Some(own.clone()),
        own: Some(own),
        causes,
        criticality: 2,
        instances: Some(InstanceCounts {
            total: 1,
            healthy: 1 - bad,
            unhealthy: bad,
            ..InstanceCounts::default()
        }),
        min_healthy: 1,
        reported: true,
        up_since_unix_ms: SINCE,
        ..ServiceState::default()
    };
    let entity = |state| Entity { state: Some(state) };
    let delta = Delta {
        epoch: 1,
        from: revision - 1,
        to: revision,
        kind: DeltaKind::Revision.into(),
        last: true,
        entities: vec![entity(State::System(system)), entity(State::Service(service))],
        ..Delta::default()
    };
    WatchResponse {
        event: Some(Event::Delta(delta)),
    }
}
