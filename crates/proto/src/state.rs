//! States: from the model for servers, to the model for clients.
//!
//! A client takes what a newer server says as far as it has words for it; what it cannot do without (a name, a
//! condition) is an error. Text is cleaned on the way in: a client shows it on a terminal.

use ward_model::{
    AuditHead, CheckState, Criticality, Freshness, Incarnation, InstanceCounts, InstanceId, InstanceState,
    Maintenance, Name, ObserverState, ServiceCounts, ServiceState, SignalLevel, SignalState, SystemState,
    Wall,
};

use crate::{
    Invalid,
    declaration::{optional_name, text_of, told, told_kind},
    invalid::each,
    status::{condition, lenient, status},
    text, v1,
};

impl From<&CheckState> for v1::CheckState {
    fn from(check: &CheckState) -> Self {
        Self {
            name: check.name.as_str().to_owned(),
            kind: v1::CheckKind::from(check.kind).into(),
            subject: text_of(check.subject.as_ref()),
            condition: Some((&check.condition).into()),
            flapping: check.flapping,
        }
    }
}

impl TryFrom<v1::CheckState> for CheckState {
    type Error = Invalid;

    fn try_from(wire: v1::CheckState) -> Result<Self, Invalid> {
        Ok(Self {
            name: name("name", &wire.name)?,
            kind: told_kind(wire.kind),
            subject: optional_name("subject", &wire.subject)?,
            condition: condition("condition", wire.condition)?,
            flapping: wire.flapping,
        })
    }
}

impl From<&SignalState> for v1::SignalState {
    fn from(signal: &SignalState) -> Self {
        Self {
            name: signal.name.as_str().to_owned(),
            value: signal.value,
            status: v1::Status::from(signal.status).into(),
            degraded: signal.degraded.map(Into::into),
            unhealthy: signal.unhealthy.map(Into::into),
        }
    }
}

impl TryFrom<v1::SignalState> for SignalState {
    type Error = Invalid;

    fn try_from(wire: v1::SignalState) -> Result<Self, Invalid> {
        let level = |level: v1::SignalLevel| SignalLevel {
            raise: level.raise,
            clear: level.clear,
        };
        Ok(Self {
            name: name("name", &wire.name)?,
            value: wire.value,
            status: status(wire.status),
            degraded: wire.degraded.map(level),
            unhealthy: wire.unhealthy.map(level),
        })
    }
}

impl From<&InstanceState> for v1::InstanceState {
    fn from(instance: &InstanceState) -> Self {
        Self {
            service: instance.id.service.as_str().to_owned(),
            instance: instance.id.instance.as_str().to_owned(),
            incarnation: instance.incarnation.to_string(),
            version: instance.version.clone(),
            labels: instance.labels.clone().into_iter().collect(),
            interval_ms: instance.interval_ms,
            condition: Some((&instance.condition).into()),
            last_status: instance
                .last_status
                .map_or(0, |status| v1::Status::from(status).into()),
            freshness: v1::Freshness::from(instance.freshness).into(),
            flapping: instance.flapping,
            checks: instance.checks.iter().map(Into::into).collect(),
            signals: instance.signals.iter().map(Into::into).collect(),
            started_unix_ms: instance.started.0,
        }
    }
}

impl TryFrom<v1::InstanceState> for InstanceState {
    type Error = Invalid;

    fn try_from(wire: v1::InstanceState) -> Result<Self, Invalid> {
        let label = |(key, value)| (text::clean(key), text::clean(value));
        Ok(Self {
            id: InstanceId {
                service: name("service", &wire.service)?,
                instance: name("instance", &wire.instance)?,
            },
            incarnation: Incarnation::new(&wire.incarnation).map_err(Invalid::name("incarnation"))?,
            version: text::clean(wire.version),
            labels: wire.labels.into_iter().map(label).collect(),
            interval_ms: wire.interval_ms,
            condition: condition("condition", wire.condition)?,
            last_status: lenient::<v1::Status, _>(wire.last_status),
            freshness: lenient::<v1::Freshness, _>(wire.freshness).unwrap_or(Freshness::Suspect),
            flapping: wire.flapping,
            checks: each("checks", wire.checks, CheckState::try_from)?,
            signals: each("signals", wire.signals, SignalState::try_from)?,
            started: Wall(wire.started_unix_ms),
        })
    }
}

impl From<&Maintenance> for v1::Maintenance {
    fn from(maintenance: &Maintenance) -> Self {
        Self {
            service: maintenance.service.as_str().to_owned(),
            by: maintenance.by.clone(),
            why: maintenance.why.clone(),
            start_unix_ms: maintenance.start.0,
            end_unix_ms: maintenance.end.map_or(0, |end| end.0),
        }
    }
}

impl TryFrom<v1::Maintenance> for Maintenance {
    type Error = Invalid;

    fn try_from(wire: v1::Maintenance) -> Result<Self, Invalid> {
        Ok(Self {
            service: name("service", &wire.service)?,
            by: text::clean(wire.by),
            why: text::clean(wire.why),
            start: Wall(wire.start_unix_ms),
            end: wall(wire.end_unix_ms),
        })
    }
}

