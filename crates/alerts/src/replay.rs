//! What rules would have done with what was seen: a recording goes in, the lives of alerts come out.
//!
//! It drives the machine that runs, and is no second opinion about it. Steps are on whole seconds, as the aggregator's are a
//! second apart; those at which nothing was seen and nothing is due are left out, so that a quiet week costs nothing. Who
//! acknowledged what is not in a recording: that changes what people hear, and nothing of what fires. Signals are recorded
//! once a minute, and the machine that runs sees each of them: of rules that wait for less than two minutes for a signal
//! ([`Replay::coarse`]) a replay says when roughly, and may have what did not fire or miss what did. A week of 100 services with a
//! change every minute takes 0.5 s, one with ten 5 s (`cargo test -p ward-alerts --test pace -- --nocapture`).

mod compare;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ward_model::{Alert, AlertKey, AlertState, Name, RuleName, Severity, Suppression, Wall};

use crate::{
    facts::{Facts, Recorded},
    machine::{Machine, Seen},
    rule::RuleSet,
};

pub use compare::{Difference, compare};

/// How many lives of alerts are told: more than anybody reads, and than an hour-long flood of a whole fleet makes.
const LIVES: usize = 100_000;
/// How many changes of why an alert is withheld are told of one life; the last one is told as it ended.
const WITHHELD: usize = 100;
/// How many starts are told; who starts more often than this in a week has other worries.
const STARTS: usize = 1_000;
const SECOND: i64 = 1_000;
/// Twice as far as recorded values of a signal are apart.
const COARSE: Duration = Duration::from_secs(2 * 60);

/// From when, itself included, until when. What was recorded before it is only taken in, so that what holds at its beginning
/// has held for as long as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From when.
    pub since: Wall,
    /// Until when.
    pub until: Wall,
}

/// For how long an alert was withheld, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// From when.
    pub from: Wall,
    /// Until when; `None`: at the end of the window it still was.
    pub to: Option<Wall>,
    /// Why.
    pub why: Suppression,
}

/// One life of an alert: from where its condition held until it was resolved, or ended without having fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Which.
    pub key: AlertKey,
    /// How urgent.
    pub severity: Severity,
    /// When it became pending.
    pub pending: Wall,
    /// While it was withheld, in order.
    pub withheld: Vec<Withheld>,
    /// When it fired.
    pub fired: Option<Wall>,
    /// When it was over; `None`: at the end of the window it was not.
    pub ended: Option<Wall>,
    /// As they were last.
    pub labels: BTreeMap<String, String>,
    /// As they were when it fired, else as they were last.
    pub annotations: BTreeMap<String, String>,
    /// Root causes, as they were last.
    pub causes: Vec<Name>,
}

impl Life {
    fn new(alert: &Alert, now: Wall) -> Self {
        Self {
            key: alert.key.clone(),
            severity: alert.severity,
            pending: now,
            withheld: Vec::new(),
            fired: None,
            ended: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            causes: Vec::new(),
        }
    }

    /// For how long it fired, by the end of the window at the latest.
    pub fn fired_ms(&self, until: Wall) -> Option<u64> {
        let fired = self.fired?;
        let ended = self.ended.unwrap_or(until).0;
        u64::try_from(ended.saturating_sub(fired.0)).ok()
    }

    /// What a step said of it.
    fn take_in(&mut self, alert: Alert, now: Wall) {
        let fires_now = alert.fired.is_some() && self.fired.is_none();
        if self.fired.is_none() {
            self.fired = alert.fired;
            self.severity = alert.severity;
        }
        self.withhold(alert.suppression, now);
        if alert.state == AlertState::Resolved {
            self.ended = Some(now);
            return;
        }
        if fires_now || self.fired.is_none() {
            self.annotations = alert.annotations;
        }
        self.labels = alert.labels;
        self.causes = alert.causes;
    }

    fn withhold(&mut self, why: Option<Suppression>, now: Wall) {
        let last = self.withheld.last_mut().filter(|last| last.to.is_none());
        match (last, why) {
            (Some(last), Some(why)) if last.why == why => {}
            (last, why) => {
                if let Some(last) = last {
                    last.to = Some(now);
                }
                if let Some(why) = why.filter(|_| self.withheld.len() < WITHHELD) {
                    self.withheld.push(Withheld {
                        from: now,
                        to: None,
                        why,
                    });
                }
            }
        }
    }
}

/// What came of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// In the order in which they became pending; those that were over before the window are not among them.
    pub lives: Vec<Life>,
    /// Lives that are not told, because there are too many.
    pub untold: usize,
    /// When the aggregator started within the window: around it, less was seen than was.
    pub starts: Vec<Wall>,
    /// Rules that wait for less time for a signal than two recorded values of it are apart, where any is recorded: of these
    /// a replay knows little.
    pub coarse: Vec<RuleName>,
}

