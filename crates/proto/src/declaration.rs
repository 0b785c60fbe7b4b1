//! What reporters declare: checks, signals, dependencies, how many are wanted.
//!
//! Each type knows only itself. What takes two of them to see (a name declared twice, a dependency on oneself) is for
//! the hello that holds them.

use ward_model::{
    CheckDeclaration, CheckKind, Dependency, DependencyKind, MinHealthy, Name, SignalDeclaration, SignalLevel,
};

use crate::{
    Invalid,
    status::{lenient, strict},
    v1,
};

impl TryFrom<v1::Dependency> for Dependency {
    type Error = Invalid;

    fn try_from(wire: v1::Dependency) -> Result<Self, Invalid> {
        Ok(Self {
            service: Name::service(&wire.service).map_err(Invalid::name("service"))?,
            kind: strict::<v1::DependencyKind, _>("kind", wire.kind)?.unwrap_or_default(),
            any_of: optional_name("any_of", &wire.any_of)?,
        })
    }
}

impl From<&Dependency> for v1::Dependency {
    fn from(dependency: &Dependency) -> Self {
        Self {
            service: dependency.service.as_str().to_owned(),
            kind: v1::DependencyKind::from(dependency.kind).into(),
            any_of: text_of(dependency.any_of.as_ref()),
        }
    }
}

impl TryFrom<v1::CheckDeclaration> for CheckDeclaration {
    type Error = Invalid;

    fn try_from(wire: v1::CheckDeclaration) -> Result<Self, Invalid> {
        let subject = match wire.subject.as_str() {
            "" => None,
            subject => Some(Name::service(subject).map_err(Invalid::name("subject"))?),
        };
        Ok(Self {
            name: Name::new(&wire.name).map_err(Invalid::name("name"))?,
            kind: strict::<v1::CheckKind, _>("kind", wire.kind)?.unwrap_or_default(),
            subject,
        })
    }
}

/// The period, which the model does not hold, is left at 0.
impl From<&CheckDeclaration> for v1::CheckDeclaration {
    fn from(check: &CheckDeclaration) -> Self {
        Self {
            name: check.name.as_str().to_owned(),
            kind: v1::CheckKind::from(check.kind).into(),
            subject: text_of(check.subject.as_ref()),
            period_ms: 0,
        }
    }
}

impl TryFrom<v1::SignalLevel> for SignalLevel {
    type Error = Invalid;

    fn try_from(wire: v1::SignalLevel) -> Result<Self, Invalid> {
        for (field, value) in [("raise", wire.raise), ("clear", wire.clear)] {
            if !value.is_finite() {
                return Err(Invalid::new(field, "is not a finite number, expected one"));
            }
        }
        if wire.clear > wire.raise {
            return Err(Invalid::new("clear", "is above raise, expected at most raise"));
        }
        Ok(Self {
            raise: wire.raise,
            clear: wire.clear,
        })
    }
}

impl From<SignalLevel> for v1::SignalLevel {
    fn from(level: SignalLevel) -> Self {
        Self {
            raise: level.raise,
            clear: level.clear,
        }
    }
}

impl TryFrom<v1::SignalDeclaration> for SignalDeclaration {
    type Error = Invalid;

    fn try_from(wire: v1::SignalDeclaration) -> Result<Self, Invalid> {
        let name = Name::new(&wire.name).map_err(Invalid::name("name"))?;
        let degraded = level("degraded", wire.degraded)?;
        let unhealthy = level("unhealthy", wire.unhealthy)?;
        if let (Some(degraded), Some(unhealthy)) = (degraded, unhealthy)
            && unhealthy.raise < degraded.raise
        {
            return Err(Invalid::new(
                "unhealthy.raise",
                "is below degraded.raise, expected at least that",
            ));
        }
        Ok(Self {
            name,
            degraded,
            unhealthy,
        })
    }
}

impl From<&SignalDeclaration> for v1::SignalDeclaration {
    fn from(signal: &SignalDeclaration) -> Self {
        Self {
            name: signal.name.as_str().to_owned(),
            degraded: signal.degraded.map(Into::into),
            unhealthy: signal.unhealthy.map(Into::into),
        }
    }
}

fn level(field: &str, wire: Option<v1::SignalLevel>) -> Result<Option<SignalLevel>, Invalid> {
    wire.map(SignalLevel::try_from)
        .transpose()
        .map_err(|invalid| invalid.within(field))
}

/// An empty one declares nothing.
impl TryFrom<v1::MinHealthy> for Option<MinHealthy> {
    type Error = Invalid;

    fn try_from(wire: v1::MinHealthy) -> Result<Self, Invalid> {
        use v1::min_healthy::Amount::{Count, Percent};
        match wire.amount {
            None => Ok(None),
            Some(Count(0)) => Err(Invalid::new("count", "is 0, expected at least 1")),
            Some(Count(count)) => Ok(Some(MinHealthy::Count(count))),
            Some(Percent(percent @ 1..=100)) => Ok(Some(MinHealthy::Percent(percent))),
            Some(Percent(percent)) => Err(Invalid::new(
                "percent",
                format!("is {percent}, expected 1 to 100"),
            )),
        }
    }
}

impl From<MinHealthy> for v1::MinHealthy {
    fn from(min: MinHealthy) -> Self {
        use v1::min_healthy::Amount;
        Self {
            amount: Some(match min {
                MinHealthy::Count(count) => Amount::Count(count),
                MinHealthy::Percent(percent) => Amount::Percent(percent),
            }),
        }
    }
}

/// A name that may be left out.
pub(crate) fn optional_name(field: &str, text: &str) -> Result<Option<Name>, Invalid> {
    match text {
        "" => Ok(None),
        text => Name::new(text).map(Some).map_err(Invalid::name(field)),
    }
}

/// The text of a name that may be left out.
pub(crate) fn text_of(name: Option<&Name>) -> String {
    name.map(Name::as_str).unwrap_or_default().to_owned()
}

/// A dependency as a server tells it: kinds it may have learnt since are read as the default.
pub(crate) fn told(wire: v1::Dependency) -> Result<Dependency, Invalid> {
    let kind = lenient::<v1::DependencyKind, DependencyKind>(wire.kind).unwrap_or_default();
    Dependency::try_from(v1::Dependency {
        kind: v1::DependencyKind::from(kind).into(),
        ..wire
    })
}

/// A check's kind as a server tells it.
pub(crate) fn told_kind(number: i32) -> CheckKind {
    lenient::<v1::CheckKind, _>(number).unwrap_or_default()
}
