//! From a file to tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use toml::de::DeTable;
use ward_model::{Name, RuleName, Wall};

use self::things::{Known, service_of, system_of};
use super::{
    Expected, FILE_BYTES, LONGEST, Moment, Test, Tests, WrongHistory,
    expected::expected_of,
    reading::{Key, Node, Reading, entries},
    series::{duration, series},
};
use crate::facts::Facts;

mod things;

/// Parses a file.
///
/// # Errors
///
/// All that is wrong in it, by line.
pub fn parse(text: &str) -> Result<Tests, Vec<WrongHistory>> {
    let mut reading = Reading::new(text);
    if text.len() > FILE_BYTES {
        let message = format!("the file has {} bytes, expected at most {FILE_BYTES}", text.len());
        reading.say::<()>(&(0..0), message, Some("make several of it".to_owned()));
        return Err(reading.wrong);
    }
    let tests = match DeTable::parse(text) {
        Ok(file) => file_of(file.get_ref(), &mut reading),
        Err(error) => {
            let message = format!("is no TOML: {}", error.message());
            reading.say::<()>(&error.span().unwrap_or(0..0), message, None);
            Vec::new()
        }
    };
    match reading.wrong.is_empty() {
        true => Ok(Tests(tests)),
        false => {
            reading.wrong.sort_by_key(|wrong| wrong.at.start);
            Err(reading.wrong)
        }
    }
}

fn file_of(file: &DeTable<'_>, reading: &mut Reading<'_>) -> Vec<Test> {
    let mut tests = Vec::new();
    for (key, node) in entries(file) {
        match key.name {
            "test" => {
                let found = reading.array(&node).unwrap_or_default();
                tests.extend(found.iter().filter_map(|test| test_of(test, reading)));
            }
            other => reading.unknown(&key.at, "key of a file of tests", other, &["test"]),
        }
    }
    tests
}

