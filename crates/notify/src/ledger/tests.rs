//! The ledger by itself, where an hour takes no time.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use ward_model::{Name, RuleName, Severity};

use super::*;
use crate::pace::Pace;

fn at(seconds: u64) -> Now {
    let wall = Wall(1_700_000_000_000 + i64::try_from(seconds).unwrap() * 1_000);
    Now {
        mono: Mono::default() + Duration::from_secs(seconds),
        wall,
    }
}

fn alert(service: &str, fired: Now, resolved: Option<Now>) -> Arc<Alert> {
    Arc::new(Alert {
        state: if resolved.is_some() {
            AlertState::Resolved
        } else {
            AlertState::Firing
        },
        fired: Some(fired.wall),
        resolved: resolved.map(|now| now.wall),
        ..Alert::pending(
            AlertKey {
                service: Some(Name::new(service).unwrap()),
                rule: RuleName::new("Ill").unwrap(),
            },
            Severity::Critical,
            fired.wall,
        )
    })
}

fn ledger(repeats: bool) -> Ledger {
    Ledger::new("r", repeats, Timing::default())
}

fn shown(tickets: &[Ticket]) -> Vec<(String, AlertState)> {
    let show = |ticket: &Ticket| {
        let service = ticket.alert.key.service.as_ref().unwrap();
        (service.to_string(), ticket.alert.state)
    };
    tickets.iter().map(show).collect()
}

fn pair(service: &str, state: AlertState) -> (String, AlertState) {
    (service.to_owned(), state)
}

use AlertState::{Firing, Resolved};

#[test]
fn an_hour_away_costs_a_try_a_minute_and_ends_with_all_that_fires() {
    let (mut ledger, mut pace) = (ledger(true), Pace::new(Timing::default()));
    for (place, name) in [(1, "bank"), (2, "shop"), (3, "cart")] {
        ledger.tell(&alert(name, at(0), None), place, at(0));
    }
    let mut tries = Vec::new();
    for second in 0..3_600 {
        let now = at(second);
        if second % 60 == 0 {
            ledger.round();
        }
        if second == 1_800 {
            ledger.tell(&alert("shop", at(0), Some(now)), 4, now);
        }
        if pace.from(ledger.fresh()) <= now.mono {
            ledger.tried(&ledger.untried());
            pace.failed(now.mono, None, 1.0);
            ledger.round();
            tries.push(second);
        }
        ledger.expire(now.mono);
    }
    assert!((60..=70).contains(&tries.len()), "{}", tries.len());
    assert!(tries.contains(&1_800), "what is new is tried at once");
    // Longer away than resolved ones are sent: it is owed all the same.
    assert_eq!(ledger.owed(), (3, Some(at(0).wall)));
    let batch = ledger.batch(256);
    let all = [pair("bank", Firing), pair("shop", Resolved), pair("cart", Firing)];
    assert_eq!(shown(&batch), all);
    assert_eq!(ledger.delivered(&batch).len(), 3);
    assert_eq!(ledger.owed(), (0, None));
}

#[test]
fn what_is_resolved_is_sent_for_a_quarter_of_an_hour() {
    let mut ledger = ledger(true);
    ledger.tell(&alert("bank", at(0), Some(at(100))), 1, at(100));
    ledger.delivered(&ledger.batch(1));
    for (second, sent) in [(160, 1), (999, 1), (1_000, 0)] {
        ledger.expire(at(second).mono);
        ledger.round();
        assert_eq!(ledger.batch(9).len(), sent, "{second}");
        ledger.delivered(&ledger.batch(9));
    }
    // By whatever clock it is dated.
    let mut set_back = at(2_000);
    set_back.wall.0 -= 86_400_000;
    let mut set_forward = at(2_000);
    set_forward.wall.0 += 86_400_000;
    ledger.tell(&alert("shop", at(0), Some(at(1_900))), 2, set_back);
    ledger.tell(&alert("cart", at(0), Some(at(1_900))), 3, set_forward);
    for (second, sent) in [(2_899, 2), (2_900, 0)] {
        ledger.round();
        ledger.delivered(&ledger.batch(9));
        ledger.expire(at(second).mono);
        ledger.round();
        assert_eq!(ledger.batch(9).len(), sent, "{second}");
    }
}

