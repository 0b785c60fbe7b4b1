//! Keeps the answers up to date: with the hub for the system and its services, with a look now and then for the process.

use std::{collections::HashSet, mem, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use ward_proto::v1::{Entity, entity::State};

use super::{super::Shared, Rule, SYSTEM, Standard};
use crate::hub::Told;

/// How often this process is looked at. A probe comes every few seconds, and a stop says so itself.
const LOOK: Duration = Duration::from_millis(500);

/// Services that are known to the server: at most as many as there are in the engine, and while a snapshot is read as
/// many again.
#[derive(Debug, Default)]
struct Services {
    known: HashSet<String>,
    /// What the snapshot under way has told of.
    told: HashSet<String>,
}

/// Follows until it is dropped. However it ends, nothing serves behind it: an answer that nobody keeps up to date is
/// none.
pub(crate) async fn follow(edge: Shared) {
    let _drained = DrainWhenDropped(&edge.standard);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut in_force = edge.reloader.changes();
    let mut services = Services::default();
    loop {
        // A new rule is for all that is known, which is what one who follows anew is told first.
        let mut follower = edge.hub.follow();
        let rule = Rule::from(&in_force.borrow_and_update().settings);
        loop {
            tokio::select! {
                biased;
                _ = looks.tick() => edge.standard.look_at_process(&edge),
                changed = in_force.changed() => {
                    changed.expect("the edge holds the sender");
                    break;
                }
                told = follower.next() => match told {
                    Some(told) => services.take(&edge.standard, &rule, told),
                    None => break,
                },
            }
        }
        services.told.clear();
    }
}

impl Services {
    fn take(&mut self, standard: &Standard, rule: &Rule, told: Told) {
        for Entity { state } in told.entities {
            match state {
                Some(State::System(system)) => standard.health.set(SYSTEM, rule.system(&system)),
                Some(State::Service(service)) => self.set(standard, rule, service, told.snapshot),
                Some(State::Removed(removed)) => self.remove(standard, &removed.service),
                Some(State::Instance(_)) | None => {}
            }
        }
        if told.snapshot && told.last {
            let current = mem::take(&mut self.told);
            for gone in mem::replace(&mut self.known, current).difference(&self.known) {
                standard.health.remove(gone);
            }
        }
    }

    fn set(
        &mut self,
        standard: &Standard,
        rule: &Rule,
        service: ward_proto::v1::ServiceState,
        snapshot: bool,
    ) {
        let Some(status) = rule.service(&service) else {
            return self.remove(standard, &service.name);
        };
        standard.health.set(&service.name, status);
        if snapshot {
            self.told.insert(service.name);
        } else if !self.known.contains(&service.name) {
            self.known.insert(service.name);
        }
    }

    fn remove(&mut self, standard: &Standard, name: &str) {
        if self.known.remove(name) {
            standard.health.remove(name);
        }
    }
}

struct DrainWhenDropped<'a>(&'a Standard);

impl Drop for DrainWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.drain();
    }
}
