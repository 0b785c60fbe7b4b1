//! What is in force, written down: as `ward.toml` would say it, each value with where it came from; and its hash.

mod alerting;

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use ward_access::Grants;
use ward_engine::Levels;
use ward_model::{Criticality, Dependency, DependencyKind, MinHealthy, SignalLevel, Wall};

use crate::{
    Origin, Origins, Service, Settings, Window,
    reading::{joined, quoted_key},
    value::{weekday, written},
    window::Days,
};

/// One value that is in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The table it stands in.
    #[serde(skip)]
    table: String,
    /// The key with the tables it is in, as messages name it.
    pub key: String,
    /// The value, as JSON.
    pub value: Json,
    /// Where it came from, for people; `default` where nobody said anything.
    pub origin: String,
}

impl Settings {
    /// What is in force, in the order in which it is shown. Of services only what somebody said: the rest is as they
    /// declare it.
    pub fn entries(&self, origins: &Origins) -> Vec<Entry> {
        let aggregator = &self.aggregator;
        let mut entries = Vec::new();
        let mut add = |table: &str, key: &str, value: Json| {
            let path = match key {
                "" => table.to_owned(),
                key => format!("{table}.{key}"),
            };
            // A value that was given in parts came from where the first part stands.
            let origin = match origins.of(&path) {
                Origin::Default => origins.of(&format!("{path}[0]")),
                origin => origin,
            };
            entries.push(Entry {
                table: table.to_owned(),
                key: path,
                value,
                origin: origin.to_string(),
            });
        };
        let own = "aggregator";
        add(own, "grpc", json!(aggregator.grpc.to_string()));
        add(own, "http", json!(aggregator.http.to_string()));
        add(own, "data_dir", json!(aggregator.data_dir.to_string_lossy()));
        add(own, "insecure", json!(aggregator.insecure));
        for (key, path) in aggregator.tls() {
            if let Some(path) = path {
                add(own, key, json!(path.to_string_lossy()));
            }
        }
        add(own, "debug", json!(aggregator.debug));
        add(own, "degraded_is_serving", json!(aggregator.degraded_is_serving));
        add(own, "cors_origins", json!(aggregator.cors_origins));
        add(own, "hosts", json!(aggregator.hosts));
        let store = &self.store;
        if let Some(url) = &store.url {
            add("store", "url", json!(url.shown()));
        }
        if let Some(path) = &store.url_file {
            add("store", "url_file", json!(path.to_string_lossy()));
        }
        add("store", "keep_history", json!(written(store.keep_history)));
        add("store", "keep_days", json!(written(store.keep_days)));
        add("store", "keep_recorded", json!(written(store.keep_recorded)));
        for (name, service) in &self.services {
            let table = joined("services", name.as_str());
            let mut said = said(service).into_iter().peekable();
            if said.peek().is_none() {
                add(&table, "", Json::Null);
            }
            said.for_each(|(key, value)| add(&table, &key, value));
        }
        for (name, grants) in self.access.rows() {
            let table = joined("access", name);
            let row = json!(grants);
            let said = row.as_object().into_iter().flatten();
            if *grants == Grants::default() {
                add(&table, "", Json::Null);
            }
            said.for_each(|(key, value)| add(&table, key, value.clone()));
        }
        alerting::add(&self.alerting, add);
        entries
    }

    /// What is in force as a `ward.toml` that says all of it, with where each value came from beside it.
    pub fn show(&self, origins: &Origins) -> String {
        document(&self.entries(origins), |entry| Some(entry.origin.as_str()))
    }

    /// What is in force as a `ward.toml`.
    pub fn to_toml(&self) -> String {
        document(&self.entries(&Origins::default()), |_| None)
    }

    /// SHA-256 of what is in force, in hex: the same for settings that are the same, however they were written and
    /// wherever they came from.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.to_toml());
        digest.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes everything");
            hex
        })
    }
}

