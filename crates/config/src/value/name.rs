//! Names of services, signals and groups.

use serde_json::{Value as Json, json};
use ward_model::{InvalidName, Name};

use super::{Text, Wrong};
use crate::mistake::escaped;

/// What is wrong with a name. One that differs by case alone is shown as it must be.
fn invalid(text: &str, invalid: InvalidName, as_name: impl Fn(&str) -> Result<Name, InvalidName>) -> Wrong {
    let lower = text.to_lowercase().replace(['_', ' '], "-");
    let help = match invalid {
        InvalidName::Reserved => {
            let reserved = Name::RESERVED.join(", ");
            Some(format!(
                "{reserved} are names of grpc.health.v1 for the aggregator itself"
            ))
        }
        _ => as_name(&lower)
            .ok()
            .filter(|_| lower != text)
            .map(|name| format!("write `{name}`")),
    };
    let message = match invalid {
        InvalidName::Character(c, at) => format!("has '{}' at byte {at}", escaped(&c.to_string())),
        InvalidName::Underscore(at) => format!("has '_' at byte {at}"),
        InvalidName::TooLong(bytes) => format!("has {bytes} bytes"),
        InvalidName::Empty => "is empty".into(),
        InvalidName::Reserved => "is reserved".into(),
        InvalidName::Incarnation => "is no name".into(),
    };
    Wrong { message, help }
}

/// The name of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServiceName(pub(crate) Name);

impl Text for ServiceName {
    const EXPECTED: &'static str =
        "the name of a service: 1 to 63 of a-z, 0-9, '.' and '-', and none that is reserved";

    fn parse(text: &str) -> Result<Self, Wrong> {
        Name::service(text)
            .map(Self)
            .map_err(|why| invalid(text, why, Name::service))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[a-z0-9.-]{1,63}$", "not": { "enum": Name::RESERVED } })
    }
}

/// The name of a signal, or of a group of dependencies.
impl Text for Name {
    const EXPECTED: &'static str = "a name: 1 to 63 of a-z, 0-9, '.', '-' and '_'";

    fn parse(text: &str) -> Result<Self, Wrong> {
        Self::new(text).map_err(|why| invalid(text, why, Self::new))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[a-z0-9._-]{1,63}$" })
    }
}
