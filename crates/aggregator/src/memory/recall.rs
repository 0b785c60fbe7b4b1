//! What was known before the start, told to the engine.
//!
//! A start waits for it as long as people do not notice, and then goes on without: a database that is away or slow tells
//! later what it knows, and who has come back meanwhile is left alone.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::sleep;
use ward_chassis::Clock;
use ward_engine::{Engine, Event, Recalled};
use ward_model::{EntityKey, KnownInstance, KnownService, Name, Status, Wall};
use ward_store::{ReadError, Store, Write};

use super::{commanded::Commanded, ear::Ear, judged::is_ill};
use crate::decider::{Decider, Unavailable};

/// How long a start waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait before a database that does not answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// Behind so long everybody has been heard who will be, and what was before is history.
const TOO_LATE: Duration = Duration::from_secs(60);
/// So many instances are told at once: a fifth of a tick, and as many as the store reads.
const AT_ONCE: usize = 4_096;

/// Why it ended without all being told.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Store(#[from] ReadError),
    #[error(transparent)]
    Decider(#[from] Unavailable),
}

/// Tells the engine all that the store knows, once it answers.
pub(super) async fn recall(store: Store, to: Told, clock: Clock, mut commanded: Commanded) {
    let begun = clock.mono();
    loop {
        match tell_all(&store, &to, &mut commanded, clock.wall()).await {
            Ok(instances) => {
                let took = clock.mono().since(begun);
                tracing::info!(instances, ?took, "what was known before the start is known again");
                return;
            }
            Err(Stopped::Decider(_)) => return,
            Err(Stopped::Store(error)) if clock.mono().since(begun) > TOO_LATE => {
                tracing::error!(%error, "what was known before the start stays forgotten");
                // Those that were told are all there are.
                return to.tell(complete()).await.unwrap_or_default();
            }
            Err(Stopped::Store(_)) => sleep(AGAIN).await,
        }
    }
}

/// Tells the engine what was commanded and is in force: the audit log has it whatever becomes of the store.
pub(super) async fn commanded(commanded: &Commanded, decider: &Decider) {
    let maintenance = commanded.maintenance();
    if !maintenance.is_empty() {
        let recalled = Recalled {
            maintenance,
            ..Recalled::default()
        };
        // Without the engine there is nothing left to tell anybody.
        decider.apply(Event::Recall(recalled)).await.map(drop).ok();
    }
}

async fn tell_all(store: &Store, to: &Told, commanded: &mut Commanded, now: Wall) -> Result<usize, Stopped> {
    if let Some(status) = last_of_system(store, now).await? {
        to.ear.recall([(EntityKey::System, status)]);
    }
    // One that is still to come is of a clock that was wrong, and says nothing.
    commanded.heard_by_store(store.last_alive().await?.filter(|alive| *alive <= now));
    let (services, maintenance) = (store.services().await?, store.maintenance().await?);
    let services = services.into_iter().map(service);
    let (forgotten, services) = services.partition::<Vec<_>, _>(|known| commanded.has_forgotten(known));
    let forgotten = forgotten.into_iter().map(|known| EntityKey::Service(known.name));
    to.let_go(store, forgotten.collect()).await?;
    commanded
        .ended()
        .for_each(|service| store.put(Write::MaintenanceEnded(service.clone())));
    let recalled = Recalled {
        services,
        maintenance: commanded.other_maintenance(maintenance),
        ..Recalled::default()
    };
    to.tell(recalled).await?;
    let (mut known, mut count) = (store.known()?, 0);
    while let Some(piece) = known.next().await? {
        let piece = piece.into_iter().map(instance);
        let (forgotten, instances) =
            piece.partition::<Vec<_>, _>(|known| commanded.has_forgotten_instance(known));
        let forgotten = forgotten.into_iter().map(|known| EntityKey::Instance(known.id));
        to.let_go(store, forgotten.collect()).await?;
        count += instances.len();
        to.tell_instances(instances).await?;
    }
    to.tell(complete()).await?;
    Ok(count)
}

/// To whom it is told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) decider: Decider,
    /// Hears of those that were ill: what becomes of them is judged by that.
    pub(super) ear: Ear,
    /// Somebody may watch.
    pub(super) watched: Arc<AtomicBool>,
}

