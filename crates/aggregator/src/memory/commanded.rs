//! What operators commanded shortly before the aggregator ended. Pure.
//!
//! A command is answered once it is durable in the audit log; the store takes it a moment later, or much later if it is
//! away. So what the store knows is corrected by what the log says. A command that was under way counts as given: whoever
//! gave it may have been told so, and to give it again changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use ward_audit::{Event, Kind, Phase, Source};
use ward_model::{Acknowledgement, KnownInstance, KnownService, Maintenance, Name, RuleName, Wall};

use super::act::NOT_DONE;

/// The store writes in parts: what was forgotten so shortly before its last sign of life it may not have heard of.
const UNHEARD_MS: i64 = 60_000;

/// What was commanded.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Commanded {
    /// The maintenance of a service; `None` if it was ended.
    maintenance: BTreeMap<Name, Option<Maintenance>>,
    /// Services, or `service/instance`, and when.
    forgotten: BTreeMap<String, Wall>,
    acknowledged: Acknowledged,
}

/// What was acknowledged of a service (`None`: of the system); `None` if it was ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Acknowledged(BTreeMap<Option<Name>, Option<Acknowledgement>>);

impl Acknowledged {
    /// What is in force, where the store knows of `stored`.
    pub(super) fn over(&self, stored: Vec<Acknowledgement>) -> Vec<Acknowledgement> {
        let others = stored
            .into_iter()
            .filter(|said| !self.0.contains_key(&said.service));
        others.chain(self.0.values().flatten().cloned()).collect()
    }
}

impl Commanded {
    /// By `newest`, events of the log, the newest first.
    pub(super) fn read(newest: &[Event]) -> Self {
        let mut commanded = Self::default();
        let refused = refused(newest);
        let given = |event: &&Event| match event.source {
            Source::Operator => event.phase == Phase::Intent && !refused.contains(&event.index),
            // An acknowledgement that ended by itself.
            Source::Alerting => event.kind == Kind::Unacknowledge,
            _ => false,
        };
        for event in newest.iter().rev().filter(given) {
            match event.kind {
                Kind::Forget => {
                    // With the service goes its maintenance.
                    if let Some(window) = Name::service(&event.subject)
                        .ok()
                        .and_then(|service| commanded.maintenance.get_mut(&service))
                    {
                        *window = None;
                    }
                    commanded.forgotten.insert(event.subject.clone(), event.time);
                }
                Kind::MaintenanceStart | Kind::MaintenanceEnd => {
                    if let Ok(service) = Name::service(&event.subject) {
                        commanded.maintenance.insert(service, window(event));
                    }
                }
                Kind::Acknowledge | Kind::Unacknowledge => {
                    let service = Name::service(&event.subject).ok();
                    let said = acknowledgement(event, service.clone());
                    commanded.acknowledged.0.insert(service, said);
                }
                _ => {}
            }
        }
        commanded
    }

    /// What was acknowledged.
    pub(super) fn acknowledged(&self) -> &Acknowledged {
        &self.acknowledged
    }

    /// The maintenance that was commanded and not ended.
    pub(super) fn maintenance(&self) -> Vec<Maintenance> {
        self.maintenance.values().flatten().cloned().collect()
    }

    /// What the store knows of maintenance about which nothing was commanded.
    pub(super) fn other_maintenance(&self, stored: Vec<Maintenance>) -> Vec<Maintenance> {
        let is_other = |window: &Maintenance| !self.maintenance.contains_key(&window.service);
        stored.into_iter().filter(is_other).collect()
    }

    /// The store was last written at `alive`: it has heard of what was forgotten before, and who is in it came back since.
    pub(super) fn heard_by_store(&mut self, alive: Option<Wall>) {
        if let Some(alive) = alive {
            let unheard = alive.0.saturating_sub(UNHEARD_MS);
            self.forgotten.retain(|_, at| at.0 >= unheard);
        }
    }

