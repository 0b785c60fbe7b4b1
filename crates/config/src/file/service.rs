//! What may be said about one service.

mod window;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value as Json, json};
use toml::de::DeValue;
use ward_engine::{Declaration, Levels};
use ward_model::{
    Criticality, Dependency, DependencyKind, MinHealthy, Name, SignalLevel,
    bounds::{DEPENDENCIES, INTERVAL_MIN, INTERVAL_ONCE_MAX, SIGNALS},
};

use super::List;
use crate::{
    Service,
    reading::{At, Node, Reading, Value, joined, table},
    value::{ServiceName, Text, cut, written},
};

use window::AnyWindow;

/// Most windows of one service: each is looked at whenever one of them opens or closes.
const WINDOWS: usize = 16;

table! {
    /// What is said about one service. What is left out is as the service itself declares it.
    struct ServiceTable {
        /// How much it matters. "critical": the system is as bad as this service. "important": the system is at most
        /// degraded by it. "optional": the system does not mind.
        "criticality" criticality: Criticality,
        /// How many of its instances must be well: a number, or a share such as "50%", rounded up.
        "min_healthy" min_healthy: MinHealthy,
        /// How often its instances are to be heard, "100ms" to "31d". One that beats is suspect after three of them. Over
        /// "1h" is for jobs that report once.
        "interval" interval: Interval,
        /// Services it needs: names, or tables that say more.
        "dependencies" dependencies: List<Needs, DEPENDENCIES>,
        /// What the values of its signals mean, by the names of the signals. Each replaces what the service declares for
        /// that signal; an empty table leaves it without levels.
        "levels" levels: LevelsOfSignals,
        /// Tell clients of grpc.health.v1 that it is SERVING while it is degraded. Default: as for the aggregator.
        "degraded_is_serving" degraded_is_serving: bool,
        /// When it is planned to be in maintenance: windows that are open once (`start`, `end`), or that come back
        /// (`every`, `at`, `for`).
        "maintenance" maintenance: List<AnyWindow, WINDOWS>,
    }
}

table! {
    /// A service that is needed, and how.
    struct NeedsTable {
        /// The name of the service that is needed.
        "service" service: ServiceName = required,
        /// "hard": as bad as what is needed. "soft": degraded when what is needed is unhealthy. Default "hard".
        "kind" kind: DependencyKind,
        /// A group of dependencies that stand in for each other: the best of them counts.
        "any_of" any_of: Name,
    }
}

table! {
    /// The levels of one signal.
    struct LevelsTable {
        /// Degraded from here on: a number, or `raise` and `clear`.
        "degraded" degraded: Level,
        /// Unhealthy from here on: a number, or `raise` and `clear`.
        "unhealthy" unhealthy: Level,
    }
}

table! {
    /// One level of a signal, with room between raising and clearing so that a value on the edge does not chatter.
    struct LevelTable {
        /// Raised at this value and above.
        "raise" raise: f64 = required,
        /// Cleared below this value, which is at most `raise`. Default: a tenth below `raise`.
        "clear" clear: f64,
    }
}

/// A reporting interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval(Duration);

impl Value for Interval {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        if let DeValue::Integer(number) = node.value {
            let number = cut(&number.to_string());
            let help = format!("say of what: \"{number}s\" are seconds, \"{number}ms\" milliseconds");
            reading.wrong_kind(node, Duration::EXPECTED).help = Some(help);
            return None;
        }
        let interval: Duration = Value::read(node, reading)?;
        if (INTERVAL_MIN..=INTERVAL_ONCE_MAX).contains(&interval) {
            return Some(Self(interval));
        }
        let expected = format!("{} to {}", written(INTERVAL_MIN), written(INTERVAL_ONCE_MAX));
        let message = format!("is {}", written(interval));
        reading.wrong(&node.path, &node.span, message).expected = Some(expected);
        None
    }

    fn schema() -> Json {
        <Duration as Text>::schema()
    }
}

/// `"bank"`, or `{ service = "bank", kind = "soft", any_of = "payers" }`.
#[derive(Clone, Debug)]
pub(crate) struct Needs(Option<Dependency>);

impl Value for Needs {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        if let DeValue::Table(_) = node.value {
            let NeedsTable {
                service,
                kind,
                any_of,
            } = NeedsTable::read(node, reading)?;
            return Some(Self(service.map(|service| Dependency {
                service: service.value.0,
                kind: kind.map(|kind| kind.value).unwrap_or_default(),
                any_of: any_of.map(|group| group.value),
            })));
        }
        if !node.value.is_str() {
            reading.wrong_kind(
                node,
                "the name of a service, or a table with `service`, `kind` and `any_of`",
            );
            return None;
        }
        let service: ServiceName = Value::read(node, reading)?;
        Some(Self(Some(Dependency {
            service: service.0,
            kind: DependencyKind::default(),
            any_of: None,
        })))
    }

    fn schema() -> Json {
        json!({ "anyOf": [<ServiceName as Text>::schema(), NeedsTable::schema()] })
    }
}

/// Levels by the names of signals.
#[derive(Clone, Debug)]
pub(crate) struct LevelsOfSignals(BTreeMap<Name, Levels>);

