//! Looks at everything anew, once more has happened than could be remembered.
//!
//! A part at a time, each when there is room for it, so that neither the decision nor who remembers is held up.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::sleep};
use ward_chassis::Clock;
use ward_engine::Engine;
use ward_model::{Entity, Epoch, Revision};

use super::ear::{Ear, Heard, Thing, Word};
use crate::decider::{self, Decider, Unavailable};

/// So many instances at once: less than a quarter of a tick.
const AT_ONCE: usize = 2_048;
/// How long to wait for who remembers before looking whether there is room.
const ROOM: Duration = Duration::from_millis(10);

/// Each time that something was `missed`; until the engine is gone.
pub(super) async fn look_again(missed: Arc<Notify>, decider: Decider, ear: Ear, clock: Clock) {
    loop {
        missed.notified().await;
        if look(&decider, &ear, &clock).await.is_err() {
            return;
        }
    }
}

async fn look(decider: &Decider, ear: &Ear, clock: &Clock) -> Result<(), Unavailable> {
    let told = |engine: &Engine, entities| (engine.epoch(), engine.revision(), entities);
    let (epoch, revision, entities) = decider
        .read(move |engine| told(engine, decider::entities(engine)))
        .await?;
    tell(ear, clock, epoch, revision, entities).await;
    let mut from = Some(0);
    while let Some(place) = from {
        let part = decider.read(move |engine| {
            let (states, next) = engine.instances_from(place, AT_ONCE);
            let states = states.into_iter().map(Entity::Instance).collect();
            (told(engine, states), next)
        });
        let ((epoch, revision, states), next) = part.await?;
        tell(ear, clock, epoch, revision, states).await;
        from = next;
    }
    Ok(())
}

async fn tell(ear: &Ear, clock: &Clock, epoch: Epoch, revision: Revision, entities: Vec<Entity>) {
    while ear.waiting() > 0 {
        sleep(ROOM).await;
    }
    let seen = |entity: Entity| Word {
        before: Some(entity.status()),
        thing: Thing::from(entity),
    };
    ear.look_at(Heard {
        epoch,
        revision,
        at: clock.now(),
        words: entities.into_iter().map(seen).collect(),
    });
    ear.wake();
}
