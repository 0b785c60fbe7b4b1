//! What rules saw, kept so that other rules can be tried on it.
//!
//! Whatever changes is kept as the machine is told it. Signals move all the time: those of a service are kept once a minute,
//! and of very many services more rarely, so that a day takes no more than some hundred megabytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use ward_alerts::{Facts, Seen};
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
    /// Those whose signals moved since they were kept.
    moved: BTreeSet<Name>,
    /// Each service that there is, and when it was kept last.
    kept: BTreeMap<Name, Wall>,
    /// The last whose signals were kept: the next are those behind.
    last: Option<Name>,
}

impl Recorder {
    /// Says what of that is to be kept which is seen at `now`.
    pub(super) fn see(&mut self, now: Wall, seen: &[Seen], mut keep: impl FnMut(&Facts)) {
        for one in seen {
            match one {
                Seen::Facts(facts) => {
                    self.know(now, facts);
                    keep(facts);
                }
                Seen::Signals(name, _) if self.kept.contains_key(name) => {
                    self.moved.insert(name.clone());
                }
                Seen::Signals(..) => {}
                Seen::Acknowledged(_) | Seen::Unacknowledged(_) => {}
            }
        }
    }

    fn know(&mut self, now: Wall, facts: &Facts) {
        match facts {
            Facts::Service(name, _) => {
                self.moved.remove(name);
                self.kept.insert(name.clone(), now);
            }
            Facts::Gone(name) => {
                self.moved.remove(name);
                self.kept.remove(name);
            }
            Facts::System(_) | Facts::Started { .. } => {}
        }
    }

    /// Signals were looked at: of which services they are to be kept, each in its turn.
    pub(super) fn looked(&mut self, now: Wall) -> Vec<Name> {
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
        for name in &due {
            self.moved.remove(name);
            self.kept.insert(name.clone(), now);
        }
        due
    }
}

/// Keeps one thing.
pub(super) fn put(memory: &Memory, at: Wall, facts: &Facts) {
    let subject = match facts {
        Facts::Service(name, _) | Facts::Gone(name) => Some(name.clone()),
        Facts::System(_) => None,
        // No service can be called that; and it does not hide how the system was.
        Facts::Started { .. } => Name::new("_started").ok(),
    };
    let body = serde_json::to_string(facts).expect("names, words and numbers make JSON");
    memory.put(Write::Record { at, subject, body });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn moved(name: &Name, value: f64) -> Seen {
        Seen::Signals(
            name.clone(),
            BTreeMap::from([(Name::new("cpu_ratio").unwrap(), value)]),
        )
    }

    #[test]
    fn what_changes_is_kept_at_once_and_signals_once_a_minute() {
        let (mut recorder, shop) = (Recorder::default(), name("shop"));
        let mut kept = 0;
        let state = Seen::Facts(Facts::Service(shop.clone(), Box::default()));
        recorder.see(Wall(0), &[state], |_| kept += 1);
        assert_eq!(kept, 1);
        let mut looks = Vec::new();
        for at in [10_000, 50_000, 60_000, 70_000, 80_000] {
            recorder.see(Wall(at), &[moved(&shop, 0.1)], |_| kept += 1);
            looks.push(recorder.looked(Wall(at)).len());
        }
        assert_eq!((kept, looks), (1, vec![0, 0, 1, 0, 0]));
        assert_eq!(recorder.looked(Wall(120_000)), *std::slice::from_ref(&shop));
        // What did not move since is not kept again.
        assert_eq!(recorder.looked(Wall(190_000)), []);
        let gone = Seen::Facts(Facts::Gone(shop.clone()));
        recorder.see(Wall(200_000), &[gone, moved(&shop, 0.5)], |_| kept += 1);
        assert_eq!((kept, recorder.looked(Wall(300_000))), (2, Vec::new()));
    }

    #[test]
    fn of_very_many_each_has_its_turn() {
        let mut recorder = Recorder::default();
        let names: Vec<Name> = (0..500).map(|n| name(&format!("s{n:03}"))).collect();
        let states = names
            .iter()
            .map(|name| Seen::Facts(Facts::Service(name.clone(), Box::default())));
        recorder.see(Wall(0), &states.collect::<Vec<_>>(), |_| {});
        let mut turns = BTreeMap::new();
        for look in 0..18 {
            let at = Wall(60_000 + look * 10_000);
            let moves: Vec<Seen> = names.iter().map(|name| moved(name, look as f64)).collect();
            recorder.see(at, &moves, |_| {});
            let due = recorder.looked(at);
            assert!(due.len() <= SIGNALS_A_LOOK, "{} at look {look}", due.len());
            for name in due {
                *turns.entry(name).or_insert(0) += 1;
            }
        }
        // Three minutes: three times each.
        assert!(names.iter().all(|name| turns.get(name) == Some(&3)), "{turns:?}");
    }
}