impl Value for LevelsOfSignals {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let table = reading.table(node)?;
        if table.len() > SIGNALS {
            let message = format!("names {} signals", table.len());
            reading.wrong(&node.path, &node.span, message).expected = Some(format!("at most {SIGNALS}"));
            return None;
        }
        let mut read = BTreeMap::new();
        for (key, _) in table {
            let text = key.get_ref().as_ref();
            let levels: Option<At<LevelsTable>> = reading.take(node, table, text);
            match (Name::parse(text), levels) {
                (Ok(name), Some(levels)) => {
                    read.insert(name, levels.value.settle(reading));
                }
                (Ok(_), None) => {}
                (Err(wrong), _) => {
                    let path = joined(&node.path, text);
                    let mistake = reading.wrong(&path, &key.span(), wrong.message);
                    (mistake.expected, mistake.help) = (Some(Name::EXPECTED.into()), wrong.help);
                }
            }
        }
        Some(Self(read))
    }

    fn schema() -> Json {
        json!({
            "type": "object",
            "propertyNames": <Name as Text>::schema(),
            "additionalProperties": LevelsTable::schema(),
            "maxProperties": SIGNALS,
        })
    }
}

impl LevelsTable {
    fn settle(self, reading: &mut Reading<'_>) -> Levels {
        if let (Some(degraded), Some(unhealthy)) = (&self.degraded, &self.unhealthy) {
            let (below, above) = (degraded.value.0.raise, unhealthy.value.0.raise);
            if below > above {
                let message =
                    format!("is raised at {below}, above `unhealthy` at {above}: it would never be seen");
                let mistake = reading.wrong(&degraded.path, &degraded.span, message);
                mistake.help = Some("levels are for values that are worse the greater they are".into());
                mistake.beside = Some((unhealthy.span.clone(), "unhealthy from here on"));
            }
        }
        Levels {
            degraded: self.degraded.map(|level| level.value.0),
            unhealthy: self.unhealthy.map(|level| level.value.0),
        }
    }
}

/// `0.01`, or `{ raise = 0.01, clear = 0.005 }`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level(SignalLevel);

impl Level {
    /// A tenth below `raise`, without the digits that dividing adds. As far apart as those who run such thresholds at
    /// scale have them (raised at 90 %, cleared at 80 %).
    fn clear_of(raise: f64) -> f64 {
        let tenth_below = raise - raise.abs() / 10.0;
        format!("{tenth_below:.12e}").parse().unwrap_or(raise)
    }
}

impl Value for Level {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let at = |raise| {
            Self(SignalLevel {
                raise,
                clear: Self::clear_of(raise),
            })
        };
        match node.value {
            DeValue::Table(_) => {
                let LevelTable { raise, clear } = LevelTable::read(node, reading)?;
                let (raise, clear) = (raise?.value, clear);
                let Some(clear) = clear else {
                    return Some(at(raise));
                };
                if clear.value > raise {
                    let message = format!("is {}, above `raise` at {raise}", clear.value);
                    let mistake = reading.wrong(&clear.path, &clear.span, message);
                    mistake.expected = Some("a value at or below `raise`".into());
                    return None;
                }
                Some(Self(SignalLevel {
                    raise,
                    clear: clear.value,
                }))
            }
            DeValue::Integer(_) | DeValue::Float(_) => f64::read(node, reading).map(at),
            _ => {
                reading.wrong_kind(node, "a number, or a table with `raise` and `clear`");
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "anyOf": [f64::schema(), LevelTable::schema()] })
    }
}

impl ServiceTable {
    /// What takes the name of the service to see.
    pub(super) fn judge(&self, name: &Name, reading: &mut Reading<'_>) {
        let Some(dependencies) = &self.dependencies else {
            return;
        };
        let mut seen: Vec<(&Dependency, &At<Needs>)> = Vec::new();
        for needs in &dependencies.value.0 {
            let Some(dependency) = &needs.value.0 else {
                continue;
            };
            let twin = seen.iter().find(|(other, _)| {
                (&other.service, &other.any_of) == (&dependency.service, &dependency.any_of)
            });
            if dependency.service == *name {
                let mistake = reading.wrong(&needs.path, &needs.span, "is the service itself");
                mistake.help = Some("leave it away: a service is always as bad as it is".into());
            } else if let Some((_, first)) = twin {
                let message = format!("names {} twice", dependency.service);
                let mistake = reading.wrong(&needs.path, &needs.span, message);
                mistake.help = Some("keep one of them".into());
                mistake.beside = Some((first.span.clone(), "the first one"));
            }
            seen.push((dependency, needs));
        }
    }

    /// The services that it needs.
    pub(super) fn needed(&self) -> impl Iterator<Item = &Name> {
        let needs = self.dependencies.iter().flat_map(|list| &list.value.0);
        needs.filter_map(|needs| needs.value.0.as_ref().map(|dependency| &dependency.service))
    }

    pub(super) fn settle(self) -> Service {
        let needs = |list: List<Needs, DEPENDENCIES>| {
            let needs = list.0.into_iter();
            needs.filter_map(|needs| needs.value.0).collect()
        };
        let windows = self.maintenance.map(|list| list.value.0).unwrap_or_default();
        Service {
            declaration: Declaration {
                criticality: self.criticality.map(|said| said.value),
                min_healthy: self.min_healthy.map(|said| said.value),
                dependencies: self.dependencies.map(|said| needs(said.value)),
                interval: self.interval.map(|said| said.value.0),
                levels: self.levels.map(|said| said.value.0).unwrap_or_default(),
            },
            degraded_is_serving: self.degraded_is_serving.map(|said| said.value),
            maintenance: windows.into_iter().filter_map(|window| window.value.0).collect(),
        }
    }
}
