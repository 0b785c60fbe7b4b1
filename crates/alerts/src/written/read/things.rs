//! What is said of services and of the system.

use std::collections::BTreeMap;

use toml::de::DeValue;
use ward_model::{Criticality, Name, Reason, Status, Wall};

use crate::{
    facts::{Facts, ServiceFacts, SystemFacts},
    written::reading::{Key, Node, Reading},
};

/// Each thing as it is known so far: what is not said of it stays.
#[derive(Default)]
pub(super) struct Known {
    services: BTreeMap<Name, ServiceFacts>,
    system: SystemFacts,
}

/// The keys of a thing; a word alone is its status.
struct Said<'a>(Vec<(Key<'a>, Node<'a>)>);

impl Said<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key.name == name)
    }

    fn status(&self, reading: &mut Reading<'_>) -> Option<Status> {
        let (_, node) = self.0.iter().find(|(key, _)| key.name == "status")?;
        reading.word(node, "status", &statuses())
    }
}

fn said_of<'a>(node: &Node<'a>, reading: &mut Reading<'_>) -> Option<Said<'a>> {
    if let DeValue::String(_) = node.value {
        let key = Key {
            name: "status",
            at: node.at.clone(),
        };
        return Some(Said(vec![(key, node.clone())]));
    }
    reading.table(node).map(Said)
}

/// What is said of a service at a time.
pub(super) fn service_of(
    name: Name,
    node: &Node<'_>,
    known: &mut Known,
    now: Wall,
    reading: &mut Reading<'_>,
) -> Option<Facts> {
    let known = &mut known.services;
    if matches!(node.value, DeValue::String(word) if word == "gone") {
        known.remove(&name);
        return Some(Facts::Gone(name));
    }
    let mut facts = known.get(&name).cloned().unwrap_or_default();
    let before = facts.status;
    let said = said_of(node, reading)?;
    if let Some(status) = said.status(reading) {
        decide(&name, &mut facts, status);
    }
    for (key, value) in &said.0 {
        service_key(key, value, &mut facts, reading);
    }
    if said.has("causes") && !said.has("own") && facts.status.is_bad() && !facts.causes.contains(&name) {
        facts.own = Status::Healthy;
        if !said.has("reason") {
            facts.reason = Reason::Dependency;
        }
    }
    if facts.status != before {
        facts.since = now;
    }
    known.insert(name.clone(), facts.clone());
    Some(Facts::Service(name, Box::new(facts)))
}

/// As Ward decides where nothing else is said.
fn decide(name: &Name, facts: &mut ServiceFacts, status: Status) {
    facts.status = status;
    facts.own = status;
    facts.reason = Reason::Reported;
    facts.message = String::new();
    facts.causes = match status.is_bad() {
        true => vec![name.clone()],
        false => Vec::new(),
    };
}

fn service_key(key: &Key<'_>, value: &Node<'_>, facts: &mut ServiceFacts, reading: &mut Reading<'_>) {
    const KEYS: [&str; 10] = [
        "status",
        "own",
        "reason",
        "message",
        "causes",
        "needs",
        "criticality",
        "min_healthy",
        "maintenance",
        "instances",
    ];
    let instances = &mut facts.instances;
    match key.name {
        "status" => (),
        "own" => set(&mut facts.own, reading.word(value, "status", &statuses())),
        "reason" => set(&mut facts.reason, reading.word(value, "reason", &reasons())),
        "message" => set(&mut facts.message, reading.string(value).map(str::to_owned)),
        "causes" => set(&mut facts.causes, names_of(value, reading)),
        "needs" => set(&mut facts.dependencies, names_of(value, reading)),
        "criticality" => set(
            &mut facts.criticality,
            reading.word(value, "criticality", &criticalities()),
        ),
        "min_healthy" => set(&mut facts.min_healthy, reading.count(value)),
        "maintenance" => set(&mut facts.maintenance, reading.bool(value)),
        "instances" => counts_of(
            value,
            "instances",
            &mut [
                ("total", &mut instances.total),
                ("healthy", &mut instances.healthy),
                ("unknown", &mut instances.unknown),
                ("degraded", &mut instances.degraded),
                ("unhealthy", &mut instances.unhealthy),
                ("suspect", &mut instances.suspect),
                ("lost", &mut instances.lost),
            ],
            reading,
        ),
        other => reading.unknown(&key.at, "key of a service", other, &KEYS),
    }
}

