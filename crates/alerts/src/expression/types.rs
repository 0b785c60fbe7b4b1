//! What there is to name in an expression, and of which type it is.
//!
//! CEL itself finds a wrong type when it evaluates, which would be at night. The types here are finer than those of CEL:
//! a status is no reason, and either has few words.

use std::fmt;

use ward_model::{Criticality, Name, Reason, Status};

/// What an expression is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Each service.
    Service,
    /// The system.
    System,
}

/// Of which type a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// A single one.
    One(Scalar),
    /// A list.
    Many(Scalar),
    /// Signals, by name.
    Signals,
    /// Several variables under one name, which is no value itself.
    Group,
}

/// Of which type a single value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Bool,
    Int,
    Double,
    Text(Words),
}

/// What a text may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    Any,
    Status,
    Reason,
    Criticality,
    Service,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(Scalar::Bool) => "a bool",
            Self::One(Scalar::Int) => "an int",
            Self::One(Scalar::Double) => "a double",
            Self::One(Scalar::Text(words)) => words.as_str(),
            Self::Many(_) => "a list",
            Self::Signals => "all signals",
            Self::Group => "a group",
        })
    }
}

impl Words {
    /// What a text of these is.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Any => "a string",
            Self::Status => "a status",
            Self::Reason => "a reason",
            Self::Criticality => "a criticality",
            Self::Service => "the name of a service",
        }
    }

    /// All of them; none where any text is one, or too many are.
    pub(super) fn all(self) -> Vec<&'static str> {
        match self {
            Self::Status => Status::ALL.map(Status::as_str).into(),
            Self::Reason => Reason::ALL.map(Reason::as_str).into(),
            Self::Criticality => Criticality::ALL.map(Criticality::as_str).into(),
            Self::Any | Self::Service => Vec::new(),
        }
    }

    /// Whether a text can be one.
    pub(super) fn has(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Service => Name::service(text).is_ok(),
            words => words.all().contains(&text),
        }
    }
}

/// A variable: its name, its type, and whether it is not known while the status is Unknown.
type Variable = (&'static str, Type, bool);

const INT: Type = Type::One(Scalar::Int);
const BOOL: Type = Type::One(Scalar::Bool);
const DOUBLE: Type = Type::One(Scalar::Double);
const CAUSES: Type = Type::Many(Scalar::Text(Words::Service));

const fn text(words: Words) -> Type {
    Type::One(Scalar::Text(words))
}

const SERVICE: &[Variable] = &[
    ("service", text(Words::Service), false),
    ("status", text(Words::Status), true),
    ("own", text(Words::Status), true),
    ("reason", text(Words::Reason), true),
    ("message", text(Words::Any), true),
    ("since_seconds", DOUBLE, true),
    ("criticality", text(Words::Criticality), false),
    ("causes", CAUSES, true),
    ("maintenance", BOOL, false),
    ("min_healthy", INT, false),
    ("instances.total", INT, true),
    ("instances.healthy", INT, true),
    ("instances.unknown", INT, true),
    ("instances.degraded", INT, true),
    ("instances.unhealthy", INT, true),
    ("instances.suspect", INT, true),
    ("instances.lost", INT, true),
    ("dependencies.suspect", INT, false),
    ("signals", Type::Signals, false),
];

const SYSTEM: &[Variable] = &[
    ("status", text(Words::Status), true),
    ("reason", text(Words::Reason), true),
    ("message", text(Words::Any), true),
    ("since_seconds", DOUBLE, true),
    ("causes", CAUSES, true),
    ("services.total", INT, false),
    ("services.healthy", INT, false),
    ("services.unknown", INT, false),
    ("services.degraded", INT, false),
    ("services.unhealthy", INT, false),
    ("observer.score", INT, false),
    ("observer.degraded_view", BOOL, false),
    ("observer.blind", BOOL, false),
    ("observer.settling", BOOL, false),
];

impl About {
    /// All that has a name, groups by those of their members.
    pub(super) fn variables(self) -> &'static [Variable] {
        match self {
            Self::Service => SERVICE,
            Self::System => SYSTEM,
        }
    }

    /// The type of a variable or group, and whether it is not known while the status is Unknown.
    pub(super) fn find(self, name: &str) -> Option<(Type, bool)> {
        let variables = self.variables();
        let found = variables.iter().find(|(known, ..)| *known == name);
        let variable = found.map(|(_, is, status)| (*is, *status));
        variable.or_else(|| self.members(name).next().map(|_| (Type::Group, false)))
    }

    /// What other rules are about.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Service => Self::System,
            Self::System => Self::Service,
        }
    }

    /// The variables of a group.
    pub(super) fn members(self, group: &str) -> impl Iterator<Item = &'static str> {
        let of_group = move |name: &&str| name.split_once('.').is_some_and(|(of, _)| of == group);
        self.variables().iter().map(|(name, ..)| *name).filter(of_group)
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "a service",
            Self::System => "the system",
        })
    }
}