fn test_of(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Test> {
    let mut test = Test {
        name: String::new(),
        line: reading.line(&node.at),
        rules: None,
        moments: BTreeMap::new(),
    };
    for (key, value) in reading.table(node)? {
        match key.name {
            "name" => test.name = reading.string(&value).unwrap_or_default().to_owned(),
            "rules" => test.rules = rules_of(&value, reading),
            "at" => moments_of(&value, &mut test.moments, reading),
            "signals" => signals_of(&value, &mut test.moments, reading),
            other => reading.unknown(
                &key.at,
                "key of a test",
                other,
                &["name", "rules", "at", "signals"],
            ),
        }
    }
    if test.name.is_empty() {
        reading.say::<()>(&node.at, "a test has no `name`", None);
    }
    if test.moments.values().all(|moment| moment.expected.is_none()) {
        let help = Some("write expect under a time, as in [test.at.30s]".to_owned());
        reading.say::<()>(&node.at, "a test expects nothing, and cannot fail", help);
    }
    complete(&mut test, reading);
    Some(test)
}

/// What is not said holds from the beginning; what is expected is of something that is there.
fn complete(test: &mut Test, reading: &mut Reading<'_>) {
    let all = || test.moments.values();
    let told = |name: &Name, facts: &Facts| matches!(facts, Facts::Service(told, _) | Facts::Gone(told) if told == name);
    let sent: BTreeSet<Name> = all().flat_map(|moment| moment.signals.keys().cloned()).collect();
    let services: BTreeSet<Name> = all()
        .flat_map(|moment| &moment.facts)
        .filter_map(|facts| match facts {
            Facts::Service(name, _) => Some(name.clone()),
            _ => None,
        })
        .chain(sent)
        .collect();
    for named in all()
        .filter_map(|moment| moment.expected.as_ref())
        .flat_map(Expected::named)
    {
        if let Some(service) = named
            .key
            .service
            .as_ref()
            .filter(|service| !services.contains(*service))
        {
            let known: Vec<_> = services.iter().map(|known| known.as_str()).collect();
            reading.unknown(&named.at, "service of this test", service.as_str(), &known);
        }
    }
    let first = test.moments.entry(Duration::ZERO).or_default();
    if !first.facts.iter().any(|facts| matches!(facts, Facts::System(_))) {
        first.facts.push(Facts::System(Box::default()));
    }
    for name in services {
        if !first.facts.iter().any(|facts| told(&name, facts)) {
            first.facts.push(Facts::Service(name, Box::default()));
        }
    }
}

fn rules_of(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Vec<(RuleName, usize)>> {
    let mut rules = Vec::new();
    for node in reading.array(node)? {
        let Some(text) = reading.string(&node) else {
            continue;
        };
        match RuleName::new(text) {
            Ok(name) => rules.push((name, reading.line(&node.at))),
            Err(invalid) => {
                reading.say::<()>(&node.at, format!("`{}` {invalid}", text.escape_debug()), None);
            }
        }
    }
    Some(rules)
}

fn time_of(key: &Key<'_>, reading: &mut Reading<'_>) -> Option<Duration> {
    let Some(time) = duration(key.name) else {
        let message = format!("`{}` is no time", key.name.escape_debug());
        return reading.say(&key.at, message, Some("write one as 45s, 1m30s or 2h".to_owned()));
    };
    if time > LONGEST {
        return reading.say(
            &key.at,
            "is later than a history may last, which is two days",
            None,
        );
    }
    Some(time)
}

fn moments_of(node: &Node<'_>, moments: &mut BTreeMap<Duration, Moment>, reading: &mut Reading<'_>) {
    let mut times = Vec::new();
    for (key, value) in reading.table(node).unwrap_or_default() {
        times.extend(time_of(&key, reading).map(|time| (time, value)));
    }
    // A history may be written in any order, and what stays is what was before in time.
    times.sort_by_key(|(time, _)| *time);
    let mut known = Known::default();
    for pair in times.windows(2) {
        if let [(one, _), (other, node)] = pair
            && one == other
        {
            reading.say::<()>(
                &node.at,
                "is a time that is there already, written in another way",
                None,
            );
        }
    }
    for (time, value) in times {
        let moment = moments.entry(time).or_default();
        moment_of(time, &value, &mut known, moment, reading);
    }
}

fn moment_of(
    time: Duration,
    node: &Node<'_>,
    known: &mut Known,
    moment: &mut Moment,
    reading: &mut Reading<'_>,
) {
    let now = Wall(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    for (key, value) in reading.table(node).unwrap_or_default() {
        match key.name {
            "expect" => moment.expected = expected_of(&key, &value, reading),
            "system" => {
                moment.facts.extend(system_of(&value, known, now, reading));
            }
            _ => {
                let Some(name) = service_name(&key, reading) else {
                    continue;
                };
                moment.facts.extend(service_of(name, &value, known, now, reading));
            }
        }
    }
}

fn service_name(key: &Key<'_>, reading: &mut Reading<'_>) -> Option<Name> {
    match Name::service(key.name) {
        Ok(name) => Some(name),
        Err(invalid) => {
            let message = format!("`{}`, the name of a service, {invalid}", key.name.escape_debug());
            reading.say(&key.at, message, None)
        }
    }
}

fn signals_of(node: &Node<'_>, moments: &mut BTreeMap<Duration, Moment>, reading: &mut Reading<'_>) {
    const EVERY: Duration = Duration::from_secs(10);
    let services = reading.table(node).unwrap_or_default();
    let every = services.iter().find(|(key, _)| key.name == "every");
    let every = every
        .and_then(|(_, node)| every_of(node, reading))
        .unwrap_or(EVERY);
    for (key, node) in services.iter().filter(|(key, _)| key.name != "every") {
        let Some(service) = service_name(key, reading) else {
            continue;
        };
        for (key, node) in reading.table(node).unwrap_or_default() {
            let Some((signal, values)) = signal_of(&key, &node, reading) else {
                continue;
            };
            let mut last = None;
            for (time, value) in times(every).zip(values).filter(|(time, _)| *time <= LONGEST) {
                if value != last {
                    let signals = &mut moments.entry(time).or_default().signals;
                    signals
                        .entry(service.clone())
                        .or_default()
                        .insert(signal.clone(), value);
                    last = value;
                }
            }
        }
    }
}

fn times(every: Duration) -> impl Iterator<Item = Duration> {
    (0..).map(move |number| every.saturating_mul(number))
}

fn every_of(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Duration> {
    let text = reading.string(node)?;
    match duration(text).filter(|every| !every.is_zero()) {
        Some(every) => Some(every),
        None => reading.say(
            &node.at,
            "is no time between two values",
            Some("write one as 10s".to_owned()),
        ),
    }
}

fn signal_of(key: &Key<'_>, node: &Node<'_>, reading: &mut Reading<'_>) -> Option<(Name, Vec<Option<f64>>)> {
    let name = match Name::new(key.name) {
        Ok(name) => name,
        Err(invalid) => {
            let message = format!("`{}`, the name of a signal, {invalid}", key.name.escape_debug());
            return reading.say(&key.at, message, None);
        }
    };
    match series(reading.string(node)?) {
        Ok(values) => Some((name, values)),
        Err(wrong) => reading.say(&node.at, wrong, Some("write values as 0.01x5 _x2 0.2".to_owned())),
    }
}
