//! Hellos and updates.
//!
//! A mistake in who one is or what one declares refuses the message. A single value that means nothing (a signal that
//! is not a number, a dependency on oneself) is left out and told, because a reporter with one bad gauge is still alive
//! and the rest of its word still holds.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use ward_model::{
    CheckDeclaration, CheckResult, Dependency, Hello, Incarnation, InstanceId, MinHealthy, Name,
    SignalDeclaration, SignalValue, Update,
    bounds::{
        CHECKS, DEPENDENCIES, INTERVAL_DEFAULT, INTERVAL_MAX, INTERVAL_MIN, INTERVAL_ONCE_MAX, LABEL_BYTES,
        LABELS, SIGNALS, STARTUP_DEADLINE_DEFAULT, STARTUP_DEADLINE_MAX, VERSION_BYTES,
    },
};

use crate::{
    Converted, Invalid,
    invalid::{at_most, each},
    status::strict,
    text, v1,
};

impl TryFrom<v1::Hello> for Converted<Hello> {
    type Error = Invalid;

    fn try_from(wire: v1::Hello) -> Result<Self, Invalid> {
        within_hello(hello(wire, INTERVAL_MAX))
    }
}

/// A hello that is reported once. What is strange on a stream is not here: its interval may be up to
/// [`INTERVAL_ONCE_MAX`], and it may leave out its incarnation, which is `new_life` then.
///
/// # Errors
///
/// The field that is not as it must be.
pub fn hello_once(mut wire: v1::Hello, new_life: &Incarnation) -> Result<Converted<Hello>, Invalid> {
    if wire.incarnation.is_empty() {
        wire.incarnation = new_life.to_string();
    }
    within_hello(hello(wire, INTERVAL_ONCE_MAX))
}

fn within_hello(converted: Result<Converted<Hello>, Invalid>) -> Result<Converted<Hello>, Invalid> {
    converted
        .map_err(|invalid| invalid.within("hello"))
        .map(|converted| converted.within("hello"))
}

impl TryFrom<v1::Update> for Converted<Update> {
    type Error = Invalid;

    /// The handle is the edge's to look up.
    fn try_from(wire: v1::Update) -> Result<Self, Invalid> {
        update(wire)
            .map_err(|invalid| invalid.within("update"))
            .map(|converted| converted.within("update"))
    }
}

impl<T> Converted<T> {
    fn within(self, path: &str) -> Self {
        let left_out = self
            .left_out
            .into_iter()
            .map(|invalid| invalid.within(path))
            .collect();
        Self {
            value: self.value,
            left_out,
        }
    }
}

fn hello(wire: v1::Hello, longest: Duration) -> Result<Converted<Hello>, Invalid> {
    let service = Name::service(&wire.service).map_err(Invalid::name("service"))?;
    let instance = Name::instance(&wire.instance).map_err(Invalid::name("instance"))?;
    let incarnation = Incarnation::new(&wire.incarnation).map_err(Invalid::name("incarnation"))?;
    let mut left_out = Vec::new();
    let dependencies = dependencies(&service, wire.dependencies, &mut left_out)?;
    let checks = checks(&service, wire.checks)?;
    let signals = signals(wire.signals)?;
    let results = results(wire.results)?;
    let values = values(wire.values, &mut left_out)?;
    let min_healthy = wire.min_healthy.map(Option::<MinHealthy>::try_from).transpose();
    let value = Hello {
        id: InstanceId { service, instance },
        incarnation,
        version: text::checked("version", wire.version, VERSION_BYTES)?,
        interval: interval(wire.interval_ms, longest)?,
        labels: labels(wire.labels)?,
        criticality: strict::<v1::Criticality, _>("criticality", wire.criticality)?,
        dependencies,
        checks,
        signals,
        min_healthy: min_healthy
            .map_err(|invalid| invalid.within("min_healthy"))?
            .flatten(),
        startup_deadline: startup_deadline(wire.startup_deadline_ms)?,
        sequence: wire.sequence,
        results,
        values,
    };
    Ok(Converted { value, left_out })
}

