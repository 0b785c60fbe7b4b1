//! The reader: of each rule about each thing it keeps every word that was ever said, and reads them from the last to the
//! first whenever it is asked.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ward_alerts::{Facts, Rule, RuleSet, Seen, ServiceFacts, Subject, SystemFacts, Truth, Unknown};
use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Name, Severity, Status, Suppression, Wall};

const QUARTER: i64 = 900_000;

/// What was to be said of a condition at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Holds,
    Not,
    Absent,
    Unknown,
    Gone,
    /// The aggregator started; nobody watched since.
    Started(i64),
}

/// What was decided of an alert that is not over.
#[derive(Clone, Debug)]
struct Life {
    state: AlertState,
    severity: Severity,
    suppression: Option<Suppression>,
    fired: Option<Wall>,
    resolved: Option<Wall>,
    labels: BTreeMap<String, String>,
    unheard: Option<i64>,
    /// How much of the time for which its condition holds counts no more, because it has to hold again.
    spent: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Naive {
    known: BTreeMap<Name, ServiceFacts>,
    system: Option<SystemFacts>,
    words: BTreeMap<AlertKey, Vec<(i64, Word)>>,
    lives: BTreeMap<AlertKey, Life>,
    acknowledged: BTreeMap<Option<Name>, Acknowledgement>,
}

impl Naive {
    pub(crate) fn restart(&mut self, last_alive: Wall, now: Wall) {
        self.known.clear();
        self.system = None;
        for (key, words) in &mut self.words {
            words.push((now.0, Word::Started(last_alive.0)));
            let life = self.lives.get_mut(key);
            if let Some(life) = life.filter(|life| life.state != AlertState::Resolved) {
                life.unheard = Some(now.0);
            }
        }
    }

    pub(crate) fn step(&mut self, now: Wall, rules: &RuleSet, seen: &[Seen]) {
        self.take_in(seen);
        let known = self.known.keys().cloned().map(Some).chain([None]);
        let about = known.flat_map(|service| {
            rules.iter().map(move |rule| AlertKey {
                service: service.clone(),
                rule: rule.spec().name.clone(),
            })
        });
        let keys: BTreeSet<_> = about.chain(self.lives.keys().cloned()).collect();
        let mut ripe = Vec::new();
        for key in keys {
            let word = self.word(&key, rules, now.0);
            self.words.entry(key.clone()).or_default().push((now.0, word));
            if self.live(&key, word, rules.get(&key.rule), now) {
                ripe.push(key);
            }
        }
        self.decide(ripe, rules, now);
        self.acknowledge(now);
    }

    fn take_in(&mut self, seen: &[Seen]) {
        for seen in seen.iter().cloned() {
            match seen {
                Seen::Facts(Facts::Service(name, facts)) => {
                    self.known.insert(name, *facts);
                }
                Seen::Facts(Facts::Gone(name)) => {
                    self.known.remove(&name);
                    let about = self
                        .lives
                        .iter_mut()
                        .filter(|(key, _)| key.service.as_ref() == Some(&name));
                    about.for_each(|(_, life)| life.unheard = None);
                }
                Seen::Facts(Facts::System(facts)) => self.system = Some(*facts),
                Seen::Facts(Facts::Started { .. }) => {}
                Seen::Signals(name, signals) => {
                    if let Some(facts) = self.known.get_mut(&name) {
                        facts.signals = signals;
                    }
                }
                Seen::Acknowledged(by) => {
                    self.acknowledged.insert(by.service.clone(), by);
                }
                Seen::Unacknowledged(service) => {
                    self.acknowledged.remove(&service);
                }
            }
        }
    }

    fn subject<'a>(&'a self, service: Option<&'a Name>) -> Option<Subject<'a>> {
        match service {
            None => self.system.as_ref().map(Subject::System),
            Some(name) => self.known.get(name).map(|facts| Subject::Service {
                name,
                facts,
                suspect_dependencies: self.suspects(name),
            }),
        }
    }

    fn suspects(&self, name: &Name) -> u32 {
        let mut met = BTreeSet::from([name]);
        loop {
            let needs = met.iter().filter_map(|name| self.known.get(*name));
            let more: Vec<_> = needs
                .flat_map(|facts| &facts.dependencies)
                .filter(|name| !met.contains(name))
                .collect();
            if more.is_empty() {
                break;
            }
            met.extend(more);
        }
        met.remove(name);
        let suspect = |name: &&&Name| {
            self.known
                .get(**name)
                .is_some_and(|facts| facts.instances.suspect > 0)
        };
        met.iter().filter(suspect).count().try_into().unwrap()
    }

