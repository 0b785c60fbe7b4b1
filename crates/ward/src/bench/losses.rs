//! Who of the run is suspected or lost while all of them beat: seen from outside, in the counts of their services.
//!
//! Counts, not instances: a watch of hundreds of thousands of instances would be a load of its own. What comes and goes
//! between two revisions that are told as one is not seen.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;
use ward_model::{Entity, InstanceCounts, Name};
use ward_sdk::watch::{Changed, Error, Event, Level, Watcher};

use super::{
    plan::PREFIX,
    tally::{Stage, Tally},
};
use crate::client::Server;

/// A watch of all services; those of others are passed over.
pub(super) fn watcher(target: &Server) -> Result<Watcher, Error> {
    target.watcher().level(Level::Service).no_witness().start()
}

/// Watches for ever; only what gets worse while the run is measured is counted.
pub(super) async fn watch(mut watcher: Watcher, stage: watch::Receiver<Stage>, tally: Arc<Tally>) {
    let mut counts = Counts::default();
    loop {
        match watcher.next().await {
            Event::Update(update) => {
                let (suspected, lost) = counts.take(&update.changes);
                if *stage.borrow() == Stage::Measuring {
                    Tally::add(&tally.suspected, suspected);
                    Tally::add(&tally.lost, lost);
                }
            }
            Event::Lost { error } => {
                Tally::add(&tally.reconnects, 1);
                tally.broke(format!("a watch: {error}"));
            }
            Event::Bookmark { .. } | Event::Restored { .. } | Event::Audit(_) => {}
        }
    }
}

#[derive(Debug, Default)]
struct Counts(BTreeMap<Name, InstanceCounts>);

impl Counts {
    /// How many more are suspect, and how many more are lost, than a moment ago.
    fn take(&mut self, changes: &[Changed]) -> (u64, u64) {
        let (mut suspected, mut lost) = (0, 0);
        for changed in changes {
            let Entity::Service(service) = &changed.entity else {
                continue;
            };
            if !service.name.as_str().starts_with(PREFIX) {
                continue;
            }
            let now = service.instances;
            let before = self.0.insert(service.name.clone(), now).unwrap_or_default();
            suspected += u64::from(now.suspect.saturating_sub(before.suspect));
            lost += u64::from(now.lost.saturating_sub(before.lost));
        }
        (suspected, lost)
    }
}
