//! What is said when a request is not answered as asked: `application/problem+json` (RFC 9457).
//!
//! What was sent is not repeated: it may be anything. Beside the members of the RFC there are `code`, the word for
//! programs that gRPC tells as well; `errors`, one for each field that is to be mended, by its JSON pointer or the name
//! of its parameter; and `retry_after_seconds`, the same as the header `Retry-After`. A page for each type of problem
//! was not made: `type` is `about:blank`, which says that `title` and `status` mean what HTTP says, and `code` tells
//! them apart.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use ward_proto::Invalid;

use crate::edge::failure::Failure;

/// The media type.
pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// An answer that is not what was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "about:blank", "title": "Not Found", "status": 404, "code": "NO_SUCH_SERVICE",
    "detail": "no service named paymnets: did you mean payments? GET /api/v1/services lists them",
}))]
pub(super) struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// What the status code means.
    title: &'static str,
    /// The status code.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong here, and what to do.
    detail: String,
    /// The same for programs, such as `NO_SUCH_SERVICE`. Stays as it is from release to release.
    #[schema(pattern = "^[A-Z][A-Z_]*$")]
    code: &'static str,
    /// The fields and parameters that are to be mended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// When it may go better. Left out where the same request will fail again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_seconds: Option<u64>,
}

/// One field or parameter that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// Where in the body: a JSON pointer (RFC 6901), such as `/results/0/status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pointer: Option<String>,
    /// Or which parameter of the path or query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parameter: Option<String>,
    /// What is wrong with it and what was expected.
    detail: String,
}

impl FieldError {
    /// Something in the body.
    pub(super) fn body(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: Some(pointer.into()),
            parameter: None,
            detail: detail.into(),
        }
    }

    /// A parameter of the path or query.
    pub(super) fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: None,
            parameter: Some(name.into()),
            detail: detail.into(),
        }
    }

    fn sentence(&self) -> String {
        let place = self.pointer.as_deref().or(self.parameter.as_deref());
        match place {
            Some("") | None => format!("the body {}", self.detail),
            Some(place) => format!("{place} {}", self.detail),
        }
    }
}

impl Problem {
    /// With the status's own title.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// Fields that are to be mended; at least one.
    pub(super) fn fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [] => "the request is not as it must be".to_owned(),
            [first] => first.sentence(),
            [first, rest @ ..] => format!("{}; and {} more", first.sentence(), rest.len()),
        };
        Self {
            errors,
            ..Self::new(StatusCode::BAD_REQUEST, "INVALID_FIELD", detail)
        }
    }

    /// A parameter is not as it must be.
    pub(super) fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError::parameter(name, detail)])
    }

    /// A failure whose fields are members of the body; `prefix` is what the wire calls the body itself.
    pub(super) fn in_body(failure: &Failure, prefix: &str) -> Self {
        let pointer = |field: &Invalid| FieldError::body(pointer(&field.field, prefix), &*field.message);
        Self::of(failure, pointer)
    }

    fn of(failure: &Failure, error: impl Fn(&Invalid) -> FieldError) -> Self {
        if let Failure::Invalid(fields) = failure {
            return Self::fields(fields.iter().map(error).collect());
        }
        let mut problem = Self::new(status(failure), failure.word(), failure.message());
        problem.retry_after_seconds = failure.retry_after().map(seconds);
        problem
    }

    /// It may go better after so long.
    pub(super) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after_seconds = Some(seconds(after));
        self
    }

    /// The same, with another sentence.
    pub(super) fn saying(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }
}

/// Whole seconds, and at least one: 0 would ask for a storm.
fn seconds(after: Duration) -> u64 {
    after
        .as_millis()
        .div_ceil(1_000)
        .try_into()
        .unwrap_or(u64::MAX)
        .max(1)
}

/// The fields of a failure are taken for parameters.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::of(&failure, |field| {
            FieldError::parameter(&*field.field, &*field.message)
        })
    }
}

fn status(failure: &Failure) -> StatusCode {
    use tonic::Code;
    match failure.code() {
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::FailedPrecondition => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// `hello.results[0].status` as `/results/0/status`.
pub(super) fn pointer(field: &str, prefix: &str) -> String {
    let inner = field.strip_prefix(prefix).unwrap_or(field);
    let mut pointer = String::with_capacity(inner.len() + 1);
    for part in inner.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        pointer.push('/');
        pointer.push_str(part);
    }
    pointer
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.retry_after_seconds;
        let unproven = status == StatusCode::UNAUTHORIZED;
        let mut response = (status, Json(self)).into_response();
        let all = response.headers_mut();
        all.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if unproven {
            all.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry {
            all.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_wire_are_pointers_into_the_body() {
        assert_eq!(pointer("hello.results[0].status", "hello."), "/results/0/status");
        assert_eq!(pointer("service", "hello."), "/service");
        assert_eq!(pointer("", "hello."), "");
    }

    #[test]
    fn what_may_be_tried_again_says_when() {
        let full = Problem::from(Failure::Exhausted("full".into())).into_response();
        assert_eq!(full.status(), 429);
        assert_eq!(full.headers()[header::RETRY_AFTER], "1");
        let twice = Problem::new(StatusCode::CONFLICT, "SUPERSEDED", "no").into_response();
        assert!(!twice.headers().contains_key(header::RETRY_AFTER));
        assert_eq!(seconds(Duration::from_millis(1_001)), 2);
        assert_eq!(seconds(Duration::ZERO), 1);
    }
}