    fn causes(&self, service: Option<&Name>) -> Vec<Name> {
        match service {
            None => self.system.as_ref().map(|facts| facts.causes.clone()),
            Some(service) => self.known.get(service).map(|facts| facts.causes.clone()),
        }
        .unwrap_or_default()
    }

    fn word(&self, key: &AlertKey, rules: &RuleSet, now: i64) -> Word {
        let service = key.service.as_ref();
        let Some(rule) = rules
            .get(&key.rule)
            .filter(|rule| rule.spec().about_system == service.is_none())
        else {
            return Word::Gone;
        };
        let unheard = self.lives.get(key).and_then(|life| life.unheard);
        let awaited = unheard.is_some_and(|start| now < start + QUARTER);
        let settling = self
            .system
            .as_ref()
            .is_some_and(|system| system.observer.settling);
        let status = match service {
            None => self.system.as_ref().map(|facts| facts.status),
            Some(service) => self.known.get(service).map(|facts| facts.status),
        };
        let Some(status) = status else {
            return if awaited { Word::Unknown } else { Word::Gone };
        };
        let unknown = status == Status::Unknown || (service.is_none() && settling);
        let by_status = by_status(key) && key.rule.as_str() != "Watchdog";
        if by_status && unknown && (settling || rule.spec().unknown == Unknown::Keep) {
            return Word::Unknown;
        }
        match rule.judge(self.subject(service).unwrap(), Wall(now)) {
            Truth::True => Word::Holds,
            Truth::False => Word::Not,
            Truth::Absent if awaited => Word::Unknown,
            // Long enough that nobody waits for it any more.
            Truth::Absent if unheard.is_some() => Word::Gone,
            Truth::Absent => Word::Absent,
        }
    }

    /// How long words were of a kind up to now, without the time in which nobody could know; `None` if they are not now.
    fn lasted(&self, key: &AlertKey, over_starts: bool, kind: impl Fn(Word) -> bool) -> i64 {
        let words = self.words.get(key).map_or(&[][..], Vec::as_slice);
        let mut until = words.last().map_or(0, |(at, _)| *at);
        let mut lasted = 0;
        for (at, word) in words.iter().rev() {
            match word {
                Word::Unknown => until = *at,
                Word::Started(last_alive) if over_starts => until = *last_alive,
                word if kind(*word) => {
                    lasted += (until - at).max(0);
                    until = *at;
                }
                _ => break,
            }
        }
        lasted
    }

    /// What a word makes of an alert; whether it is about to fire.
    fn live(&mut self, key: &AlertKey, word: Word, rule: Option<&Rule>, now: Wall) -> bool {
        use AlertState::{Firing, Pending, Resolved, Suppressed};
        if let Some(life) = self.lives.get_mut(key).filter(|_| word != Word::Unknown) {
            life.unheard = None;
        }
        let life = self.lives.get(key).cloned();
        let spec = rule.map(Rule::spec);
        match (life.as_ref().map(|life| life.state), word) {
            (None | Some(Resolved), Word::Holds) => {
                self.lives.insert(key.clone(), self.born(spec.unwrap().severity));
            }
            (Some(Resolved), _) => {
                if now.0 >= life.unwrap().resolved.unwrap().0 + QUARTER {
                    self.lives.remove(key);
                }
                return false;
            }
            (None, _) | (_, Word::Unknown) => return false,
            (Some(Pending | Suppressed), Word::Holds) => {}
            (Some(Pending | Suppressed), _) => {
                self.lives.remove(key);
                return false;
            }
            (Some(Firing), word) => {
                let off = |word| matches!(word, Word::Not | Word::Absent);
                let keep = spec.map_or(0, |spec| spec.keep_firing_for.as_millis() as i64);
                let ended = self.ended_for(key, off);
                let absent = self.lasted(key, false, |word| word == Word::Absent);
                let over =
                    word == Word::Gone || ended.is_some_and(|ended| ended >= keep) || absent >= QUARTER;
                if let Some(life) = self.lives.get_mut(key).filter(|_| over) {
                    (life.state, life.resolved) = (Resolved, Some(now));
                }
                return false;
            }
        }
        let rule = rule.unwrap();
        let severity = rule.spec().severity;
        let held_for = self.held_for(key);
        let for_ = rule.spec().for_.as_millis() as i64;
        let held = held_for < 2 * for_ && rule.is_held(self.subject(key.service.as_ref()).unwrap(), now);
        let life = self.lives.get_mut(key).unwrap();
        life.severity = severity;
        life.state == Suppressed || (held_for >= for_ && !held)
    }

    /// For how long the condition holds, of what counts.
    fn held_for(&self, key: &AlertKey) -> i64 {
        let spent = self.lives.get(key).map_or(0, |life| life.spent);
        self.lasted(key, true, |word| word == Word::Holds) - spent
    }