#[test]
fn firing_again_comes_behind_its_resolution_which_is_then_told_no_more() {
    let mut ledger = ledger(true);
    ledger.tell(&alert("bank", at(0), None), 1, at(0));
    ledger.delivered(&ledger.batch(9));
    ledger.tell(&alert("bank", at(0), Some(at(10))), 2, at(10));
    ledger.tell(&alert("bank", at(20), None), 3, at(20));
    let batch = ledger.batch(9);
    assert_eq!(shown(&batch), [pair("bank", Resolved), pair("bank", Firing)]);
    ledger.delivered(&batch);
    ledger.round();
    assert_eq!(shown(&ledger.batch(9)), [pair("bank", Firing)]);
    assert_eq!(ledger.batch(9)[0].alert.fired, Some(at(20).wall));
    // Told in time, it is not even told once.
    ledger.tell(&alert("bank", at(20), Some(at(30))), 4, at(30));
    ledger.delivered(&ledger.batch(9));
    ledger.tell(&alert("bank", at(40), None), 5, at(40));
    ledger.round();
    assert_eq!(shown(&ledger.batch(9)), [pair("bank", Firing)]);
}

#[test]
fn what_is_told_while_it_is_sent_is_not_taken_for_delivered() {
    for repeats in [true, false] {
        let mut ledger = ledger(repeats);
        ledger.tell(&alert("bank", at(0), None), 1, at(0));
        let under_way = ledger.batch(9);
        ledger.tell(&alert("bank", at(0), Some(at(1))), 2, at(1));
        ledger.delivered(&under_way);
        assert_eq!(shown(&ledger.batch(9)), [pair("bank", Resolved)], "{repeats}");
        assert_eq!(ledger.owed().0, 1);
    }
}

#[test]
fn a_firing_that_nobody_ended_makes_way_for_the_next() {
    let mut ledger = ledger(true);
    let loaded = Entry {
        receiver: "r".into(),
        order: 1,
        owed: at(0).wall,
        refused: None,
        alert: Cow::Owned(Alert::clone(&alert("bank", at(0), None))),
    };
    ledger.load(loaded, at(5));
    let writes = ledger.tell(&alert("bank", at(9), None), 2, at(9));
    assert_eq!(writes.len(), 2, "one is kept, one forgotten");
    assert_eq!(ledger.batch(9).len(), 1);
    assert_eq!(ledger.batch(9)[0].alert.fired, Some(at(9).wall));
}

#[test]
fn a_full_ledger_lets_go_what_was_told_then_what_is_oldest() {
    let fill = |ledger: &mut Ledger, from: usize, to: usize| {
        for n in from..to {
            let name = format!("s{n}");
            ledger.tell(&alert(&name, at(0), None), n as u64, at(0));
        }
    };
    let mut hook = ledger(false);
    fill(&mut hook, 0, MOST);
    hook.delivered(&[hook.event(at(0).mono).unwrap()]);
    fill(&mut hook, MOST, MOST + 1);
    assert_eq!(
        (hook.owed().0, hook.dropped()),
        (MOST as u64, 0),
        "told ones first"
    );
    fill(&mut hook, MOST + 1, MOST + 3);
    assert_eq!((hook.owed().0, hook.dropped()), (MOST as u64, 2));
    assert_eq!(shown(&[hook.event(at(0).mono).unwrap()]), [pair("s3", Firing)]);
    let mut am = ledger(true);
    fill(&mut am, 0, MOST + 2);
    assert_eq!((am.owed().0, am.dropped()), (MOST as u64, 2));
    // Resolutions are no more than there was.
    am.tell(&alert("s7", at(0), Some(at(1))), 1 << 40, at(1));
    assert_eq!((am.owed().0, am.dropped()), (MOST as u64, 2));
    am.delivered(&am.batch(MOST));
    fill(&mut am, MOST, MOST + 1);
    assert_eq!(
        (am.owed().0, am.dropped()),
        (1, 2),
        "the one that is resolved made room"
    );
}

