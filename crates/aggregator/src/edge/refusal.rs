//! What is said when something is not taken: a code for programs, a sentence for people, a count for us.

use tonic::Status;
use ward_engine::Refusal;
use ward_proto::{Invalid, v1::RejectionCode};

use super::{Edge, client::Full, failure::Failure};
use crate::decider::Unavailable;

/// The label of a code in `ward_rejections_total`.
pub(super) fn label(code: RejectionCode) -> &'static str {
    match code {
        RejectionCode::Unspecified => "unspecified",
        RejectionCode::Invalid => "invalid",
        RejectionCode::AlreadyExists => "already_exists",
        RejectionCode::Superseded => "superseded",
        RejectionCode::UnknownHandle => "unknown_handle",
        RejectionCode::Replayed => "replayed",
        RejectionCode::Exhausted => "exhausted",
        RejectionCode::Forgotten => "forgotten",
        RejectionCode::Denied => "denied",
    }
}

/// How a refusal reads within a stream.
pub(super) fn code(refusal: &Refusal) -> RejectionCode {
    match refusal {
        Refusal::AlreadyExists(_) => RejectionCode::AlreadyExists,
        Refusal::Superseded(_) => RejectionCode::Superseded,
        Refusal::Forgotten => RejectionCode::Forgotten,
        Refusal::Replayed { .. } => RejectionCode::Replayed,
        Refusal::TooManyServices(_) | Refusal::TooManyInstances(_) | Refusal::TooManyOfService(..) => {
            RejectionCode::Exhausted
        }
        Refusal::NoService(_)
        | Refusal::NoInstance(_)
        | Refusal::Alive(_)
        | Refusal::NotInMaintenance(_)
        | Refusal::EmptyWindow(_) => RejectionCode::Invalid,
    }
}

/// Counts a refusal for want of room for all: in `ward_refused_total`, beside the bounds of one client.
pub(super) fn count(edge: &Edge, refusal: &Refusal) {
    match refusal {
        Refusal::TooManyServices(_) => edge.metrics.count_bound("services"),
        Refusal::TooManyInstances(_) => edge.metrics.count_bound("instances"),
        Refusal::TooManyOfService(..) => edge.metrics.count_bound("instances_of_service"),
        _ => {}
    }
}

/// A field is not as it must be.
pub(super) fn invalid(invalid: Invalid) -> Status {
    Failure::from(invalid).into()
}

/// There is no more of it for this client, or for anybody.
pub(super) fn full(edge: &Edge, full: Full) -> Failure {
    edge.metrics.count_bound(full.label());
    Failure::Exhausted(full.to_string())
}

impl From<Unavailable> for Status {
    fn from(unavailable: Unavailable) -> Self {
        Failure::from(unavailable).into()
    }
}