    /// For how long there was evidence against it: from the first `Not` on.
    fn ended_for(&self, key: &AlertKey, off: impl Fn(Word) -> bool) -> Option<i64> {
        let words = self.words.get(key)?;
        let tail = words
            .iter()
            .rposition(|(_, word)| !off(*word) && *word != Word::Unknown)
            .map_or(0, |at| at + 1);
        let first = tail + words[tail..].iter().position(|(_, word)| *word == Word::Not)?;
        let mut ended = 0;
        for pair in words[first..].windows(2) {
            if pair[0].1 != Word::Unknown {
                ended += pair[1].0 - pair[0].0;
            }
        }
        Some(ended)
    }

    fn born(&self, severity: Severity) -> Life {
        Life {
            state: AlertState::Pending,
            severity,
            suppression: None,
            fired: None,
            resolved: None,
            labels: BTreeMap::new(),
            unheard: None,
            spent: 0,
        }
    }

    fn is_unknown(&self, key: &AlertKey) -> bool {
        let words = self.words.get(key).and_then(|words| words.last());
        words.is_some_and(|(_, word)| matches!(word, Word::Unknown | Word::Started(_)))
    }

    /// Decides everything again and again, until nothing changes.
    fn decide(&mut self, mut ripe: Vec<AlertKey>, rules: &RuleSet, now: Wall) {
        let rank = |key: &AlertKey| {
            let causes = self.causes(key.service.as_ref());
            match &key.service {
                None => 2,
                Some(service) => u8::from(!causes.is_empty() && !causes.contains(service)),
            }
        };
        ripe.sort_by_key(|key| {
            let severity = std::cmp::Reverse(self.lives[key].severity);
            (rank(key), !by_status(key), severity, key.clone())
        });
        let mut waits = BTreeSet::new();
        loop {
            let mut changed = false;
            for key in &ripe {
                let before = self.lives[key].clone();
                if before.state == AlertState::Firing || waits.contains(key) {
                    continue;
                }
                let suppression = self.suppression(key, rules);
                let labels = self.labels(key, rules);
                let spent = self.spent(key, &before, rules);
                let life = self.lives.get_mut(key).unwrap();
                if let Some(spent) = spent.filter(|_| suppression.is_none()) {
                    life.spent += spent;
                    (life.state, life.suppression) = (AlertState::Pending, None);
                    waits.insert(key.clone());
                    changed = true;
                    continue;
                }
                life.state = match suppression {
                    Some(_) => AlertState::Suppressed,
                    None => AlertState::Firing,
                };
                if suppression.is_none() {
                    (life.fired, life.labels) = (Some(now), labels);
                }
                changed |= (before.state, &before.suppression) != (life.state, &suppression);
                life.suppression = suppression;
            }
            if !changed {
                return;
            }
        }
    }

    /// What is taken from the time for which an alert holds when what withheld it is resolved: a signal has to last as long as
    /// at first, a status half a minute.
    fn spent(&self, key: &AlertKey, life: &Life, rules: &RuleSet) -> Option<i64> {
        let Some(Suppression::Cause(by)) = &life.suppression else {
            return None;
        };
        let told = self.lives.get(by)?.state == AlertState::Resolved && rules.get(&by.rule).is_some();
        let for_ = rules.get(&key.rule)?.spec().for_.as_millis() as i64;
        let again = if by_status(key) { for_.min(30_000) } else { for_ };
        (told && again > 0).then(|| self.held_for(key) - (for_ - again))
    }

    fn suppression(&self, key: &AlertKey, rules: &RuleSet) -> Option<Suppression> {
        let causes = self.causes(key.service.as_ref());
        let maintained = |name: &Name| self.known.get(name).is_some_and(|facts| facts.maintenance);
        let suppresses = rules.get(&key.rule)?.spec().suppression;
        if let Some(service) = key.service.as_ref().filter(|service| maintained(service)) {
            return Some(Suppression::Maintenance(vec![service.clone()]));
        }
        let explained = suppresses || (key.service.is_some() && by_status(key));
        if explained && !causes.is_empty() && causes.iter().all(maintained) {
            return Some(Suppression::Maintenance(causes));
        }
        if !suppresses {
            return None;
        }
        let own = key.service.iter().filter(|_| !by_status(key)).cloned();
        let by_others = key.service.as_ref().is_none_or(|service| {
            let bad = self
                .known
                .get(service)
                .is_some_and(|facts| facts.status == Status::Unhealthy);
            !causes.contains(service) && (bad || by_status(key))
        });
        let others = causes.into_iter().filter(|_| by_others);
        own.chain(others)
            .find_map(|cause| self.told(&cause, key, rules))
            .map(Suppression::Cause)
    }