#[test]
fn what_is_refused_is_tried_ever_more_slowly_for_a_day_also_across_restarts() {
    let mut hook = ledger(false);
    hook.tell(&alert("bank", at(0), None), 1, at(0));
    hook.tell(&alert("bank", at(0), Some(at(5))), 2, at(5));
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    let mut tries = Vec::new();
    let mut fate = Fate::Again;
    for second in 10..90_000 {
        if second == 40_000 {
            // A restart.
            let before = std::mem::replace(&mut hook, ledger(false));
            drop(before);
            for body in kept.values() {
                hook.load(Entry::decode(body).unwrap(), at(second));
            }
            hook.tell(&alert("bank", at(0), Some(at(5))), 2, at(second));
        }
        let Some(ticket) = hook.event(at(second).mono) else {
            continue;
        };
        assert_eq!(ticket.alert.state, Firing, "in order");
        let (now, writes) = hook.refused(&ticket, at(second));
        tries.push(second);
        for (key, body) in writes {
            body.and_then(|body| kept.insert(key, body));
        }
        fate = now;
        if fate == Fate::GivenUp {
            break;
        }
    }
    assert_eq!(fate, Fate::GivenUp);
    let last = *tries.last().unwrap();
    assert!((86_410..88_000).contains(&last), "{last}");
    assert_eq!(&tries[..6], [10, 70, 190, 430, 910, 1_870]);
    assert!(tries.len() < 110, "{}", tries.len());
    let next = hook.event(at(last).mono).unwrap();
    assert_eq!(shown(&[next]), [pair("bank", Resolved)]);
    assert_eq!(hook.dropped(), 1);
}

fn urgent(service: &str, severity: Severity) -> Arc<Alert> {
    Arc::new(Alert {
        severity,
        ..Alert::clone(&alert(service, at(0), None))
    })
}

#[test]
fn a_full_ledger_keeps_what_is_urgent_and_counts_what_it_leaves_out_once() {
    for repeats in [true, false] {
        let mut ledger = ledger(repeats);
        let mut life = Alert::clone(&urgent("life", Severity::None));
        life.key.rule = RuleName::new("Watchdog").unwrap();
        ledger.tell(&Arc::new(life), 0, at(0));
        for n in 1..MOST {
            ledger.tell(&urgent(&format!("s{n}"), Severity::Warning), n as u64, at(0));
        }
        // Each minute all that fires is told again.
        for minute in 1..4 {
            for n in 0..5 {
                let place = minute * 100_000 + n;
                ledger.tell(
                    &urgent(&format!("page{n}"), Severity::Critical),
                    place,
                    at(minute * 60),
                );
                ledger.tell(
                    &urgent(&format!("note{n}"), Severity::Info),
                    place,
                    at(minute * 60),
                );
            }
            for n in 1..MOST {
                let place = minute * 100_000 + 10 + n as u64;
                ledger.tell(
                    &urgent(&format!("s{n}"), Severity::Warning),
                    place,
                    at(minute * 60),
                );
            }
        }
        // Five made way, five notes were left out.
        assert_eq!((ledger.items.len(), ledger.dropped()), (MOST, 10), "{repeats}");
        let known = |service: &str| {
            let name = Name::new(service).unwrap();
            ledger
                .places
                .keys()
                .any(|id| id.key.service.as_ref() == Some(&name))
        };
        for n in 0..5 {
            assert!(
                known(&format!("page{n}")) && !known(&format!("note{n}")),
                "{repeats}"
            );
        }
        assert!(known("life"), "{repeats}");
        let gone = if repeats { MOST - 1 } else { 1 };
        assert!(!known(&format!("s{gone}")), "{repeats}");
        assert_eq!(ledger.left_out.len(), 10, "{repeats}");
        let ended = Alert {
            severity: Severity::Info,
            ..Alert::clone(&alert("note0", at(0), Some(at(300))))
        };
        ledger.tell(&Arc::new(ended), 1 << 40, at(300));
        assert_eq!(ledger.dropped(), 10, "{repeats}");
        assert_eq!(ledger.left_out.len(), 9, "{repeats}");
    }
}

