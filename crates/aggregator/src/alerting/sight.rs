//! What was published since the machine was last told, and the engine's signals.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use ward_alerts::{Facts, Seen, ServiceFacts};
use ward_audit::Kind;
use ward_model::{Name, ServiceState, SystemState};
use ward_proto::v1::{Entity, entity::State};

use super::breakers::Breakers;
use crate::{
    decider::{Decider, Unavailable},
    hub::Told,
};

/// So many instances are looked at in one go: less than a quarter of a tick.
const AT_ONCE: usize = 2_048;

type Signals = BTreeMap<Name, f64>;

/// See the module. Everything in it is of services that there are, which are bounded.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// What the machine was not told, but for signals; `None` of what is gone.
    changed: BTreeMap<Name, Option<Box<ServiceFacts>>>,
    system: Option<SystemState>,
    known: BTreeSet<Name>,
    /// What the snapshot under way has told of.
    snapshot: BTreeSet<Name>,
    /// A revision is being read: half of one is not shown.
    partial: bool,
    signals: BTreeMap<Name, Signals>,
    /// Services whose signals are others than the machine was told.
    moved: BTreeSet<Name>,
    breakers: Breakers,
}

impl Sight {
    /// It is followed anew: a snapshot comes.
    pub(super) fn anew(&mut self) {
        self.snapshot.clear();
        self.partial = true;
    }

    pub(super) fn take(&mut self, told: Told) {
        for Entity { state } in told.entities {
            match state {
                Some(State::System(system)) => {
                    self.system = SystemState::try_from(system).ok().or(self.system.take())
                }
                Some(State::Service(service)) => {
                    // What the hub encoded can be read.
                    let Ok(service) = ServiceState::try_from(service) else {
                        continue;
                    };
                    if told.snapshot {
                        self.snapshot.insert(service.name.clone());
                    }
                    self.known.insert(service.name.clone());
                    let facts = Box::new(ServiceFacts::new(&service, Signals::new()));
                    self.changed.insert(service.name, Some(facts));
                }
                Some(State::Removed(removed)) if removed.instance.is_empty() => {
                    if let Ok(name) = Name::service(&removed.service) {
                        self.remove(name);
                    }
                }
                _ => {}
            }
        }
        self.partial = !told.last;
        if told.snapshot && told.last {
            let current = mem::take(&mut self.snapshot);
            let gone: Vec<Name> = self.known.difference(&current).cloned().collect();
            gone.into_iter().for_each(|name| self.remove(name));
        }
    }

    fn remove(&mut self, name: Name) {
        if self.known.remove(&name) {
            self.signals.remove(&name);
            self.moved.remove(&name);
            self.breakers.forget(&name);
            self.changed.insert(name, None);
        }
    }

    /// Asks the engine for all signals there are, a piece at a time, and says which breakers turned since the last look.
    pub(super) async fn look_at_signals(
        &mut self,
        decider: &Decider,
    ) -> Result<Vec<(Name, Kind)>, Unavailable> {
        let (mut now, mut from): (BTreeMap<Name, Signals>, _) = (BTreeMap::new(), None);
        loop {
            let look = move |engine: &ward_engine::Engine| engine.signals_from(from, AT_ONCE);
            let (found, next) = decider.read(look).await?;
            found
                .into_iter()
                .for_each(|(service, signals)| join(now.entry(service).or_default(), signals));
            from = next;
            if from.is_none() {
                break;
            }
        }
        let before = mem::replace(&mut self.signals, now);
        let changed = self
            .signals
            .iter()
            .filter(|(name, signals)| before.get(*name) != Some(signals));
        let gone = before.keys().filter(|name| !self.signals.contains_key(*name));
        let moved: Vec<Name> = changed.map(|(name, _)| name).chain(gone).cloned().collect();
        self.moved
            .extend(moved.into_iter().filter(|name| self.known.contains(name)));
        Ok(self.breakers.look(&self.signals))
    }

    /// What the machine is to be told: nothing of a revision that is not whole.
    pub(super) fn seen(&mut self) -> Vec<Seen> {
        if self.partial {
            return Vec::new();
        }
        let changed = mem::take(&mut self.changed);
        let mut seen = Vec::with_capacity(changed.len() + 1);
        for (name, facts) in changed {
            self.moved.remove(&name);
            seen.push(Seen::Facts(match facts {
                Some(mut facts) => {
                    facts.signals = self.signals.get(&name).cloned().unwrap_or_default();
                    Facts::Service(name, facts)
                }
                None => Facts::Gone(name),
            }));
        }
        for name in mem::take(&mut self.moved) {
            let signals = self.signals.get(&name).cloned().unwrap_or_default();
            seen.push(Seen::Signals(name, signals));
        }
        if let Some(system) = self.system.take() {
            seen.push(Seen::Facts(Facts::System(Box::new((&system).into()))));
        }
        seen
    }
}