/// Replays what was recorded, in order of time, by a set of rules.
pub fn replay(recorded: impl IntoIterator<Item = Recorded>, rules: RuleSet, window: Window) -> Replay {
    let mut player = Player::new(rules, window);
    for line in recorded.into_iter().take_while(|line| line.at <= window.until) {
        player.play(line);
    }
    player.flush();
    player.advance(window.until);
    player.step(window.until, Vec::new());
    player.end()
}

/// The first whole second that is not before.
fn second(at: Wall) -> Wall {
    let ceiling = at.0.div_euclid(SECOND) + i64::from(at.0.rem_euclid(SECOND) != 0);
    Wall(ceiling.saturating_mul(SECOND))
}

struct Player {
    machine: Machine,
    window: Window,
    /// The last step.
    now: Option<Wall>,
    /// What is seen in the next one, and when that is. Bounded by what is recorded in a second.
    seen: Vec<Seen>,
    next: Wall,
    /// Lives that are not over.
    open: BTreeMap<AlertKey, Life>,
    lives: Vec<Life>,
    untold: usize,
    starts: Vec<Wall>,
    /// Rules that signals are recorded too seldom for, by the signals of which none was seen yet, and those of which one was.
    hasty: BTreeMap<Name, BTreeSet<RuleName>>,
    coarse: BTreeSet<RuleName>,
}

/// Rules that a signal is recorded too seldom for, by signal.
fn hasty(rules: &RuleSet) -> BTreeMap<Name, BTreeSet<RuleName>> {
    let mut hasty = BTreeMap::<_, BTreeSet<_>>::new();
    for rule in rules.iter().filter(|rule| rule.spec().for_ < COARSE) {
        for signal in rule.signals().cloned() {
            hasty.entry(signal).or_default().insert(rule.spec().name.clone());
        }
    }
    hasty
}

impl Player {
    fn new(rules: RuleSet, window: Window) -> Self {
        Self {
            hasty: hasty(&rules),
            coarse: BTreeSet::new(),
            machine: Machine::new(rules),
            window,
            now: None,
            seen: Vec::new(),
            next: Wall(i64::MIN),
            open: BTreeMap::new(),
            lives: Vec::new(),
            untold: 0,
            starts: Vec::new(),
        }
    }

    fn play(&mut self, line: Recorded) {
        let moment = second(line.at).max(self.next);
        if moment > self.next {
            self.flush();
            self.next = moment;
            match line.facts {
                // While nobody watched, nothing fired.
                Facts::Started { last_alive } => self.advance(last_alive.or(self.now).unwrap_or(moment)),
                _ => self.advance(moment),
            }
        }
        if matches!(line.facts, Facts::Started { .. }) {
            self.note_start(line.at);
        }
        if let Facts::Service(_, facts) = &line.facts {
            let recorded = facts.signals.keys();
            let rules = recorded.filter_map(|signal| self.hasty.remove(signal));
            self.coarse.extend(rules.flatten());
        }
        self.seen.push(Seen::Facts(line.facts));
    }

    fn note_start(&mut self, at: Wall) {
        if at >= self.window.since && self.starts.len() < STARTS {
            self.starts.push(at);
        }
    }

    /// Takes the step that what is seen belongs to.
    fn flush(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        if !seen.is_empty() {
            self.step(self.next, seen);
        }
    }

    /// Steps at every second before `until` at which something is due.
    fn advance(&mut self, until: Wall) {
        while let Some(due) = self.machine.next_due().map(|due| self.not_again(due)) {
            if due >= until {
                break;
            }
            self.step(due, Vec::new());
        }
    }

    /// The second of something due: never one at which there was a step already.
    fn not_again(&self, due: Wall) -> Wall {
        let soonest = self.now.map_or(due, |now| Wall(now.0.saturating_add(1)));
        second(due.max(soonest))
    }

    fn step(&mut self, now: Wall, seen: Vec<Seen>) {
        self.now = Some(now);
        for alert in self.machine.step(now, seen) {
            self.take_in(Arc::unwrap_or_clone(alert), now);
        }
    }

    fn take_in(&mut self, alert: Alert, now: Wall) {
        // Resolved for long, and forgotten now: its life is over.
        let is_over = alert.state == AlertState::Resolved;
        if is_over && !self.open.contains_key(&alert.key) {
            return;
        }
        let key = alert.key.clone();
        let life = self
            .open
            .entry(key.clone())
            .or_insert_with(|| Life::new(&alert, now));
        life.take_in(alert, now);
        let over = is_over.then(|| self.open.remove(&key)).flatten();
        if let Some(life) = over.filter(|_| now >= self.window.since) {
            self.tell(life);
        }
    }

    fn tell(&mut self, life: Life) {
        if self.lives.len() < LIVES {
            self.lives.push(life);
        } else {
            self.untold += 1;
        }
    }

    fn end(mut self) -> Replay {
        for life in std::mem::take(&mut self.open).into_values() {
            self.tell(life);
        }
        self.lives
            .sort_by(|a, b| (a.pending, &a.key).cmp(&(b.pending, &b.key)));
        Replay {
            lives: self.lives,
            untold: self.untold,
            starts: self.starts,
            coarse: self.coarse.into_iter().collect(),
        }
    }
}
