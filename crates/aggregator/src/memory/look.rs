//! Looks at everything anew, once more has happened than could be remembered.
//!
//! A part at a time, each when there is room for it, so that neither the decision nor who remembers is held up.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::sleep};
use ward_chassis::Clock;
use ward_engine::Engine;
use ward_model::Entity;

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
    room(ear).await;
    let (hears, at) = (ear.clone(), clock.clone());
    let verdicts = move |engine: &Engine| hear(&hears, &at, engine, decider::entities(engine));
    decider.read(verdicts).await?;
    let mut from = Some(0);
    while let Some(place) = from {
        room(ear).await;
        let (hears, at) = (ear.clone(), clock.clone());
        let part = move |engine: &Engine| {
            let (states, next) = engine.instances_from(place, AT_ONCE);
            hear(
                &hears,
                &at,
                engine,
                states.into_iter().map(Entity::Instance).collect(),
            );
            next
        };
        from = decider.read(part).await?;
    }
    Ok(())
}

async fn room(ear: &Ear) {
    while ear.waiting() > 0 {
        sleep(ROOM).await;
    }
}

/// Between two events, so that what changes behind it is heard behind it.
fn hear(ear: &Ear, clock: &Clock, engine: &Engine, entities: Vec<Entity>) {
    let seen = |entity: Entity| Word {
        before: Some(entity.status()),
        thing: Thing::from(entity),
    };
    ear.look_at(Heard {
        epoch: engine.epoch(),
        revision: engine.revision(),
        at: clock.now(),
        is_look: true,
        words: entities.into_iter().map(seen).collect(),
    });
    ear.wake();
}