/// What was said about a service.
fn said(service: &Service) -> Vec<(String, Json)> {
    let declaration = &service.declaration;
    let mut said = Vec::new();
    let mut add = |key: &str, value: Option<Json>| said.extend(value.map(|value| (key.to_owned(), value)));
    add("criticality", declaration.criticality.map(criticality));
    add("min_healthy", declaration.min_healthy.map(min_healthy));
    add(
        "interval",
        declaration.interval.map(|interval| json!(written(interval))),
    );
    let dependencies = declaration.dependencies.as_ref();
    add(
        "dependencies",
        dependencies.map(|list| list.iter().map(dependency).collect()),
    );
    add("degraded_is_serving", service.degraded_is_serving.map(Json::from));
    for (name, signal) in &declaration.levels {
        add(
            &format!("levels.{}", quoted_key(name.as_str())),
            Some(levels(signal)),
        );
    }
    let windows = Some(&service.maintenance).filter(|windows| !windows.is_empty());
    add(
        "maintenance",
        windows.map(|windows| windows.iter().map(window).collect()),
    );
    said
}

fn criticality(criticality: Criticality) -> Json {
    json!(criticality.as_str())
}

fn min_healthy(min_healthy: MinHealthy) -> Json {
    match min_healthy {
        MinHealthy::Count(count) => json!(count),
        MinHealthy::Percent(percent) => json!(format!("{percent}%")),
    }
}

fn dependency(dependency: &Dependency) -> Json {
    let kind = match dependency.kind {
        DependencyKind::Hard => "hard",
        DependencyKind::Soft => "soft",
    };
    let mut table = json!({ "service": dependency.service, "kind": kind });
    if let Some(group) = &dependency.any_of {
        table["any_of"] = json!(group);
    }
    table
}

fn levels(levels: &Levels) -> Json {
    let mut table = json!({});
    let level = |level: SignalLevel| json!({ "raise": level.raise, "clear": level.clear });
    if let Some(degraded) = levels.degraded {
        table["degraded"] = level(degraded);
    }
    if let Some(unhealthy) = levels.unhealthy {
        table["unhealthy"] = level(unhealthy);
    }
    table
}

fn window(window: &Window) -> Json {
    let mut table = match window {
        Window::Fixed { occurrence, .. } => {
            json!({ "start": moment(occurrence.start), "end": moment(occurrence.end) })
        }
        Window::Recurring {
            days,
            at,
            lasts,
            zone,
            ..
        } => {
            let mut table = json!({ "at": at.to_string(), "for": written(*lasts), "zone": zone.name() });
            table["every"] = match days {
                Days::Daily => json!("day"),
                Days::Weekly(days) => days.iter().map(|day| weekday(*day)).collect(),
                Days::Monthly(_) => json!("month"),
            };
            if let Days::Monthly(day) = days {
                table["day_of_month"] = json!(day);
            }
            table
        }
    };
    if !window.why().is_empty() {
        table["why"] = json!(window.why());
    }
    table
}

/// RFC 3339, in UTC.
fn moment(wall: Wall) -> String {
    let moment = jiff::Timestamp::from_millisecond(wall.0);
    moment.map_or_else(|_| wall.0.to_string(), |moment| moment.to_string())
}

/// Entries as TOML, with a comment behind each.
fn document(entries: &[Entry], comment: impl Fn(&Entry) -> Option<&str>) -> String {
    let mut text = String::new();
    let mut table = "";
    for entry in entries {
        let mut line = String::new();
        if entry.table != table {
            table = &entry.table;
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}[{table}]\n");
        }
        if let Some(key) = entry.key.strip_prefix(&format!("{table}.")) {
            line += &format!("{key} = {}", toml(&entry.value));
        }
        if let Some(comment) = comment(entry) {
            let gap = if line.is_empty() { "" } else { " " };
            line += &format!("{gap}# {comment}");
        }
        if !line.is_empty() {
            text += &line;
            text.push('\n');
        }
    }
    text
}

/// JSON but for tables is TOML; what could move a terminal is escaped by either.
pub(crate) fn toml(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Json::Object(table) if table.is_empty() => "{}".into(),
        Json::Object(table) => format!("{{ {} }}", pairs(table)),
        Json::String(text) => string(text),
        other => other.to_string(),
    }
}

fn pairs(table: &Map<String, Json>) -> String {
    let pairs = table.iter();
    let mut pairs: Vec<_> = pairs
        .map(|(key, value)| format!("{} = {}", quoted_key(key), toml(value)))
        .collect();
    // The order of a JSON map is a feature of its crate, which others may switch on; a hash rests on this one.
    pairs.sort();
    pairs.join(", ")
}

fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if crate::mistake::is_harmful(c) => {
                write!(quoted, "\\U{:08x}", u32::from(c)).expect("a string takes everything");
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