/// Of each the greatest, of a service that was looked at in pieces.
fn join(known: &mut Signals, more: Signals) {
    for (name, value) in more {
        let greatest = known.entry(name).or_insert(value);
        *greatest = f64::max(*greatest, value);
    }
}

#[cfg(test)]
mod tests {
    use ward_proto::v1;

    use super::*;

    fn service(name: &str) -> Entity {
        let condition = v1::Condition {
            status: v1::Status::Healthy.into(),
            ..v1::Condition::default()
        };
        let service = v1::ServiceState {
            name: name.to_owned(),
            own: Some(condition.clone()),
            condition: Some(condition),
            instances: Some(v1::InstanceCounts::default()),
            ..v1::ServiceState::default()
        };
        Entity {
            state: Some(State::Service(service)),
        }
    }

    fn told(snapshot: bool, last: bool, names: &[&str]) -> Told {
        Told {
            snapshot,
            last,
            entities: names.iter().map(|name| service(name)).collect(),
        }
    }

    fn seen(sight: &mut Sight) -> Vec<String> {
        let word = |seen: Seen| match seen {
            Seen::Facts(Facts::Service(name, _)) => name.to_string(),
            Seen::Facts(Facts::Gone(name)) => format!("-{name}"),
            other => panic!("{other:?}"),
        };
        sight.seen().into_iter().map(word).collect()
    }

    #[test]
    fn half_a_revision_is_not_shown() {
        let mut sight = Sight::default();
        sight.anew();
        sight.take(told(true, false, &["a"]));
        assert_eq!(seen(&mut sight), [""; 0]);
        sight.take(told(true, true, &["b"]));
        assert_eq!(seen(&mut sight), ["a", "b"]);
        assert_eq!(seen(&mut sight), [""; 0]);
        sight.take(told(false, false, &["b"]));
        assert_eq!(seen(&mut sight), [""; 0]);
        sight.take(told(false, true, &["c"]));
        assert_eq!(seen(&mut sight), ["b", "c"]);
    }

    #[test]
    fn what_a_later_snapshot_leaves_out_is_gone() {
        let mut sight = Sight::default();
        sight.take(told(true, true, &["a", "b"]));
        assert_eq!(seen(&mut sight), ["a", "b"]);
        // It fell behind, and follows anew.
        sight.anew();
        sight.take(told(true, false, &["b"]));
        sight.take(told(true, true, &["c"]));
        assert_eq!(seen(&mut sight), ["-a", "b", "c"]);
        let removed = v1::Removed {
            service: "b".into(),
            instance: String::new(),
        };
        sight.take(Told {
            snapshot: false,
            last: true,
            entities: vec![Entity {
                state: Some(State::Removed(removed)),
            }],
        });
        assert_eq!(seen(&mut sight), ["-b"]);
    }

    #[test]
    fn who_is_not_heard_yet_is_unknown_whatever_its_dependencies_do_to_it() {
        let condition = |status: v1::Status, reason: &str| v1::Condition {
            status: status.into(),
            reason: reason.into(),
            ..v1::Condition::default()
        };
        let status_of = |own: v1::Condition| {
            let service = v1::ServiceState {
                name: "payments".into(),
                own: Some(own),
                condition: Some(condition(v1::Status::Unhealthy, "Dependency")),
                instances: Some(v1::InstanceCounts::default()),
                causes: vec!["payments".into(), "bank".into()],
                ..v1::ServiceState::default()
            };
            let mut sight = Sight::default();
            sight.take(Told {
                snapshot: true,
                last: true,
                entities: vec![Entity {
                    state: Some(State::Service(service)),
                }],
            });
            match sight.seen().remove(0) {
                Seen::Facts(Facts::Service(_, facts)) => facts.status,
                other => panic!("{other:?}"),
            }
        };
        let unheard = condition(v1::Status::Unknown, "ObserverSuspect");
        assert_eq!(status_of(unheard), ward_model::Status::Unknown);
        let heard = condition(v1::Status::Healthy, "Reported");
        assert_eq!(status_of(heard), ward_model::Status::Unhealthy);
    }
}