fn update(wire: v1::Update) -> Result<Converted<Update>, Invalid> {
    let mut left_out = Vec::new();
    let results = results(wire.results)?;
    let values = values(wire.values, &mut left_out)?;
    Ok(Converted {
        value: Update {
            sequence: wire.sequence,
            full: wire.full,
            results,
            values,
        },
        left_out,
    })
}

fn interval(ms: u32, longest: Duration) -> Result<Duration, Invalid> {
    match Duration::from_millis(ms.into()) {
        Duration::ZERO => Ok(INTERVAL_DEFAULT),
        interval if (INTERVAL_MIN..=longest).contains(&interval) => Ok(interval),
        _ => {
            let expected = format!("expected {} to {}", INTERVAL_MIN.as_millis(), longest.as_millis());
            Err(Invalid::new(
                "interval_ms",
                format!("is {ms}, {expected}, or 0 for the default"),
            ))
        }
    }
}

fn startup_deadline(ms: u32) -> Result<Duration, Invalid> {
    match Duration::from_millis(ms.into()) {
        Duration::ZERO => Ok(STARTUP_DEADLINE_DEFAULT),
        deadline if deadline <= STARTUP_DEADLINE_MAX => Ok(deadline),
        _ => {
            let most = STARTUP_DEADLINE_MAX.as_millis();
            Err(Invalid::new(
                "startup_deadline_ms",
                format!("is {ms}, expected at most {most}, or 0 for the default"),
            ))
        }
    }
}

/// The keys are not repeated in what is wrong with them: they may hold anything.
fn labels(wire: HashMap<String, String>) -> Result<BTreeMap<String, String>, Invalid> {
    at_most("labels", wire.len(), LABELS)?;
    let label = |(key, value): (String, String)| {
        if key.is_empty() {
            return Err(Invalid::new("labels", "has an empty key, expected none"));
        }
        Ok((
            text::checked("labels.key", key, LABEL_BYTES)?,
            text::checked("labels.value", value, LABEL_BYTES)?,
        ))
    };
    wire.into_iter().map(label).collect()
}

fn dependencies(
    own: &Name,
    wire: Vec<v1::Dependency>,
    left_out: &mut Vec<Invalid>,
) -> Result<Vec<Dependency>, Invalid> {
    at_most("dependencies", wire.len(), DEPENDENCIES)?;
    let all = each("dependencies", wire, Dependency::try_from)?;
    let mut seen = HashSet::new();
    let mut kept = Vec::with_capacity(all.len());
    for (index, dependency) in all.into_iter().enumerate() {
        let field = format!("dependencies[{index}].service");
        if dependency.service == *own {
            left_out.push(Invalid::new(
                field,
                "is the service itself, expected another: left out",
            ));
        } else if !seen.insert((dependency.service.clone(), dependency.any_of.clone())) {
            left_out.push(Invalid::new(
                field,
                "is named twice in its group, expected once: left out",
            ));
        } else {
            kept.push(dependency);
        }
    }
    Ok(kept)
}

fn checks(own: &Name, wire: Vec<v1::CheckDeclaration>) -> Result<Vec<CheckDeclaration>, Invalid> {
    at_most("checks", wire.len(), CHECKS)?;
    let mut checks = each("checks", wire, CheckDeclaration::try_from)?;
    unique("checks", checks.iter().map(|check| &check.name))?;
    for check in &mut checks {
        check.subject.take_if(|subject| subject == own);
    }
    Ok(checks)
}

fn signals(wire: Vec<v1::SignalDeclaration>) -> Result<Vec<SignalDeclaration>, Invalid> {
    at_most("signals", wire.len(), SIGNALS)?;
    let signals = each("signals", wire, SignalDeclaration::try_from)?;
    unique("signals", signals.iter().map(|signal| &signal.name))?;
    Ok(signals)
}

fn results(wire: Vec<v1::CheckResult>) -> Result<Vec<CheckResult>, Invalid> {
    at_most("results", wire.len(), CHECKS)?;
    let results = each("results", wire, CheckResult::try_from)?;
    unique("results", results.iter().map(|result| &result.name))?;
    Ok(results)
}

