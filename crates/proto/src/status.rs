//! Enums and conditions.
//!
//! The generated enums have an UNSPECIFIED that the model has not: as an `Option` it is `None`, and each field's own
//! documentation says what that means there. Numbers that are no enum value are refused from reporters, and read as
//! UNSPECIFIED from servers, which may be newer than this side.

use ward_model::{
    AlertState, CheckKind, Condition, Criticality, DependencyKind, Freshness, Reason, Severity, Status, Wall,
};

use crate::{Invalid, text, v1};

macro_rules! mirrored {
    ($name:ident { $($value:ident),+ }) => {
        impl From<$name> for v1::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$value => Self::$value),+ }
            }
        }

        impl From<v1::$name> for Option<$name> {
            fn from(value: v1::$name) -> Self {
                match value {
                    v1::$name::Unspecified => None,
                    $(v1::$name::$value => Some($name::$value)),+
                }
            }
        }
    };
}

mirrored!(Status {
    Healthy,
    Unknown,
    Degraded,
    Unhealthy
});
mirrored!(Criticality {
    Critical,
    Important,
    Optional
});
mirrored!(DependencyKind { Hard, Soft });
mirrored!(CheckKind { Required, Advisory });
mirrored!(Freshness {
    Fresh,
    Suspect,
    Lost,
    Exited
});
mirrored!(Severity {
    None,
    Info,
    Warning,
    Critical
});
mirrored!(AlertState {
    Pending,
    Suppressed,
    Firing,
    Resolved
});

/// The enum field called `field`, from a reporter: `None` if unspecified, refused if it is no value of the enum.
pub(crate) fn strict<W, M>(field: &str, number: i32) -> Result<Option<M>, Invalid>
where
    W: TryFrom<i32>,
    Option<M>: From<W>,
{
    let refused = |_| {
        Invalid::new(
            field,
            format!("is {number}, expected one of the values of its enum"),
        )
    };
    W::try_from(number).map_err(refused).map(Into::into)
}

/// An enum field from a server: `None` if unspecified or unknown to this side.
pub(crate) fn lenient<W, M>(number: i32) -> Option<M>
where
    W: TryFrom<i32>,
    Option<M>: From<W>,
{
    W::try_from(number).ok().and_then(Into::into)
}

/// A status from a server. One that this side has no word for is no evidence to it.
pub(crate) fn status(number: i32) -> Status {
    lenient::<v1::Status, _>(number).unwrap_or(Status::Unknown)
}

/// The `least_severity` of a request: everything when unspecified.
///
/// # Errors
///
/// The number is no value of `Status`.
pub fn least_severity(number: i32) -> Result<Status, Invalid> {
    strict::<v1::Status, _>("least_severity", number).map(|status| status.unwrap_or(Status::Healthy))
}

impl From<&Condition> for v1::Condition {
    fn from(condition: &Condition) -> Self {
        Self {
            status: v1::Status::from(condition.status).into(),
            reason: condition.reason.as_str().into(),
            message: condition.message.clone(),
            since_unix_ms: condition.since.0,
        }
    }
}

/// A reason this side does not know becomes `Reported`; the message says the rest.
impl From<v1::Condition> for Condition {
    fn from(wire: v1::Condition) -> Self {
        let reason = Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == wire.reason);
        Self {
            status: status(wire.status),
            reason: reason.unwrap_or_default(),
            message: text::clean(wire.message),
            since: Wall(wire.since_unix_ms),
        }
    }
}

pub(crate) fn condition(field: &str, wire: Option<v1::Condition>) -> Result<Condition, Invalid> {
    wire.map(Condition::from).ok_or_else(|| Invalid::missing(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_server_is_understood_as_far_as_can_be() {
        let wire = v1::Condition {
            status: 99,
            reason: "Haunted".into(),
            message: "boo".into(),
            since_unix_ms: 7,
        };
        let condition = Condition::from(wire);
        assert_eq!(
            (condition.status, condition.reason),
            (Status::Unknown, Reason::Reported)
        );
        assert_eq!(condition.message, "boo");
    }

    #[test]
    fn a_request_is_not() {
        assert_eq!(least_severity(0), Ok(Status::Healthy));
        assert_eq!(least_severity(4), Ok(Status::Unhealthy));
        assert!(least_severity(99).is_err());
    }
}
