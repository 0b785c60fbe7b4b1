//! `ward.toml`.
//!
//! ```toml
//! [aggregator]
//! grpc = "127.0.0.1:7700"
//! http = "127.0.0.1:7780"
//! data_dir = "/var/lib/ward"
//!
//! [services.storefront]
//! criticality = "critical"
//! min_healthy = "50%"
//! dependencies = ["payments", { service = "recommendations", kind = "soft" }]
//! ```
//!
//! Unknown keys are errors: a key that is ignored is a setting somebody believes in.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use ward_engine::Declaration;
use ward_model::{Criticality, Dependency, DependencyKind, InvalidName, MinHealthy, Name};

use super::Config;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("read the configuration {path:?}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in it is not as it must be. The source shows the line and says what was expected.
    #[error("use the configuration {path:?}, line {line}, column {column}, key {key}{}", hint(.suggestion.as_deref()))]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// The key with the table it is in.
        key: String,
        /// A known key that an unknown one may have been meant as.
        suggestion: Option<String>,
        /// What was expected.
        source: Box<toml::de::Error>,
    },
}

fn hint(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |known| format!(" (did you mean {known}?)"))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    aggregator: Aggregator,
    services: BTreeMap<ServiceName, Service>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Aggregator {
    grpc: Option<SocketAddr>,
    http: Option<SocketAddr>,
    data_dir: Option<PathBuf>,
    insecure: Option<bool>,
    debug: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Service {
    criticality: Option<Criticality>,
    min_healthy: Option<Amount>,
    dependencies: Option<Vec<Needs>>,
}

pub(super) fn read(path: &Path, defaults: Config) -> Result<Config, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.into(),
        source,
    })?;
    let file: File = toml::from_str(&text).map_err(|error| invalid(path, &text, error))?;
    Ok(file.over(defaults))
}

impl File {
    fn over(self, defaults: Config) -> Config {
        let own = self.aggregator;
        let services = self
            .services
            .into_iter()
            .map(|(name, service)| (name.0, service.into()));
        Config {
            grpc: own.grpc.unwrap_or(defaults.grpc),
            http: own.http.unwrap_or(defaults.http),
            data_dir: own.data_dir.unwrap_or(defaults.data_dir),
            insecure: own.insecure.unwrap_or(defaults.insecure),
            debug: own.debug.unwrap_or(defaults.debug),
            services: services.collect(),
            ..defaults
        }
    }
}

impl From<Service> for Declaration {
    fn from(service: Service) -> Self {
        let needs = |list: Vec<Needs>| list.into_iter().map(|needs| needs.0).collect();
        Self {
            criticality: service.criticality,
            min_healthy: service.min_healthy.map(|amount| amount.0),
            dependencies: service.dependencies.map(needs),
            ..Self::default()
        }
    }
}

/// A name that a service may have, which is narrower than what a check may be called.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct ServiceName(Name);

impl TryFrom<String> for ServiceName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Name::service(&text).map(Self)
    }
}

/// `2`, or `"50%"`.
struct Amount(MinHealthy);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of instances, at least 1, or a percentage such as \"50%\"")
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Amount, E> {
                match u32::try_from(count) {
                    Ok(count @ 1..) => Ok(Amount(MinHealthy::Count(count))),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(count), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                match text.strip_suffix('%').map(str::parse) {
                    Some(Ok(percent @ 1..=100)) => Ok(Amount(MinHealthy::Percent(percent))),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// `"bank"`, or `{ service = "bank", kind = "soft", any_of = "payers" }`.
struct Needs(Dependency);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NeedsTable {
    service: ServiceName,
    #[serde(default)]
    kind: DependencyKind,
    #[serde(default)]
    any_of: Option<Name>,
}

impl<'de> Deserialize<'de> for Needs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Needs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a service, or a table with service, kind and any_of")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Needs, E> {
                let service = Name::service(text).map_err(E::custom)?;
                Ok(Needs(Dependency {
                    service,
                    kind: DependencyKind::default(),
                    any_of: None,
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Needs, A::Error> {
                let NeedsTable {
                    service,
                    kind,
                    any_of,
                } = NeedsTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Needs(Dependency {
                    service: service.0,
                    kind,
                    any_of,
                }))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn invalid(path: &Path, text: &str, error: toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    ConfigError::Invalid {
        path: path.into(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        key: key(before, line),
        suggestion: suggestion(error.message()),
        source: Box::new(error),
    }
}

/// The key on `line`, with the table it stands in. As it is written, which is what somebody will search for.
fn key(before: &str, line: &str) -> String {
    let table = |line: &str| {
        let line = line.trim();
        let inner = line.strip_prefix('[').filter(|inner| !inner.is_empty())?;
        inner
            .split(']')
            .next()
            .map(|table| table.trim_start_matches('[').trim().to_owned())
    };
    if let Some(table) = table(line) {
        return table;
    }
    let own = line.split('=').next().unwrap_or_default().trim();
    let above = before
        .lines()
        .rev()
        .skip(usize::from(!before.ends_with('\n')))
        .find_map(table);
    above.map_or_else(|| own.to_owned(), |table| format!("{table}.{own}"))
}

/// The known key nearest to an unknown one, out of what serde says about it.
fn suggestion(message: &str) -> Option<String> {
    let mut quoted = message
        .strip_prefix("unknown field ")?
        .split('`')
        .skip(1)
        .step_by(2);
    let unknown = quoted.next()?;
    let known = quoted.map(|known| (distance(unknown, known), known));
    known
        .min()
        .filter(|&(distance, _)| distance <= 3)
        .map(|(_, known)| known.to_owned())
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
