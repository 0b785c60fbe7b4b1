//! The catalogue over PostgreSQL: read from a cache, for as long as that is fresh, and from nothing but the cache while
//! the database is away.
//!
//! How often an item was seen is counted in the database: what was seen meanwhile goes there with the next question about
//! the item, and waits while nobody takes it. What a call in vain has taken along may be counted twice; that an item was
//! seen is no money. The price of one that is no longer fresh is charged as it was read, and the answer says so: a shop
//! that refuses to sell for fear of an old price is closed. What was never read is not sold.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::task::JoinSet;
use ward_chassis::Clock;
use ward_model::Mono;
use ward_sdk::Verdict;

use crate::{
    breaker::Breaker,
    database::{Database, Goods},
    measure::Waited,
    metrics::{Lookup, Metrics},
    plan::POSTGRES,
    upstream::Failure,
};

/// How long what was read is fresh: twenty customers a second look at each item once in it, or some times more.
const FRESH: Duration = Duration::from_secs(3);
/// How long after a start in vain the database is asked again for all there is.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a catalog that has read nothing may call that starting.
const STARTUP: Duration = Duration::from_secs(30);

/// The catalogue. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue {
    database: Database,
    shelf: Arc<Mutex<Shelf>>,
    clock: Clock,
    metrics: Metrics,
}

/// An item, and whether what is known of it is old because nobody could be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) goods: Goods,
    pub(crate) stale: bool,
}

/// What is known, when it was read, and what was seen since. As many as there are items: only those that the database
/// has get in.
#[derive(Debug, Default)]
struct Shelf {
    items: BTreeMap<u32, Item>,
    breaker: Breaker,
}

#[derive(Debug)]
struct Item {
    goods: Goods,
    read: Mono,
    /// Seen, and not yet told to the database.
    views: i64,
}

/// What to do about one who looks at an item.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Serve(Lookup, Goods),
    /// Ask the database, and tell it of so many views.
    Ask(i64),
    Nothing,
}

impl Shelf {
    fn look(&mut self, item: u32, now: Mono) -> Look {
        let Some(known) = self.items.get_mut(&item) else {
            return match self.breaker.lets_through(now) {
                true => Look::Ask(1),
                false => Look::Nothing,
            };
        };
        known.views += 1;
        if now.since(known.read) <= FRESH {
            return Look::Serve(Lookup::Hit, known.goods);
        }
        match self.breaker.lets_through(now) {
            true => Look::Ask(std::mem::take(&mut known.views)),
            false => Look::Serve(Lookup::Stale, known.goods),
        }
    }

    fn answered(&mut self, item: u32, goods: Option<Goods>, now: Mono) {
        self.breaker.record(now, false);
        match goods {
            Some(goods) => self.put(item, goods, now),
            None => drop(self.items.remove(&item)),
        }
    }

    fn put(&mut self, item: u32, goods: Goods, read: Mono) {
        let views = self.items.get(&item).map_or(0, |known| known.views);
        self.items.insert(item, Item { goods, read, views });
    }

    /// What is known all the same.
    fn failed(&mut self, item: u32, views: i64, now: Mono) -> Option<Goods> {
        self.breaker.record(now, true);
        let known = self.items.get_mut(&item)?;
        known.views += views;
        Some(known.goods)
    }
}

