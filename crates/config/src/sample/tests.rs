//! The sample, as it is and with all its keys in force.

use super::*;
use crate::{Settings, file};

fn read(text: &str) -> Settings {
    let mut settings = Settings::default();
    let said = file::read("sample", text, &mut settings);
    let shown: Vec<_> = said.mistakes.list.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    settings.alerting.rules = said.elsewhere.rules.in_force();
    settings
}

/// The sample with all its keys in force.
pub(crate) fn said() -> String {
    let key = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with([' ', ':']) => rest.to_owned(),
        _ => line.to_owned(),
    };
    sample().lines().map(|line| key(line) + "\n").collect()
}

#[test]
fn as_it_is_it_says_nothing() {
    assert_eq!(read(sample()), Settings::default());
}

#[test]
fn with_its_keys_in_force_it_is_valid() {
    let settings = read(&said());
    assert_eq!(settings.services.len(), 1);
    assert_eq!(settings.services.values().next().unwrap().maintenance.len(), 3);
    let alerting = &settings.alerting;
    assert_eq!((alerting.alertmanagers.len(), alerting.webhooks.len()), (1, 1));
    let names = alerting.rules.iter().map(|rule| rule.spec().name.as_str());
    let names: Vec<_> = names.collect();
    assert!(
        names.contains(&"QueueTooLong") && !names.contains(&"CpuHigh"),
        "{names:?}"
    );
}

/// All keys that the schema knows.
fn keys(schema: &serde_json::Value, found: &mut Vec<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.extend(properties.keys().cloned());
    }
    match schema {
        serde_json::Value::Object(parts) => parts.values().for_each(|part| keys(part, found)),
        serde_json::Value::Array(parts) => parts.iter().for_each(|part| keys(part, found)),
        _ => {}
    }
}

#[test]
fn every_key_that_exists_is_in_it() {
    let mut known = Vec::new();
    keys(&serde_json::from_str(&crate::schema()).unwrap(), &mut known);
    assert!(known.len() > 20, "{known:?}");
    let is_there = |key: &String| {
        sample().lines().any(|line| {
            let line = line.trim_start_matches('#').trim_start_matches("    ");
            line.starts_with(&format!("{key} ="))
                || line.contains(&format!(" {key} = "))
                || line.starts_with(&format!("{key}."))
                || line.contains(&format!("[{key}"))
                || line.ends_with(&format!(".{key}]]"))
        })
    };
    let missing: Vec<_> = known.iter().filter(|key| !is_there(key)).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn editors_find_the_schema() {
    assert!(sample().starts_with("#:schema "));
}

#[test]
fn every_shipped_rule_is_named() {
    let missing = ward_alerts::shipped()
        .into_iter()
        .filter(|rule| !sample().contains(rule.name.as_str()));
    assert_eq!(missing.map(|rule| rule.name).collect::<Vec<_>>(), []);
}
