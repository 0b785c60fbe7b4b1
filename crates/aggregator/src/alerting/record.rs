//! What rules saw, kept so that other rules can be tried on it.
//!
//! Whatever changes is kept as the machine is told it. Signals move all the time: those of a service are kept once a minute,
//! and of very many services more rarely, so that a day takes no more than some hundred megabytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use ward_alerts::{Facts, Seen, ServiceFacts};
use ward_model::{Name, Wall};
use ward_store::Write;

use crate::memory::Memory;

/// How often signals of a service are kept.
const SIGNALS_MS: i64 = 60_000;
/// Most services whose signals are kept at one look, of which there are six a minute: 1,000 services once a minute are some
/// 300 MB a day.
const SIGNALS_A_LOOK: usize = 170;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// Every service as it was seen last.
    known: BTreeMap<Name, Box<ServiceFacts>>,
    /// Those whose signals moved since they were kept.
    moved: BTreeSet<Name>,
    kept: BTreeMap<Name, Wall>,
    /// The last whose signals were kept: the next are those behind.
    last: Option<Name>,
}

impl Recorder {
    /// Keeps what is seen at `now`.
    pub(super) fn see(&mut self, memory: &Memory, now: Wall, seen: &[Seen]) {
        for one in seen {
            match one {
                Seen::Facts(facts) => {
                    self.know(now, facts);
                    put(memory, now, facts);
                }
                Seen::Signals(name, signals) => {
                    if let Some(known) = self.known.get_mut(name) {
                        known.signals.clone_from(signals);
                        self.moved.insert(name.clone());
                    }
                }
                Seen::Acknowledged(_) | Seen::Unacknowledged(_) => {}
            }
        }
    }

    fn know(&mut self, now: Wall, facts: &Facts) {
        match facts {
            Facts::Service(name, facts) => {
                self.known.insert(name.clone(), facts.clone());
                self.moved.remove(name);
                self.kept.insert(name.clone(), now);
            }
            Facts::Gone(name) => {
                self.known.remove(name);
                self.moved.remove(name);
                self.kept.remove(name);
            }
            Facts::System(_) | Facts::Started { .. } => {}
        }
    }

    /// Signals were looked at: those that are due are kept, each service in its turn.
    pub(super) fn looked(&mut self, memory: &Memory, now: Wall) {
        let behind = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let turns = self
            .moved
            .range::<Name, _>((behind, Bound::Unbounded))
            .chain(&self.moved);
        let due = |name: &&Name| {
            self.kept
                .get(*name)
                .is_none_or(|kept| now.0 - kept.0 >= SIGNALS_MS)
        };
        // From behind the last one on, and none twice.
        let due = turns.take(self.moved.len()).filter(due).take(SIGNALS_A_LOOK);
        let due: Vec<Name> = due.cloned().collect();
        self.last = due.last().cloned();
        for name in due {
            self.moved.remove(&name);
            if let Some(known) = self.known.get(&name) {
                put(memory, now, &Facts::Service(name.clone(), known.clone()));
            }
            self.kept.insert(name, now);
        }
    }
}

/// Keeps one thing.
pub(super) fn put(memory: &Memory, at: Wall, facts: &Facts) {
    let subject = match facts {
        Facts::Service(name, _) | Facts::Gone(name) => Some(name.clone()),
        Facts::System(_) | Facts::Started { .. } => None,
    };
    let body = serde_json::to_string(facts).expect("names, words and numbers make JSON");
    memory.put(Write::Record { at, subject, body });
}