impl Told {
    /// Has the store forget what it did not hear was forgotten, but for who has come back since the start.
    async fn let_go(&self, store: &Store, forgotten: Vec<EntityKey>) -> Result<(), Unavailable> {
        let gone = match self.watched.load(Relaxed) && !forgotten.is_empty() {
            true => self.decider.read(move |engine| gone(engine, forgotten)).await?,
            // Nobody can have come back yet.
            false => forgotten,
        };
        for key in gone {
            match key {
                EntityKey::System => {}
                EntityKey::Service(name) => store.put(Write::ServiceGone(name)),
                EntityKey::Instance(id) => store.put(Write::InstanceGone(id)),
            }
        }
        Ok(())
    }

    async fn tell_instances(&self, instances: Vec<KnownInstance>) -> Result<(), Unavailable> {
        let ill = instances.iter().filter(|known| is_ill(known.status));
        self.ear
            .recall(ill.map(|known| (EntityKey::Instance(known.id.clone()), known.status)));
        let mut left = instances.into_iter();
        while left.len() > 0 {
            let recalled = Recalled {
                instances: left.by_ref().take(AT_ONCE).collect(),
                untold: !self.watched.load(Relaxed),
                ..Recalled::default()
            };
            self.tell(recalled).await?;
        }
        Ok(())
    }

    async fn tell(&self, recalled: Recalled) -> Result<(), Unavailable> {
        self.decider.apply(Event::Recall(recalled)).await.map(drop)
    }
}

/// Those of which the engine does not know.
fn gone(engine: &Engine, mut keys: Vec<EntityKey>) -> Vec<EntityKey> {
    let mut known: HashMap<Name, HashSet<Name>> = HashMap::new();
    keys.retain(|key| match key {
        EntityKey::System => false,
        EntityKey::Service(name) => engine.service(name).is_none(),
        EntityKey::Instance(id) => {
            let there = known.entry(id.service.clone()).or_insert_with(|| {
                let instances = engine.instances(&id.service, usize::MAX).into_iter();
                instances.map(|state| state.id.instance).collect()
            });
            !there.contains(&id.instance)
        }
    });
    keys
}

/// There is no more.
fn complete() -> Recalled {
    Recalled {
        complete: true,
        ..Recalled::default()
    }
}

fn service(known: ward_store::KnownService) -> KnownService {
    KnownService {
        name: known.name,
        status: known.status,
        criticality: Some(known.criticality),
        min_healthy: Some(known.min_healthy),
        dependencies: known.dependencies,
    }
}

fn instance(known: ward_store::KnownInstance) -> KnownInstance {
    KnownInstance {
        id: known.id,
        incarnation: known.incarnation,
        interval: Duration::from_millis(u64::from(known.interval_ms)),
        status: known.status,
        freshness: known.freshness,
    }
}

/// The last verdict about the system that was one.
async fn last_of_system(store: &Store, now: Wall) -> Result<Option<Status>, ReadError> {
    let week = 7 * 24 * 60 * 60 * 1_000;
    let since = Wall(now.0.saturating_sub(week));
    let history = store.history(None, since, now, 64).await?;
    let mut statuses = history.spans.iter().rev().map(|span| span.status);
    Ok(statuses.find(|&status| status != Status::Unknown))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ward_engine::{Config, Slab};
    use ward_model::{Epoch, Freshness, Incarnation, InstanceId, Mono, Now};

    use super::*;

    fn id(service: &str, instance: &str) -> InstanceId {
        InstanceId {
            service: Name::service(service).unwrap(),
            instance: Name::instance(instance).unwrap(),
        }
    }

    #[test]
    fn who_is_back_is_not_gone_from_the_store() {
        let now = Now {
            mono: Mono(1),
            wall: Wall(1),
        };
        let mut engine = Engine::new(Config::default(), Epoch(1), Arc::new(Slab::default()), now);
        let back = KnownInstance {
            id: id("bank", "b1"),
            incarnation: Incarnation::new("first").unwrap(),
            interval: Duration::from_secs(1),
            status: Status::Healthy,
            freshness: Freshness::Fresh,
        };
        let recalled = Recalled {
            instances: vec![back],
            ..Recalled::default()
        };
        engine.apply(Event::Recall(recalled), now);
        let service = |name: &str| EntityKey::Service(Name::service(name).unwrap());
        let instance = |service, instance| EntityKey::Instance(id(service, instance));
        let forgotten = vec![
            service("bank"),
            service("shop"),
            instance("bank", "b1"),
            instance("bank", "b2"),
            instance("shop", "s1"),
        ];
        let expected = [service("shop"), instance("bank", "b2"), instance("shop", "s1")];
        assert_eq!(gone(&engine, forgotten), expected);
    }
}
