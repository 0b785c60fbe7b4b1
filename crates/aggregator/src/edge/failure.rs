//! Why something that was asked for is not done: one type for all edges.
//!
//! gRPC tells it as a status with `google.rpc` details, HTTP as `application/problem+json`; both show the same word for
//! programs ([`Failure::word`]) and the same sentence for people. A type for each edge was not taken: they would come
//! to disagree about what is a conflict and what may be tried again.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use ward_engine::Refusal;
use ward_model::Name;
use ward_proto::Invalid;

use crate::{access::Missing, decider::Unavailable, memory::NotRecorded};

/// Where the words of [`Failure::word`] mean what they mean.
const DOMAIN: &str = "ward";
/// A restart takes about this long, and so does a moment of too much.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// There are as many services or instances as there may be. Room comes when lost ones are forgotten, which takes minutes:
/// often enough to find it, too seldom to be a load.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(60);

/// What is in the way.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Failure {
    /// Fields are not as they must be.
    Invalid(Vec<Invalid>),
    /// Nobody has ever spoken of such a service.
    NoService(Name),
    /// There is no such event in the audit log; the sentence says which.
    NoEvent(String),
    /// Things are not so that it could be done: a word for programs, and a sentence for people.
    Unfit(&'static str, String),
    /// The engine does not take it.
    Refused(Refusal),
    /// Nobody has proved who they are, and that is needed.
    Unauthenticated(String),
    /// They have, and may not.
    Denied(Missing),
    /// A bound is reached; the sentence says which.
    Exhausted(String),
    /// The client asks more often than it may, and may again after so long.
    TooOften(&'static str, Duration),
    /// This process is on its way out, or the decision failed.
    Unavailable(String),
    /// A mistake on this side.
    Internal(&'static str),
}

impl Failure {
    /// The word for programs: upper case, as `google.rpc.ErrorInfo` wants it. It stays as it is from release to release.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_FIELD",
            Self::NoService(_) => "NO_SUCH_SERVICE",
            Self::NoEvent(_) => "NO_SUCH_EVENT",
            Self::Unfit(word, _) => word,
            Self::Refused(refusal) => match refusal {
                Refusal::AlreadyExists(_) => "ALREADY_EXISTS",
                Refusal::Superseded(_) => "SUPERSEDED",
                Refusal::Forgotten => "FORGOTTEN",
                Refusal::Replayed { .. } => "REPLAYED",
                Refusal::TooManyServices(_) => "TOO_MANY_SERVICES",
                Refusal::TooManyInstances(_) | Refusal::TooManyOfService(..) => "TOO_MANY_INSTANCES",
                Refusal::NoService(_) => "NO_SUCH_SERVICE",
                Refusal::NoInstance(_) => "NO_SUCH_INSTANCE",
                Refusal::Alive(_) => "STILL_ALIVE",
                Refusal::NotInMaintenance(_) => "NOT_IN_MAINTENANCE",
                Refusal::EmptyWindow(_) => "EMPTY_WINDOW",
            },
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Denied(_) => "PERMISSION_DENIED",
            Self::Exhausted(_) | Self::TooOften(..) => "EXHAUSTED",
            Self::Unavailable(_) => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// The sentence for people.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Invalid(fields) => match fields.as_slice() {
                [] => "the request is not as it must be".to_owned(),
                [first] => first.to_string(),
                [first, rest @ ..] => format!("{first}; and {} more", rest.len()),
            },
            Self::NoService(name) => format!("no service named {name}: list them with ward status"),
            Self::Refused(refusal) => refusal.to_string(),
            Self::Denied(missing) => missing.to_string(),
            Self::NoEvent(message)
            | Self::Unfit(_, message)
            | Self::Unauthenticated(message)
            | Self::Exhausted(message)
            | Self::Unavailable(message) => message.clone(),
            Self::TooOften(message, _) | Self::Internal(message) => (*message).to_owned(),
        }
    }

    /// The fields that are to be mended.
    pub(super) fn fields(&self) -> &[Invalid] {
        match self {
            Self::Invalid(fields) => fields,
            _ => &[],
        }
    }

    /// When it may go better; `None` where the same request will fail again.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooOften(_, after) => Some(*after),
            Self::Refused(
                Refusal::TooManyServices(_) | Refusal::TooManyInstances(_) | Refusal::TooManyOfService(..),
            ) => Some(RETRY_WHEN_FULL),
            Self::Exhausted(_) | Self::Unavailable(_) => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// Its code in gRPC.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidArgument,
            Self::NoService(_) | Self::NoEvent(_) => Code::NotFound,
            Self::Unfit(..) => Code::FailedPrecondition,
            Self::Refused(refusal) => match refusal {
                Refusal::AlreadyExists(_) => Code::AlreadyExists,
                Refusal::Superseded(_)
                | Refusal::Forgotten
                | Refusal::Replayed { .. }
                | Refusal::Alive(_)
                | Refusal::NotInMaintenance(_) => Code::FailedPrecondition,
                Refusal::TooManyServices(_)
                | Refusal::TooManyInstances(_)
                | Refusal::TooManyOfService(..) => Code::ResourceExhausted,
                Refusal::NoService(_) | Refusal::NoInstance(_) => Code::NotFound,
                Refusal::EmptyWindow(_) => Code::InvalidArgument,
            },
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::Denied(_) => Code::PermissionDenied,
            Self::Exhausted(_) | Self::TooOften(..) => Code::ResourceExhausted,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// What is not there: its kind and its name.
    fn missing(&self) -> Option<(&'static str, String)> {
        match self {
            Self::NoService(name) | Self::Refused(Refusal::NoService(name)) => {
                Some(("service", name.to_string()))
            }
            Self::Refused(Refusal::NoInstance(id)) => Some(("instance", id.to_string())),
            _ => None,
        }
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable.to_string())
    }
}