    /// Services whose maintenance was ended.
    pub(super) fn ended(&self) -> impl Iterator<Item = &Name> {
        let ended = self.maintenance.iter().filter(|(_, window)| window.is_none());
        ended.map(|(service, _)| service)
    }

    /// Whether a service was dropped.
    pub(super) fn has_forgotten(&self, service: &KnownService) -> bool {
        self.forgotten.contains_key(service.name.as_str())
    }

    /// Whether an instance was, or its service with it.
    pub(super) fn has_forgotten_instance(&self, instance: &KnownInstance) -> bool {
        let (service, name) = (&instance.id.service, &instance.id.instance);
        !self.forgotten.is_empty()
            && (self.forgotten.contains_key(service.as_str())
                || self.forgotten.contains_key(&format!("{service}/{name}")))
    }
}

/// The indices of commands that were not taken.
fn refused(newest: &[Event]) -> BTreeSet<u64> {
    let refusals = newest
        .iter()
        .filter(|event| event.evidence.get("outcome") == Some(NOT_DONE));
    refusals.filter_map(|event| event.intent).collect()
}

/// `None` where it was ended, or cannot be read.
fn acknowledgement(event: &Event, service: Option<Name>) -> Option<Acknowledgement> {
    let told = |key| event.evidence.get(key).unwrap_or_default();
    let lasts = told("duration_ms").parse::<i64>().ok()?;
    let rules = told("rules")
        .split(' ')
        .map(RuleName::new)
        .collect::<Result<_, _>>()
        .ok()?;
    // As it was said, so that it is known for the same.
    let start = told("start_ms").parse().map_or(event.time, Wall);
    (event.kind == Kind::Acknowledge).then(|| Acknowledgement {
        service,
        rules,
        by: told("by").to_owned(),
        why: told("why").to_owned(),
        start,
        end: Wall(start.0.saturating_add(lasts)),
    })
}

fn window(event: &Event) -> Option<Maintenance> {
    let told = |key| event.evidence.get(key).unwrap_or_default().to_owned();
    let end = event
        .evidence
        .get("duration_ms")
        .and_then(|ms| ms.parse::<i64>().ok());
    (event.kind == Kind::MaintenanceStart).then(|| Maintenance {
        service: Name::service(&event.subject).expect("it was read before"),
        by: told("by"),
        why: told("why"),
        start: event.time,
        end: end.map(|ms| Wall(event.time.0.saturating_add(ms))),
    })
}

#[cfg(test)]
mod tests {
    use ward_audit::Draft;
    use ward_model::{Mono, Now};
    use ward_tlog::Hash;

    use super::*;

    fn draft(kind: Kind, subject: &str, at: i64) -> Draft {
        let now = Now {
            mono: Mono(0),
            wall: Wall(at),
        };
        Draft::new(kind, Source::Operator, subject, now)
            .with("by", "ada")
            .with("why", "disks")
    }

    fn log(drafts: impl IntoIterator<Item = Draft>) -> Vec<Event> {
        let mut events: Vec<_> = (0..)
            .zip(drafts)
            .map(|(index, draft)| draft.placed(index, Hash::EMPTY, "boot"))
            .collect();
        events.reverse();
        events
    }

    fn bank(start: i64, end: Option<i64>) -> Maintenance {
        Maintenance {
            service: Name::service("bank").unwrap(),
            by: "ada".into(),
            why: "disks".into(),
            start: Wall(start),
            end: end.map(Wall),
        }
    }