/// What is said of the system at a time.
pub(super) fn system_of(
    node: &Node<'_>,
    known: &mut Known,
    now: Wall,
    reading: &mut Reading<'_>,
) -> Option<Facts> {
    let facts = &mut known.system;
    let before = facts.status;
    let said = said_of(node, reading)?;
    if let Some(status) = said.status(reading) {
        facts.status = status;
        facts.reason = Reason::Reported;
        facts.message = String::new();
        facts.causes = Vec::new();
    }
    for (key, value) in &said.0 {
        system_key(key, value, facts, reading);
    }
    if facts.status != before {
        facts.since = now;
    }
    Some(Facts::System(Box::new(facts.clone())))
}

fn system_key(key: &Key<'_>, value: &Node<'_>, facts: &mut SystemFacts, reading: &mut Reading<'_>) {
    const KEYS: [&str; 6] = ["status", "reason", "message", "causes", "services", "observer"];
    let services = &mut facts.services;
    match key.name {
        "status" => (),
        "reason" => set(&mut facts.reason, reading.word(value, "reason", &reasons())),
        "message" => set(&mut facts.message, reading.string(value).map(str::to_owned)),
        "causes" => set(&mut facts.causes, names_of(value, reading)),
        "services" => counts_of(
            value,
            "services",
            &mut [
                ("total", &mut services.total),
                ("healthy", &mut services.healthy),
                ("unknown", &mut services.unknown),
                ("degraded", &mut services.degraded),
                ("unhealthy", &mut services.unhealthy),
            ],
            reading,
        ),
        "observer" => observer_of(value, facts, reading),
        other => reading.unknown(&key.at, "key of the system", other, &KEYS),
    }
}

fn observer_of(node: &Node<'_>, facts: &mut SystemFacts, reading: &mut Reading<'_>) {
    const KEYS: [&str; 4] = ["score", "degraded_view", "blind", "settling"];
    let observer = &mut facts.observer;
    for (key, value) in reading.table(node).unwrap_or_default() {
        match key.name {
            "score" => {
                let score = reading
                    .count(&value)
                    .map(|score| u8::try_from(score).unwrap_or(u8::MAX));
                set(&mut observer.score, score);
            }
            "degraded_view" => set(&mut observer.degraded_view, reading.bool(&value)),
            "blind" => set(&mut observer.blind, reading.bool(&value)),
            "settling" => set(&mut observer.settling, reading.bool(&value)),
            other => reading.unknown(&key.at, "key of the observer", other, &KEYS),
        }
    }
}

fn counts_of(node: &Node<'_>, what: &str, counts: &mut [(&str, &mut u32)], reading: &mut Reading<'_>) {
    for (key, value) in reading.table(node).unwrap_or_default() {
        match counts.iter_mut().find(|(name, _)| *name == key.name) {
            Some((_, count)) => set(*count, reading.count(&value)),
            None => {
                let known: Vec<_> = counts.iter().map(|(name, _)| *name).collect();
                reading.unknown(&key.at, &format!("key of {what}"), key.name, &known);
            }
        }
    }
}

fn names_of(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Vec<Name>> {
    let mut names = Vec::new();
    for node in reading.array(node)? {
        let Some(text) = reading.string(&node) else {
            continue;
        };
        match Name::service(text) {
            Ok(name) => names.push(name),
            Err(invalid) => {
                let message = format!("`{}`, the name of a service, {invalid}", text.escape_debug());
                reading.say::<()>(&node.at, message, None);
            }
        }
    }
    Some(names)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn statuses() -> [(&'static str, Status); 4] {
    Status::ALL.map(|status| (status.as_str(), status))
}

fn reasons() -> [(&'static str, Reason); 13] {
    Reason::ALL.map(|reason| (reason.as_str(), reason))
}

fn criticalities() -> [(&'static str, Criticality); 3] {
    Criticality::ALL.map(|criticality| (criticality.as_str(), criticality))
}