#[test]
fn what_was_kept_beyond_the_bound_is_not_kept_for_ever() {
    for repeats in [true, false] {
        let mut ledger = ledger(repeats);
        let mut kept = BTreeSet::new();
        for n in 0..MOST + 3 {
            let alert = alert(&format!("s{n}"), at(0), None);
            kept.insert(Id::of(&alert).unwrap().kept_as("r"));
            let entry = Entry {
                receiver: "r".into(),
                order: n as u64,
                owed: at(0).wall,
                refused: None,
                alert: Cow::Owned(Alert::clone(&alert)),
            };
            for (key, body) in ledger.load(entry, at(5)) {
                assert!(body.is_none() && kept.remove(&key), "{key}");
            }
        }
        let owed: BTreeSet<String> = ledger.places.keys().map(|id| id.kept_as("r")).collect();
        assert_eq!(owed, kept, "{repeats}");
        assert_eq!((owed.len(), ledger.dropped()), (MOST, 3), "{repeats}");
    }
}

#[test]
fn what_was_refused_while_all_was_is_tried_once_the_receiver_takes_something() {
    let mut hook = ledger(false);
    hook.tell(&alert("bank", at(0), None), 1, at(0));
    for second in [0, 60, 180, 420] {
        let ticket = hook.event(at(second).mono).unwrap();
        hook.refused(&ticket, at(second));
    }
    hook.tell(&alert("shop", at(430), None), 2, at(430));
    let shop = hook.event(at(430).mono).unwrap();
    assert_eq!(shown(std::slice::from_ref(&shop)), [pair("shop", Firing)]);
    hook.delivered(&[shop]);
    let bank = hook.event(at(430).mono).expect("at once");
    assert_eq!(shown(std::slice::from_ref(&bank)), [pair("bank", Firing)]);
    // If it is its own fault it waits as long as before, whatever else is taken.
    hook.refused(&bank, at(430));
    hook.tell(&alert("cart", at(431), None), 3, at(431));
    let cart = hook.event(at(431).mono).unwrap();
    hook.delivered(&[cart]);
    assert!(hook.event(at(431).mono).is_none());
}

/// One thing that may happen.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A service's alert fires, or if it does, resolves.
    Turn(usize),
    /// The same word about it again.
    Again(usize),
    /// So many are sent, and are taken.
    Taken(usize),
    /// One is refused.
    Refused,
    /// One is taken while its alert turns.
    Crossed(usize),
    Round,
    Later(u64),
    /// The process dies, and a new one is given what was kept and what fires.
    Dies,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4_usize).prop_map(Step::Turn),
        1 => (0..4_usize).prop_map(Step::Again),
        3 => (1..4_usize).prop_map(Step::Taken),
        1 => Just(Step::Refused),
        1 => (0..4_usize).prop_map(Step::Crossed),
        1 => Just(Step::Round),
        2 => (1..2_000_u64).prop_map(Step::Later),
        1 => Just(Step::Dies),
    ];
    prop::collection::vec(step, 1..60)
}

/// A ledger, what is kept of it, and what a receiver was told.
struct World {
    repeats: bool,
    ledger: Ledger,
    kept: BTreeMap<String, String>,
    now: u64,
    place: u64,
    fires: [Option<Now>; 4],
    /// What there was to tell, in order.
    words: Vec<Id>,
    /// And what was taken.
    taken: Vec<Id>,
}

impl World {
    fn new(repeats: bool) -> Self {
        Self {
            repeats,
            ledger: ledger(repeats),
            kept: BTreeMap::new(),
            now: 1,
            place: 0,
            fires: [None; 4],
            words: Vec::new(),
            taken: Vec::new(),
        }
    }

    fn write(&mut self, writes: Vec<Write>) {
        for (key, body) in writes {
            match body {
                Some(body) => self.kept.insert(key, body),
                None => self.kept.remove(&key),
            };
        }
    }

    fn tell(&mut self, which: usize, resolved: bool) {
        let Some(fired) = self.fires[which] else { return };
        let now = at(self.now);
        let alert = alert(&format!("s{which}"), fired, resolved.then_some(now));
        self.place += 1;
        let writes = self.ledger.tell(&alert, self.place, now);
        self.write(writes);
        let id = Id::of(&alert).unwrap();
        if !self.words.contains(&id) {
            self.words.push(id);
        }
    }

    fn turn(&mut self, which: usize) {
        self.now += 1;
        if self.fires[which].is_some() {
            self.tell(which, true);
            self.fires[which] = None;
        } else {
            self.fires[which] = Some(at(self.now));
            self.tell(which, false);
        }
    }

