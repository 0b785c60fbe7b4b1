//! What is said when something is not taken: a code for programs, a sentence for people, a count for us.

use tonic::Status;
use ward_engine::Refusal;
use ward_proto::{Invalid, v1::RejectionCode};

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
    }
}

/// How a refusal reads within a stream.
pub(super) fn code(refusal: &Refusal) -> RejectionCode {
    match refusal {
        Refusal::AlreadyExists(_) => RejectionCode::AlreadyExists,
        Refusal::Superseded(_) => RejectionCode::Superseded,
        Refusal::Forgotten => RejectionCode::Forgotten,
        Refusal::Replayed { .. } => RejectionCode::Replayed,
        Refusal::TooManyServices(_) | Refusal::TooManyInstances(_) => RejectionCode::Exhausted,
        Refusal::NoService(_)
        | Refusal::NoInstance(_)
        | Refusal::Alive(_)
        | Refusal::NotInMaintenance(_)
        | Refusal::EmptyWindow(_) => RejectionCode::Invalid,
    }
}

/// How a refusal reads as the answer to a call.
pub(super) fn status(refusal: &Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::AlreadyExists(_) => Status::already_exists(message),
        Refusal::Superseded(_)
        | Refusal::Forgotten
        | Refusal::Replayed { .. }
        | Refusal::Alive(_)
        | Refusal::NotInMaintenance(_) => Status::failed_precondition(message),
        Refusal::TooManyServices(_) | Refusal::TooManyInstances(_) => Status::resource_exhausted(message),
        Refusal::NoService(_) | Refusal::NoInstance(_) => Status::not_found(message),
        Refusal::EmptyWindow(_) => Status::invalid_argument(message),
    }
}

/// A field is not as it must be.
pub(super) fn invalid(invalid: Invalid) -> Status {
    Status::invalid_argument(invalid.to_string())
}

impl From<Unavailable> for Status {
    fn from(unavailable: Unavailable) -> Self {
        Self::unavailable(unavailable.to_string())
    }
}