impl From<NotRecorded> for Failure {
    fn from(error: NotRecorded) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        Self::Denied(missing)
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NoService(name) => Self::NoService(name.clone()),
            refusal => Self::Refused(refusal.clone()),
        }
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(failure.word(), DOMAIN, HashMap::new());
        if !failure.fields().is_empty() {
            let violation = |field: &Invalid| FieldViolation::new(field.field.clone(), field.message.clone());
            details.set_bad_request(failure.fields().iter().map(violation).collect::<Vec<_>>());
        }
        if let Some(after) = failure.retry_after() {
            details.set_retry_info(Some(after));
        }
        if let Some((kind, name)) = failure.missing() {
            details.set_resource_info(kind, name, "", failure.message());
        }
        Self::with_error_details(failure.code(), failure.message(), details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_it_to_programs_too() {
        let wrong = Failure::from(Invalid::new("hello.service", "is empty"));
        let status = Status::from(wrong);
        assert_eq!(
            (status.code(), status.message()),
            (Code::InvalidArgument, "hello.service is empty")
        );
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("INVALID_FIELD", "ward")
        );
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            "hello.service"
        );
        assert!(details.retry_info().is_none(), "the same request fails again");

        let full = Status::from(Failure::Exhausted("10,000 watch already".into()));
        assert_eq!(full.code(), Code::ResourceExhausted);
        let retry = full.get_error_details().retry_info().unwrap().retry_delay;
        assert_eq!(retry, Some(RETRY_AFTER));

        for refusal in [Refusal::TooManyServices(10_001), Refusal::TooManyInstances(2)] {
            let full = Status::from(Failure::from(&refusal));
            assert_eq!(full.code(), Code::ResourceExhausted);
            let retry = full.get_error_details().retry_info().cloned().unwrap();
            assert_eq!(retry.retry_delay, Some(RETRY_WHEN_FULL));
        }

        let gone = Status::from(Failure::from(&Refusal::NoService(Name::new("bank").unwrap())));
        let details = gone.get_error_details();
        let resource = details.resource_info().unwrap();
        assert_eq!(
            (resource.resource_type.as_str(), resource.resource_name.as_str()),
            ("service", "bank")
        );
    }
}