    fn due(&self, most: usize) -> Vec<Ticket> {
        if self.repeats {
            let batch = self.ledger.batch(most);
            if batch.is_empty() {
                self.ledger.alone(at(self.now).mono).into_iter().collect()
            } else {
                batch
            }
        } else {
            self.ledger.event(at(self.now).mono).into_iter().collect()
        }
    }

    fn take(&mut self, tickets: &[Ticket]) {
        self.ledger.tried(&self.ledger.untried());
        self.taken.extend(tickets.iter().map(|ticket| ticket.id.clone()));
        let writes = self.ledger.delivered(tickets);
        self.write(writes);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Turn(which) => self.turn(which),
            Step::Again(which) => self.tell(which, false),
            Step::Taken(most) => self.take(&self.due(most)),
            Step::Refused => {
                if let Some(ticket) = self.due(1).pop() {
                    let (_, writes) = self.ledger.refused(&ticket, at(self.now));
                    self.write(writes);
                }
            }
            Step::Crossed(which) => {
                let tickets = self.due(9);
                self.turn(which);
                self.take(&tickets);
            }
            Step::Round => self.ledger.round(),
            Step::Later(seconds) => {
                self.now += seconds;
                self.ledger.expire(at(self.now).mono);
            }
            Step::Dies => self.die(),
        }
    }

    fn die(&mut self) {
        self.now += 1;
        self.ledger = ledger(self.repeats);
        let now = at(self.now);
        for (which, fired) in self.fires.into_iter().enumerate() {
            let Some(fired) = fired else { continue };
            self.place += 1;
            let writes = self
                .ledger
                .remember(&alert(&format!("s{which}"), fired, None), self.place, now);
            self.write(writes);
        }
        let mut entries: Vec<Entry<'static>> = self
            .kept
            .values()
            .map(|body| Entry::decode(body).unwrap())
            .collect();
        entries.sort_by_key(|entry| entry.order);
        for entry in entries {
            let writes = self.ledger.load(entry, now);
            self.write(writes);
        }
    }

    /// What is kept is what is owed, always.
    fn check(&self) {
        let owed = self.ledger.items.values().filter(|item| item.owed.is_some());
        let owed: BTreeSet<String> = owed.map(|item| item.id.kept_as("r")).collect();
        assert_eq!(owed, self.kept.keys().cloned().collect());
        assert_eq!(self.ledger.items.len(), self.ledger.places.len());
        assert_eq!(self.ledger.items.len(), self.ledger.ranks.len());
        let known = |places: &BTreeSet<u64>| places.iter().all(|place| self.ledger.items.contains_key(place));
        assert!(known(&self.ledger.due) && known(&self.ledger.spare));
    }

    /// The receiver takes all there is, for long enough.
    fn end(mut self) {
        for _ in 0..4 {
            self.now += 2_000;
            while let tickets = self.due(3)
                && !tickets.is_empty()
            {
                self.take(&tickets);
            }
        }
        self.check();
        assert!(self.kept.is_empty(), "all is told: {:?}", self.kept);
        if self.repeats {
            self.believes();
        } else {
            self.each_in_order();
        }
    }

    /// A webhook was told each word, and that something is resolved behind that it fires.
    fn each_in_order(&self) {
        let first = |id: &Id| self.taken.iter().position(|taken| taken == id);
        for word in &self.words {
            let told = first(word).unwrap_or_else(|| panic!("{word:?} was not told"));
            if word.state == Resolved {
                let before = first(&word.with(Firing)).expect("checked above");
                assert!(before < told, "{word:?}");
            }
        }
    }

    /// An Alertmanager believes of each alert what is so: the last that it was told of it is the newest.
    fn believes(&mut self) {
        for which in 0..4 {
            let name = format!("s{which}");
            let about = |id: &&Id| id.key.service.as_ref().unwrap().as_str() == name;
            let newest = self.words.iter().rfind(about);
            assert_eq!(self.taken.iter().rfind(about), newest, "{name}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_what_is_kept_is_what_is_owed_and_all_of_it_is_told(
        repeats: bool,
        steps in steps(),
    ) {
        let mut world = World::new(repeats);
        for step in steps {
            world.step(step);
            world.check();
        }
        world.end();
    }
}
