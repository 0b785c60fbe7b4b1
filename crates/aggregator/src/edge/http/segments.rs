//! Segments of the path, whose mistakes are problems like all others.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// What stands in the place of `{...}` in a path.
#[derive(Debug)]
pub(super) struct Segments<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            // All are text, so that it is not UTF-8 is all that can be wrong.
            Err(_) => Err(Problem::parameter("path", "is not percent-encoded UTF-8")),
        }
    }
}