    /// The alert of a cause that is told or about to be: one that fires first, then the most urgent, then by name. Of the
    /// service itself that is a status, or a more urgent signal.
    fn told(&self, cause: &Name, explained: &AlertKey, rules: &RuleSet) -> Option<AlertKey> {
        let for_ = |key: &AlertKey| rules.get(&key.rule).unwrap().spec().for_.as_millis() as i64;
        let severity = self.lives[explained].severity;
        let is_own = explained.service.as_ref() == Some(cause);
        let mut about: Vec<_> = self
            .lives
            .iter()
            .filter(|(key, life)| {
                let suppresses = rules.get(&key.rule).is_some_and(|rule| rule.spec().suppression);
                if key.service.as_ref() != Some(cause) || !suppresses || *key == explained {
                    return false;
                }
                let left = for_(key) - self.held_for(key);
                let waits = life.state == AlertState::Pending
                    && !self.is_unknown(key)
                    && left <= (2 * for_(explained)).max(60_000);
                let urgent = match is_own && !by_status(key) {
                    true => life.severity > severity,
                    false => life.severity >= severity,
                };
                urgent && (waits || life.state == AlertState::Firing)
            })
            .collect();
        about.sort_by_key(|(key, life)| {
            let fires = life.state == AlertState::Firing;
            (!fires, std::cmp::Reverse(life.severity), key.rule.clone())
        });
        about.first().map(|(key, _)| (*key).clone())
    }

    fn labels(&self, key: &AlertKey, rules: &RuleSet) -> BTreeMap<String, String> {
        let causes = self.causes(key.service.as_ref());
        let own = key.service.as_ref().filter(|service| causes.contains(service));
        let severity = rules.get(&key.rule).unwrap().spec().severity;
        let service = key.service.as_ref();
        [
            ("alertname", Some(key.rule.as_str())),
            ("source", Some("ward")),
            ("severity", Some(severity.as_str())),
            ("service", service.map(Name::as_str)),
            ("criticality", service.map(|_| "important")),
            ("root_cause", own.or(causes.first()).map(Name::as_str)),
            ("is_root_cause", own.map(|_| "true")),
        ]
        .into_iter()
        .filter_map(|(label, value)| Some((label.to_owned(), value?.to_owned())))
        .collect()
    }

    fn acknowledge(&mut self, now: Wall) {
        let lives = &self.lives;
        self.acknowledged.retain(|_, by| {
            let fires = lives
                .iter()
                .any(|(key, life)| life.state == AlertState::Firing && by.covers(key));
            now < by.end && fires
        });
    }

    /// Whether the machine says the same.
    pub(crate) fn compare(
        &self,
        alerts: &BTreeMap<AlertKey, Alert>,
        acknowledged: &[Acknowledgement],
    ) -> Result<(), TestCaseError> {
        let keys = |keys: Vec<&AlertKey>| keys.into_iter().map(ToString::to_string).collect::<Vec<_>>();
        prop_assert_eq!(keys(alerts.keys().collect()), keys(self.lives.keys().collect()));
        let expected: Vec<_> = self.acknowledged.values().cloned().collect();
        prop_assert_eq!(acknowledged, expected);
        for (key, life) in &self.lives {
            let alert = &alerts[key];
            let fires = life.state == AlertState::Firing;
            // Of several that withhold it either may be named: that the one named does is an invariant.
            let named = |suppression: &Option<Suppression>| match suppression {
                Some(Suppression::Cause(_)) => Some(Suppression::Cause(key.clone())),
                other => other.clone(),
            };
            prop_assert_eq!(
                (key, alert.state, named(&alert.suppression)),
                (key, life.state, named(&life.suppression))
            );
            prop_assert_eq!(
                (key, alert.fired, alert.resolved),
                (key, life.fired, life.resolved)
            );
            prop_assert_eq!((key, alert.severity), (key, life.severity));
            let unknown = self.is_unknown(key) && life.state != AlertState::Resolved;
            prop_assert_eq!((key, alert.unknown_since.is_some()), (key, unknown));
            let by = self.acknowledged.values().find(|by| fires && by.covers(key));
            prop_assert_eq!((key, &alert.acknowledged), (key, &by.cloned()));
            if life.fired.is_some() {
                prop_assert_eq!((key, &alert.labels), (key, &life.labels));
            } else if !unknown {
                let now = self.words[key].last().unwrap().0;
                prop_assert_eq!((key, alert.since.0), (key, now - self.held_for(key)));
            }
        }
        Ok(())
    }
}

/// Whether a rule of the histories asks for a status.
pub(crate) fn by_status(key: &AlertKey) -> bool {
    !matches!(key.rule.as_str(), "Cpu" | "CpuMost")
}