impl From<&ServiceState> for v1::ServiceState {
    fn from(service: &ServiceState) -> Self {
        Self {
            name: service.name.as_str().to_owned(),
            own: Some((&service.own).into()),
            condition: Some((&service.condition).into()),
            causes: texts(&service.causes),
            criticality: v1::Criticality::from(service.criticality).into(),
            dependencies: service.dependencies.iter().map(Into::into).collect(),
            instances: Some(service.instances.into()),
            min_healthy: service.min_healthy,
            maintenance: service.maintenance.as_ref().map(Into::into),
            reported: service.reported,
            disagreements: service.disagreements.clone(),
            up_since_unix_ms: service.up_since.map_or(0, |since| since.0),
            last_status: service
                .last_status
                .map_or(0, |status| v1::Status::from(status).into()),
        }
    }
}

impl TryFrom<v1::ServiceState> for ServiceState {
    type Error = Invalid;

    fn try_from(wire: v1::ServiceState) -> Result<Self, Invalid> {
        let maintenance = wire.maintenance.map(Maintenance::try_from).transpose();
        Ok(Self {
            name: name("name", &wire.name)?,
            own: condition("own", wire.own)?,
            condition: condition("condition", wire.condition)?,
            causes: names("causes", &wire.causes)?,
            criticality: lenient::<v1::Criticality, Criticality>(wire.criticality).unwrap_or_default(),
            dependencies: each("dependencies", wire.dependencies, told)?,
            instances: wire.instances.unwrap_or_default().into(),
            min_healthy: wire.min_healthy,
            maintenance: maintenance.map_err(|invalid| invalid.within("maintenance"))?,
            reported: wire.reported,
            disagreements: wire.disagreements.into_iter().map(text::clean).collect(),
            up_since: wall(wire.up_since_unix_ms),
            last_status: lenient::<v1::Status, _>(wire.last_status),
        })
    }
}

impl From<&SystemState> for v1::SystemState {
    fn from(system: &SystemState) -> Self {
        Self {
            condition: Some((&system.condition).into()),
            causes: texts(&system.causes),
            observer: Some(system.observer.into()),
            services: Some(system.services.into()),
            critical_unknown: texts(&system.critical_unknown),
        }
    }
}

impl TryFrom<v1::SystemState> for SystemState {
    type Error = Invalid;

    fn try_from(wire: v1::SystemState) -> Result<Self, Invalid> {
        Ok(Self {
            condition: condition("condition", wire.condition)?,
            causes: names("causes", &wire.causes)?,
            observer: wire.observer.unwrap_or_default().into(),
            services: wire.services.unwrap_or_default().into(),
            critical_unknown: names("critical_unknown", &wire.critical_unknown)?,
        })
    }
}

/// Both directions of a struct of plain numbers.
macro_rules! counted {
    ($name:ident { $($field:ident),+ }) => {
        impl From<$name> for v1::$name {
            fn from(counts: $name) -> Self {
                let $name { $($field),+ } = counts;
                Self { $($field),+ }
            }
        }

        impl From<v1::$name> for $name {
            fn from(wire: v1::$name) -> Self {
                let v1::$name { $($field),+ } = wire;
                Self { $($field),+ }
            }
        }
    };
}

counted!(InstanceCounts {
    total,
    healthy,
    unknown,
    degraded,
    unhealthy,
    suspect,
    lost
});
counted!(ServiceCounts {
    total,
    healthy,
    unknown,
    degraded,
    unhealthy
});

impl From<ObserverState> for v1::ObserverState {
    fn from(observer: ObserverState) -> Self {
        let ObserverState {
            score,
            degraded_view,
            blind,
            settling,
        } = observer;
        Self {
            score: score.into(),
            degraded_view,
            blind,
            settling,
        }
    }
}

impl From<v1::ObserverState> for ObserverState {
    fn from(wire: v1::ObserverState) -> Self {
        let v1::ObserverState {
            score,
            degraded_view,
            blind,
            settling,
        } = wire;
        Self {
            score: u8::try_from(score).unwrap_or(u8::MAX),
            degraded_view,
            blind,
            settling,
        }
    }
}

impl From<&AuditHead> for v1::AuditHead {
    fn from(head: &AuditHead) -> Self {
        Self {
            origin: head.origin.clone(),
            size: head.size,
            root: head.root.to_vec(),
        }
    }
}

impl TryFrom<v1::AuditHead> for AuditHead {
    type Error = Invalid;

    fn try_from(wire: v1::AuditHead) -> Result<Self, Invalid> {
        let v1::AuditHead { origin, size, root } = wire;
        let root = root.try_into().map_err(|root: Vec<u8>| {
            Invalid::new("audit.root", format!("has {} bytes, expected 32", root.len()))
        })?;
        Ok(Self { origin, size, root })
    }
}

/// A name that a server told.
pub(crate) fn name(field: &str, text: &str) -> Result<Name, Invalid> {
    Name::new(text).map_err(Invalid::name(field))
}

pub(crate) fn names(field: &str, texts: &[String]) -> Result<Vec<Name>, Invalid> {
    let name = |(index, text): (usize, &String)| {
        Name::new(text).map_err(Invalid::name(format_args!("{field}[{index}]")))
    };
    texts.iter().enumerate().map(name).collect()
}

pub(crate) fn texts(names: &[Name]) -> Vec<String> {
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

pub(crate) fn wall(unix_ms: i64) -> Option<Wall> {
    (unix_ms != 0).then_some(Wall(unix_ms))
}