    #[test]
    fn the_last_command_holds_over_what_the_store_knows() {
        let start = || draft(Kind::MaintenanceStart, "bank", 1_000).intent();
        let stored = || vec![bank(1, None)];
        let timed = Commanded::read(&log([start().with("duration_ms", "500")]));
        assert_eq!(timed.maintenance(), [bank(1_000, Some(1_500))]);
        assert_eq!(timed.other_maintenance(stored()), []);
        let ended = draft(Kind::MaintenanceEnd, "bank", 2_000).intent();
        let commanded = Commanded::read(&log([start(), ended]));
        assert_eq!(commanded.maintenance(), []);
        assert_eq!(commanded.other_maintenance(stored()), []);
        let none = Commanded::read(&log([]));
        assert_eq!(none.maintenance(), []);
        assert_eq!(none.other_maintenance(stored()), stored());
    }

    #[test]
    fn what_was_acknowledged_last_holds_over_what_the_store_knows() {
        let said = |service: Option<&str>, start, end| Acknowledgement {
            service: service.map(|name| Name::service(name).unwrap()),
            rules: vec![RuleName::new("A").unwrap(), RuleName::new("B").unwrap()],
            by: "ada".into(),
            why: "disks".into(),
            start: Wall(start),
            end: Wall(end),
        };
        let acknowledge = |subject: &str| {
            let draft = draft(Kind::Acknowledge, subject, 1_000).with("rules", "A B");
            draft.with("duration_ms", "500").intent()
        };
        let stored = || vec![said(Some("bank"), 1, 2), said(Some("shop"), 3, 4)];
        let commanded = Commanded::read(&log([acknowledge("bank"), acknowledge("system")]));
        let over = commanded.acknowledged().over(stored());
        let expected = [
            said(Some("shop"), 3, 4),
            said(None, 1_000, 1_500),
            said(Some("bank"), 1_000, 1_500),
        ];
        assert_eq!(over, expected);
        let ended = draft(Kind::Unacknowledge, "bank", 2_000).intent();
        let commanded = Commanded::read(&log([acknowledge("bank"), ended]));
        assert_eq!(
            commanded.acknowledged().over(stored()),
            [said(Some("shop"), 3, 4)]
        );
    }

    #[test]
    fn what_ended_by_itself_is_not_acknowledged_any_more() {
        let acknowledge = draft(Kind::Acknowledge, "bank", 1_000).with("rules", "A");
        let by_itself = Draft {
            source: Source::Alerting,
            ..draft(Kind::Unacknowledge, "bank", 2_000)
        };
        let acknowledge = acknowledge.with("duration_ms", "500000").intent();
        let commanded = Commanded::read(&log([acknowledge.clone()]));
        assert_eq!(commanded.acknowledged().over(Vec::new()).len(), 1);
        let commanded = Commanded::read(&log([acknowledge, by_itself]));
        assert_eq!(commanded.acknowledged().over(Vec::new()), []);
    }

    #[test]
    fn what_was_refused_was_not_commanded() {
        let start = draft(Kind::MaintenanceStart, "bank", 1_000);
        let refusal = start.clone().outcome_of(0).with("outcome", "not done");
        let commanded = Commanded::read(&log([start.intent(), refusal]));
        assert_eq!(commanded, Commanded::default());
    }

    #[test]
    fn what_the_store_has_not_heard_was_forgotten_does_not_come_back() {
        let forget = |subject: &str, at| draft(Kind::Forget, subject, at).intent();
        let mut commanded = Commanded::read(&log([
            forget("old", 1_000),
            forget("bank", 100_000),
            forget("shop/s1", 100_000),
        ]));
        let forgotten = |commanded: &Commanded| {
            let names = commanded.forgotten.keys().cloned();
            names.collect::<Vec<_>>()
        };
        // It has never been written, or nobody knows.
        commanded.heard_by_store(None);
        assert_eq!(forgotten(&commanded), ["bank", "old", "shop/s1"]);
        commanded.heard_by_store(Some(Wall(110_000)));
        assert_eq!(forgotten(&commanded), ["bank", "shop/s1"]);
        // However little happened since: who is in the store came back.
        commanded.heard_by_store(Some(Wall(1_000_000)));
        assert_eq!(forgotten(&commanded), [""; 0]);
    }
}