impl Catalogue {
    pub(crate) fn new(database: Database, clock: Clock, metrics: Metrics) -> Self {
        Self {
            database,
            shelf: Arc::default(),
            clock,
            metrics,
        }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// An item as it is known; `None` if there is no such item.
    pub(crate) async fn find(&self, waited: &Waited, item: u32) -> Result<Option<Found>, Failure> {
        let look = self.shelf.lock().look(item, self.clock.mono());
        let views = match look {
            Look::Serve(lookup, goods) => {
                self.metrics.looked_up(lookup);
                let stale = lookup == Lookup::Stale;
                return Ok(Some(Found { goods, stale }));
            }
            Look::Ask(views) => views,
            Look::Nothing => return Err(Failure::of(POSTGRES, "is away, and this was never read from it")),
        };
        let told = self.database.view(waited, item, views).await;
        let now = self.clock.mono();
        match told {
            Ok(goods) => {
                self.metrics.looked_up(Lookup::Miss);
                self.shelf.lock().answered(item, goods, now);
                Ok(goods.map(|goods| Found { goods, stale: false }))
            }
            Err(failure) => {
                let known = self.shelf.lock().failed(item, views, now);
                let goods = known.ok_or(failure)?;
                self.metrics.looked_up(Lookup::Stale);
                Ok(Some(Found { goods, stale: true }))
            }
        }
    }

    /// Reads all there is, once the database is there: from then on the shop can do without it.
    pub(crate) fn fill(&self, tasks: &mut JoinSet<()>) {
        let this = self.clone();
        tasks.spawn(async move {
            loop {
                match this.database.read(&Waited::default()).await {
                    Ok(all) if !all.is_empty() => {
                        let (mut shelf, now) = (this.shelf.lock(), this.clock.mono());
                        all.into_iter()
                            .for_each(|(item, goods)| shelf.put(item, goods, now));
                        return;
                    }
                    Ok(_) => {}
                    Err(failure) => tracing::warn!(failure = failure.what, "cannot read the catalogue yet"),
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    /// Whether there is anything to sell. Until there first was the catalog is starting, for a while; then it has failed to.
    pub(crate) fn check(&self) -> Verdict {
        match self.is_empty() {
            false => Verdict::healthy(),
            true if self.clock.mono() < Mono::default() + STARTUP => {
                Verdict::unknown("nothing was read from postgres yet")
            }
            true => Verdict::unhealthy("nothing was read from postgres since the start"),
        }
    }

    /// What it comes to that the database is away.
    pub(crate) fn without_database(&self) -> &'static str {
        match self.is_empty() {
            true => "nothing of the catalogue is in the cache yet",
            false => "the catalogue is served from the cache",
        }
    }

    fn is_empty(&self) -> bool {
        self.shelf.lock().items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono(ms * 1_000_000)
    }

    const GOODS: Goods = Goods { price: 100, seen: 7 };

    #[test]
    fn what_is_fresh_is_served_and_views_go_along_with_the_next_question() {
        let mut shelf = Shelf::default();
        assert_eq!(shelf.look(1, at(0)), Look::Ask(1));
        shelf.answered(1, Some(GOODS), at(0));
        for ms in [0, 1_000, 3_000] {
            assert_eq!(shelf.look(1, at(ms)), Look::Serve(Lookup::Hit, GOODS));
        }
        assert_eq!(shelf.look(1, at(3_001)), Look::Ask(4));
        shelf.answered(1, Some(GOODS), at(3_001));
        assert_eq!(shelf.look(1, at(3_001)), Look::Serve(Lookup::Hit, GOODS));
    }

    #[test]
    fn while_nobody_answers_the_old_is_served_and_views_are_kept() {
        let mut shelf = Shelf::default();
        shelf.answered(1, Some(GOODS), at(0));
        assert_eq!(shelf.look(1, at(4_000)), Look::Ask(1));
        assert_eq!(shelf.failed(1, 1, at(4_500)), Some(GOODS));
        assert_eq!(shelf.look(1, at(4_600)), Look::Serve(Lookup::Stale, GOODS));
        // What was never read is not there, and its question waits its turn too.
        assert_eq!(shelf.look(2, at(4_600)), Look::Nothing);
        assert_eq!(shelf.look(1, at(5_500)), Look::Ask(3));
        assert_eq!(shelf.look(1, at(5_600)), Look::Serve(Lookup::Stale, GOODS));
        assert_eq!(shelf.failed(2, 1, at(5_600)), None);
    }

    #[test]
    fn what_is_taken_from_the_database_is_sold_no_more() {
        let mut shelf = Shelf::default();
        shelf.answered(1, Some(GOODS), at(0));
        shelf.answered(1, None, at(0));
        assert!(shelf.items.is_empty());
    }
}
