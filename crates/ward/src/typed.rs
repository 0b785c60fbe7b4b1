//! What is typed in more than one command: how it is read, and what is said when it cannot be.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ward_model::{Name, Status};

/// The name of a service.
pub(crate) fn service(text: &str) -> Result<Name, String> {
    Name::service(text).map_err(|invalid| format!("a service's name {invalid}"))
}

/// A status, by its word.
pub(crate) fn status() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(Status::ALL.map(Status::as_str)).map(|text| {
        let found = Status::ALL.into_iter().find(|status| status.as_str() == text);
        found.expect("one of the possible values")
    })
}