fn values(wire: Vec<v1::SignalValue>, left_out: &mut Vec<Invalid>) -> Result<Vec<SignalValue>, Invalid> {
    at_most("values", wire.len(), SIGNALS)?;
    let name = |wire: v1::SignalValue| {
        let name = Name::new(&wire.name).map_err(Invalid::name("name"))?;
        Ok(SignalValue {
            name,
            value: wire.value,
        })
    };
    let all = each("values", wire, name)?;
    unique("values", all.iter().map(|value| &value.name))?;
    let mut kept = Vec::with_capacity(all.len());
    for (index, value) in all.into_iter().enumerate() {
        if value.value.is_finite() {
            kept.push(value);
        } else {
            left_out.push(not_finite().within(format_args!("values[{index}]")));
        }
    }
    Ok(kept)
}

fn unique<'a>(field: &str, names: impl Iterator<Item = &'a Name>) -> Result<(), Invalid> {
    let mut seen = HashSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            return Err(Invalid::new(
                format!("{field}[{index}].name"),
                "is there twice, expected once",
            ));
        }
    }
    Ok(())
}

fn not_finite() -> Invalid {
    Invalid::new("value", "is not a finite number, expected one: left out")
}

impl TryFrom<v1::CheckResult> for CheckResult {
    type Error = Invalid;

    fn try_from(wire: v1::CheckResult) -> Result<Self, Invalid> {
        let status = strict::<v1::Status, _>("status", wire.status)?;
        Ok(Self {
            name: Name::new(&wire.name).map_err(Invalid::name("name"))?,
            status: status.ok_or_else(|| Invalid::new("status", "is unspecified, expected a status"))?,
            message: text::message(wire.message),
        })
    }
}

impl From<&CheckResult> for v1::CheckResult {
    fn from(result: &CheckResult) -> Self {
        Self {
            name: result.name.as_str().to_owned(),
            status: v1::Status::from(result.status).into(),
            message: result.message.clone(),
        }
    }
}

impl TryFrom<v1::SignalValue> for SignalValue {
    type Error = Invalid;

    fn try_from(wire: v1::SignalValue) -> Result<Self, Invalid> {
        let name = Name::new(&wire.name).map_err(Invalid::name("name"))?;
        if wire.value.is_finite() {
            Ok(Self {
                name,
                value: wire.value,
            })
        } else {
            Err(not_finite())
        }
    }
}

impl From<&SignalValue> for v1::SignalValue {
    fn from(value: &SignalValue) -> Self {
        Self {
            name: value.name.as_str().to_owned(),
            value: value.value,
        }
    }
}

/// What the model does not hold (periods of checks, the sender's clock, in which trace it was seen) is left out.
impl From<&Hello> for v1::Hello {
    fn from(hello: &Hello) -> Self {
        Self {
            service: hello.id.service.as_str().to_owned(),
            instance: hello.id.instance.as_str().to_owned(),
            incarnation: hello.incarnation.to_string(),
            version: hello.version.clone(),
            interval_ms: millis(hello.interval),
            labels: hello.labels.clone().into_iter().collect(),
            criticality: hello
                .criticality
                .map_or(0, |criticality| v1::Criticality::from(criticality).into()),
            dependencies: hello.dependencies.iter().map(Into::into).collect(),
            checks: hello.checks.iter().map(Into::into).collect(),
            signals: hello.signals.iter().map(Into::into).collect(),
            min_healthy: hello.min_healthy.map(Into::into),
            startup_deadline_ms: millis(hello.startup_deadline),
            sequence: hello.sequence,
            results: hello.results.iter().map(Into::into).collect(),
            values: hello.values.iter().map(Into::into).collect(),
            sent_unix_ms: 0,
            traceparent: String::new(),
        }
    }
}

/// The handle, and in which trace it was seen, which the model does not hold, are left out.
impl From<&Update> for v1::Update {
    fn from(update: &Update) -> Self {
        Self {
            handle: 0,
            sequence: update.sequence,
            full: update.full,
            results: update.results.iter().map(Into::into).collect(),
            values: update.values.iter().map(Into::into).collect(),
            traceparent: String::new(),
        }
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
