//! Starts the windows of maintenance that the configuration plans, and ends what it no longer plans.
//!
//! When a window is open is for `ward-config` to say, by the wall clock; maintenance itself is the engine's, which counts
//! how long it lasts by its own. This keeps the two together: it looks every second whether something opens or closes, and
//! at everything once the wall clock has been set.
//!
//! People come first. Maintenance that somebody started and that lasts at least as long is left alone; what somebody ended
//! stays ended until the next time that a window opens. Only what was started here, exactly as it was started, is ended
//! here, and what that took the place of is given its place back where it would last on. Nothing of that survives a
//! restart: a window that is open then is started again.

mod plan;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{sync::watch, time::interval};
use ward_audit::{Draft, Kind, Source};
use ward_engine::{Engine, Event, Reply};
use ward_model::{Maintenance, Name, Now, Wall};

use crate::{decider::Unavailable, edge::Edge, reload::InForce};

use plan::{Act, Kept};

/// Who is said to have started it.
pub(crate) const BY: &str = "ward.toml";
/// How often to look: what opens may be this late.
const LOOK: Duration = Duration::from_secs(1);
/// Clocks that move this much differently between two looks: the wall clock was set, or the machine slept.
const JUMP: Duration = Duration::from_secs(1);

/// Keeps the maintenance of all services with windows.
#[derive(Debug)]
pub(crate) struct Keeper {
    changes: watch::Receiver<Arc<InForce>>,
    /// Services that have windows, or have maintenance from when they had.
    kept: BTreeMap<Name, Kept>,
    last: Option<Now>,
}

impl Keeper {
    pub(crate) fn new(mut changes: watch::Receiver<Arc<InForce>>) -> Self {
        changes.mark_changed();
        Self {
            changes,
            kept: BTreeMap::new(),
            last: None,
        }
    }

    /// Until the engine is gone, or for ever.
    pub(crate) async fn run(mut self, edge: Arc<Edge>) {
        let mut looks = interval(LOOK);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                changed = self.changes.changed() => match changed {
                    Ok(()) => self.changes.mark_changed(),
                    Err(_) => return,
                },
            }
            if self.look(&edge).await.is_err() {
                return;
            }
        }
    }

    /// Looks at what may have opened or closed since the last look.
    pub(crate) async fn look(&mut self, edge: &Edge) -> Result<(), Unavailable> {
        let now = edge.clock.now();
        let jumped = self.last.is_some_and(|last| jumped(last, now));
        let changed = self.changes.has_changed().unwrap_or(false);
        let in_force = self.changes.borrow_and_update().clone();
        if changed {
            let named = in_force
                .settings
                .services
                .iter()
                .filter(|(_, service)| !service.maintenance.is_empty());
            for (name, _) in named {
                self.kept.entry(name.clone()).or_default();
            }
        }
        self.last = Some(now);
        let due = |kept: &Kept| changed || jumped || kept.next_look <= now.wall;
        let due: Vec<Name> = self
            .kept
            .iter()
            .filter(|(_, kept)| due(kept))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &due {
            let windows = in_force
                .settings
                .services
                .get(name)
                .map_or(&[] as &[_], |service| &service.maintenance);
            let mut kept = self.kept.remove(name).unwrap_or_default();
            kept.plan(name, windows, now.wall);
            keep(edge, name, &mut kept, now.wall, jumped).await?;
            if !windows.is_empty() {
                self.kept.insert(name.clone(), kept);
            }
        }
        if changed || !due.is_empty() {
            self.publish(edge);
        }
        Ok(())
    }

    /// The next window of each service, the nearest first.
    fn publish(&self, edge: &Edge) {
        let mut upcoming: Vec<Maintenance> = self
            .kept
            .values()
            .filter_map(|kept| kept.upcoming.clone())
            .collect();
        upcoming.sort_by(|a, b| (a.start, &a.service).cmp(&(b.start, &b.service)));
        edge.upcoming.store(Arc::new(upcoming));
    }
}

/// Does what is to be done about one service, in one step with looking at it: nobody gets in between.
async fn keep(edge: &Edge, name: &Name, kept: &mut Kept, now: Wall, jumped: bool) -> Result<(), Unavailable> {
    let (asked, service) = (kept.clone(), name.clone());
    // What was decided on, and what was in force then: `done` needs both.
    let seen = Arc::new(OnceLock::new());
    let see = seen.clone();
    let decide = move |engine: &Engine| {
        let current = engine.service(&service).and_then(|state| state.maintenance);
        let act = asked.act(current.as_ref(), now, jumped);
        let (act, _) = see.get_or_init(|| (act, current));
        event(act, service)
    };
    let reply = edge.decider.decide(decide).await?;
    let Some((act, before)) = seen.get() else {
        return Err(Unavailable);
    };
    let started = match reply {
        Some(Reply::Maintenance(started)) => {
            tracing::info!(service = %name, by = started.by, why = started.why, "maintenance follows the plan");
            let draft = draft(edge, Kind::MaintenanceStart, name);
            edge.memory.record(
                draft
                    .with("by", started.by.as_str())
                    .with("why", started.why.as_str()),
            );
            Some(*started)
        }
        Some(Reply::Refused(refusal)) => {
            tracing::warn!(%refusal, "planned maintenance was not taken");
            None
        }
        Some(_) => {
            tracing::info!(service = %name, "maintenance is ended: it is no longer planned");
            edge.memory
                .record(draft(edge, Kind::MaintenanceEnd, name).with("reason", "it is no longer planned"));
            None
        }
        None => None,
    };
    kept.done(act, before.clone(), started);
    Ok(())
}

fn event(act: &Act, service: Name) -> Option<Event> {
    let start = |by: &str, why: &str, duration: Duration| Event::StartMaintenance {
        service: service.clone(),
        by: by.to_owned(),
        why: why.to_owned(),
        duration: Some(duration),
    };
    match act {
        Act::Nothing => None,
        Act::Start { why, duration } => Some(start(BY, why, *duration)),
        Act::Restore { by, why, duration } => Some(start(by, why, *duration)),
        Act::End => Some(Event::EndMaintenance { service }),
    }
}

fn draft(edge: &Edge, kind: Kind, name: &Name) -> Draft {
    let cursor = edge.hub.head();
    Draft::new(kind, Source::Config, name.as_str(), edge.clock.now()).at(cursor.epoch, cursor.revision)
}

fn jumped(last: Now, now: Now) -> bool {
    let by_mono = i64::try_from(now.mono.since(last.mono).as_millis()).unwrap_or(i64::MAX);
    let by_wall = now.wall.0.saturating_sub(last.wall.0);
    by_wall.abs_diff(by_mono) > JUMP.as_millis() as u64
}

#[cfg(test)]
mod tests;
