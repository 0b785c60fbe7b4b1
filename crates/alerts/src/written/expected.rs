//! What is expected at a time.

use std::collections::BTreeMap;

use toml::de::DeValue;
use ward_model::{AlertKey, Name, RuleName};

use super::{
    By, Expected, Named, Texts,
    reading::{Key, Node, Reading},
};

/// Reads `expect`.
pub(super) fn expected_of(key: &Key<'_>, node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Expected> {
    const KEYS: [&str; 6] = [
        "firing",
        "pending",
        "suppressed",
        "resolved",
        "labels",
        "annotations",
    ];
    if let DeValue::String(_) = node.value {
        return nothing(key, node, reading);
    }
    let mut expected = Expected {
        line: reading.line(&key.at),
        ..Expected::default()
    };
    let keys = reading.table(node)?;
    if keys.is_empty() {
        let help = Some("write expect = \"nothing\", or what fires".to_owned());
        return reading.say(&key.at, "expects nothing in particular", help);
    }
    for (key, node) in keys {
        match key.name {
            "firing" => expected.firing = alerts_of(&node, reading).unwrap_or_default(),
            "pending" => expected.pending = alerts_of(&node, reading),
            "resolved" => expected.resolved = alerts_of(&node, reading),
            "suppressed" => expected.suppressed = suppressed_of(&node, reading),
            "labels" => expected.labels = texts_of(&node, reading),
            "annotations" => expected.annotations = texts_of(&node, reading),
            other => reading.unknown(&key.at, "key of what is expected", other, &KEYS),
        }
    }
    Some(expected)
}

fn nothing(key: &Key<'_>, node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Expected> {
    reading.word(node, "expectation", &[("nothing", ())])?;
    Some(Expected {
        line: reading.line(&key.at),
        pending: Some(Vec::new()),
        ..Expected::default()
    })
}

fn alerts_of(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Vec<Named>> {
    let mut alerts = Vec::new();
    for node in reading.array(node)? {
        let Some(text) = reading.string(&node) else {
            continue;
        };
        alerts.extend(named_of(text, &node, reading));
    }
    Some(alerts)
}

fn suppressed_of(node: &Node<'_>, reading: &mut Reading<'_>) -> Vec<(Named, By)> {
    let mut suppressed = Vec::new();
    for (key, value) in reading.table(node).unwrap_or_default() {
        let named = named_of(key.name, &place(&key, &value), reading);
        let by = match reading.string(&value) {
            Some("maintenance") => Some(By::Maintenance),
            Some(text) => named_of(text, &value, reading).map(|named| By::Alert(named.key)),
            None => None,
        };
        suppressed.extend(named.zip(by));
    }
    suppressed
}

fn texts_of(node: &Node<'_>, reading: &mut Reading<'_>) -> Vec<Texts> {
    let mut all = Vec::new();
    for (key, value) in reading.table(node).unwrap_or_default() {
        let of = named_of(key.name, &place(&key, &value), reading);
        let mut texts = BTreeMap::new();
        for (key, value) in reading.table(&value).unwrap_or_default() {
            let text = reading.string(&value).map(str::to_owned);
            texts.extend(text.map(|text| (key.name.to_owned(), (text, reading.line(&key.at)))));
        }
        all.extend(of.map(|of| Texts { of, texts }));
    }
    all
}

/// A value as if it stood where its key does.
fn place<'a>(key: &Key<'_>, value: &Node<'a>) -> Node<'a> {
    Node {
        at: key.at.clone(),
        ..value.clone()
    }
}

fn named_of(text: &str, node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Named> {
    let help = Some("write service/Rule, or system/Rule".to_owned());
    let shown = text.escape_debug();
    let Some((service, rule)) = text.split_once('/') else {
        return reading.say(&node.at, format!("`{shown}` is no alert"), help);
    };
    let service = match service {
        "system" => Ok(None),
        service => Name::service(service).map(Some),
    };
    match (service, RuleName::new(rule)) {
        (Ok(service), Ok(rule)) => Some(Named {
            key: AlertKey { service, rule },
            at: node.at.clone(),
            line: reading.line(&node.at),
        }),
        (Err(wrong), _) => reading.say(&node.at, format!("`{shown}`: the service {wrong}"), help),
        (_, Err(wrong)) => reading.say(&node.at, format!("`{shown}`: the rule {wrong}"), help),
    }
}
