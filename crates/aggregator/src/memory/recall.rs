//! What was known before the start, told to the engine.
//!
//! A start waits for it as long as people do not notice, and then goes on without: a database that is away or slow tells
//! later what it knows, and who has come back meanwhile is left alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::sleep;
use ward_chassis::Clock;
use ward_engine::{Event, Recalled};
use ward_model::{EntityKey, KnownInstance, KnownService, Status, Wall};
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
    commanded.heard_by_store(store.last_alive().await?);
    let (services, maintenance) = (store.services().await?, store.maintenance().await?);
    let services = services.into_iter().map(service);
    let (forgotten, services) = services.partition::<Vec<_>, _>(|known| commanded.has_forgotten(known));
    // What the store did not hear of.
    forgotten
        .into_iter()
        .for_each(|known| store.put(Write::ServiceGone(known.name)));
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
        forgotten
            .into_iter()
            .for_each(|known| store.put(Write::InstanceGone(known.id)));
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
