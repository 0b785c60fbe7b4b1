//! One change as one line for people. `None` for what is no news to them, such as a count or a number that moved.

use std::fmt::Write;

use ward_model::{Condition, Entity, EntityKey, Name, ObserverState, Reason, Status, Wall};
use ward_sdk::watch::Changed;

use crate::output::{DIM, Escaped, Times, paint, word};

/// What of a thing is news when it differs.
#[derive(Debug, Default, PartialEq)]
struct Seen<'a> {
    status: Status,
    reason: Reason,
    causes: &'a [Name],
    remarks: Vec<String>,
}

/// The line, with its newline.
pub(super) fn text(changed: &Changed, times: &Times) -> Option<String> {
    let before = changed.before.as_ref().map(seen);
    let now = seen(&changed.entity);
    if before.as_ref() == Some(&now) {
        return None;
    }
    let since = condition(&changed.entity)
        .filter(|_| changed.is_transition())
        .map(|condition| condition.since);
    let moment = times.moment(since.filter(|since| *since != Wall(0)).unwrap_or(times.now()));
    let name = name(&changed.entity.key());
    let mut line = format!("{}  {name:<22}  ", paint(DIM, moment));
    let is = (!matches!(changed.entity, Entity::Removed(_))).then_some(now.status);
    let arrow = match before {
        // The status is what it was: what is new stands behind it.
        Some(before) if is == Some(before.status) => " ".repeat(WIDTH + 4),
        before => format!("{} -> ", cell(before.map(|before| before.status), "-")),
    };
    write!(line, "{arrow}{}", cell(is, "gone")).expect("a string takes all");
    if let Some(condition) = condition(&changed.entity).filter(|condition| condition.status.is_bad()) {
        write!(line, "  {}", condition.reason).expect("a string takes all");
        if !condition.message.is_empty() {
            write!(line, ": {}", Escaped(&condition.message)).expect("a string takes all");
        }
    }
    let others: Vec<_> = now
        .causes
        .iter()
        .map(Name::as_str)
        .filter(|cause| *cause != name)
        .collect();
    if now.status.is_bad() && !others.is_empty() {
        write!(line, "  cause: {}", others.join(", ")).expect("a string takes all");
    }
    if !now.remarks.is_empty() {
        write!(line, "  [{}]", now.remarks.join("; ")).expect("a string takes all");
    }
    Some(format!("{}\n", line.trim_end()))
}

/// As wide as the widest status.
const WIDTH: usize = "unhealthy".len();

fn cell(status: Option<Status>, none: &str) -> String {
    match status {
        Some(status) => format!("{}{}", word(status), " ".repeat(WIDTH - status.as_str().len())),
        None => format!("{none:<WIDTH$}"),
    }
}

/// How a thing is called: `system`, `payments`, `payments/0`.
pub(super) fn name(key: &EntityKey) -> String {
    match key {
        EntityKey::System => "system".into(),
        EntityKey::Service(name) => name.to_string(),
        EntityKey::Instance(id) => id.to_string(),
    }
}

fn condition(entity: &Entity) -> Option<&Condition> {
    match entity {
        Entity::System(system) => Some(&system.condition),
        Entity::Service(service) => Some(&service.condition),
        Entity::Instance(instance) => Some(&instance.condition),
        Entity::Removed(_) => None,
    }
}

fn seen(entity: &Entity) -> Seen<'_> {
    let (causes, remarks): (&[Name], _) = match entity {
        Entity::System(system) => (&system.causes, observer(&system.observer)),
        Entity::Service(service) => {
            let counts = service.instances;
            let counted = |count: u32, word| (count > 0).then(|| format!("{count} {word}"));
            let maintenance = service.maintenance.as_ref();
            let maintenance =
                maintenance.map(|m| format!("maintenance by {}: {}", Escaped(&m.by), Escaped(&m.why)));
            let remarks = [
                counted(counts.suspect, "suspect"),
                counted(counts.lost, "lost"),
                maintenance,
            ];
            (&service.causes, remarks.into_iter().flatten().collect())
        }
        Entity::Instance(instance) => {
            let freshness =
                (instance.freshness != Default::default()).then(|| instance.freshness.to_string());
            let flapping = instance.flapping.then(|| "flapping".into());
            let last = instance.last_status.map(|last| format!("was {last}"));
            (&[], [freshness, flapping, last].into_iter().flatten().collect())
        }
        Entity::Removed(_) => (&[], Vec::new()),
    };
    let Condition { status, reason, .. } = condition(entity).cloned().unwrap_or_default();
    Seen {
        status,
        reason,
        causes,
        remarks,
    }
}

/// That it is settling is no news: it says so after each start.
fn observer(observer: &ObserverState) -> Vec<String> {
    let doubts = [
        (observer.blind, "the observer is blind"),
        (
            observer.degraded_view && !observer.blind,
            "the observer misses more than half at once",
        ),
    ];
    doubts
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, doubt)| (*doubt).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use ward_model::{InstanceCounts, ServiceState};

    use super::*;

    fn service(status: Status, message: &str) -> ServiceState {
        let name = |text| Name::service(text).unwrap();
        let condition = Condition {
            status,
            reason: Reason::Dependency,
            message: message.into(),
            since: Wall(1_763_829_219_000),
        };
        ServiceState {
            name: name("storefront"),
            own: Condition::default(),
            condition,
            causes: if status.is_bad() {
                vec![name("bank")]
            } else {
                Vec::new()
            },
            criticality: Default::default(),
            dependencies: Vec::new(),
            instances: InstanceCounts {
                total: 1,
                ..InstanceCounts::default()
            },
            min_healthy: 1,
            maintenance: None,
            reported: true,
            disagreements: Vec::new(),
            up_since: None,
            last_status: None,
        }
    }

    fn told(before: Option<ServiceState>, entity: Entity) -> Option<String> {
        let changed = Changed {
            before: before.map(Entity::Service),
            entity,
        };
        let line = text(&changed, &Times::utc(Wall(1_763_829_300_000)))?;
        Some(anstream::adapter::strip_str(&line).to_string())
    }

    #[test]
    fn a_line_says_what_when_and_why() {
        let well = service(Status::Healthy, "");
        let ill = service(Status::Unhealthy, "payments is\n\u{1b}[2J unhealthy");
        let line = told(Some(well.clone()), Entity::Service(ill.clone())).unwrap();
        assert_eq!(
            line,
            "2025-11-22 16:33:39  storefront              healthy   -> unhealthy  Dependency: payments is\\u{a}\\u{1b}[2J \
             unhealthy  cause: bank\n"
        );
        let line = told(None, Entity::Service(well.clone())).unwrap();
        assert_eq!(
            line,
            "2025-11-22 16:33:39  storefront              -         -> healthy\n"
        );
        let line = told(Some(ill), Entity::Removed(EntityKey::Service(well.name.clone()))).unwrap();
        assert_eq!(
            line,
            "2025-11-22 16:35:00  storefront              unhealthy -> gone\n"
        );
    }

    #[test]
    fn what_is_no_news_is_no_line() {
        let well = service(Status::Healthy, "");
        let mut more = well.clone();
        more.instances.total = 2;
        assert_eq!(told(Some(well.clone()), Entity::Service(more.clone())), None);
        more.instances.suspect = 1;
        let line = told(Some(well), Entity::Service(more)).unwrap();
        assert_eq!(
            line,
            "2025-11-22 16:35:00  storefront                           healthy    [1 suspect]\n"
        );
    }
}
