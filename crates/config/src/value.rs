//! The single values a file, a variable or a flag may give: how each is written, and what is said when it is not.

mod alert;
mod database;
mod name;
mod number;
mod time;
mod url;
mod web;

use std::path::PathBuf;

use serde_json::{Value as Json, json};
use toml::de::DeValue;
use ward_alerts::nearest;
use ward_model::{Criticality, DependencyKind};

use crate::{
    mistake::escaped,
    reading::{Node, Reading, Value},
};

pub(crate) use alert::{
    About, Annotation, Cel, Entry, LabelValue, ReceiverName, RuleFiles, Timeout, Username, Wait,
};
pub use database::DatabaseUrl;
pub(crate) use database::masked;
pub(crate) use name::ServiceName;
pub(crate) use number::DayOfMonth;
pub use time::written;
pub(crate) use time::{Every, between, weekday};
pub use url::ReceiverUrl;
pub(crate) use url::{BaseUrl, HookUrl, host_and_port, is_open};
pub(crate) use web::{HostName, WebOrigin};

/// Longest text for people, in bytes; as long as one that comes over the wire.
const WHY_BYTES: usize = 512;
/// Longest path, in bytes: Linux takes none that is longer.
const PATH_BYTES: usize = 4_096;

/// What is wrong with a text, and what to do.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// A value that is written as a string.
pub(crate) trait Text: Sized {
    /// What is expected, for people.
    const EXPECTED: &'static str;

    fn parse(text: &str) -> Result<Self, Wrong>;

    fn schema() -> Json;
}

impl<T: Text> Value for T {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let written;
        let text = match node.value {
            // A date or time without quotes says the same.
            DeValue::Datetime(moment) => {
                written = moment.to_string();
                &written
            }
            _ => reading.string(node, T::EXPECTED)?,
        };
        T::parse(text)
            .map_err(|wrong| {
                let mistake = reading.wrong(&node.path, &node.span, wrong.message);
                mistake.expected = Some(T::EXPECTED.to_owned());
                mistake.help = wrong.help;
            })
            .ok()
    }

    fn schema() -> Json {
        <T as Text>::schema()
    }
}

/// `"x" is not`, with what a person may have meant.
fn is_not(text: &str, what: &str) -> Wrong {
    Wrong {
        message: format!("is \"{}\", which is no {what}", cut(text)),
        help: None,
    }
}

/// As much of a value as a message has room for, escaped.
pub(crate) fn cut(text: &str) -> String {
    const SHOWN: usize = 60;
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "..." } else { "" };
    escaped(&shown) + more
}

impl Wrong {
    fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

impl Text for PathBuf {
    const EXPECTED: &'static str = "the path of a directory";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() || text.len() > PATH_BYTES || text.contains('\0') {
            return Err(is_not(text, "path"));
        }
        if text == "~" || text.starts_with("~/") {
            let help = "`~` means something to a shell only: write the path out".to_owned();
            return Err(is_not(text, "path").help(Some(help)));
        }
        Ok(text.into())
    }

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1, "maxLength": PATH_BYTES, "pattern": r"^(?!~(/|$))[^\u0000]+$" })
    }
}

/// The path of a file.
#[derive(Clone, Debug)]
pub(crate) struct FilePath(pub(crate) PathBuf);

impl Text for FilePath {
    const EXPECTED: &'static str = "the path of a file";

    fn parse(text: &str) -> Result<Self, Wrong> {
        <PathBuf as Text>::parse(text).map(Self)
    }

    fn schema() -> Json {
        <PathBuf as Text>::schema()
    }
}

/// Text for people.
#[derive(Clone, Debug)]
pub(crate) struct Why(pub(crate) String);

impl Text for Why {
    const EXPECTED: &'static str = "text on one line, of at most 512 bytes";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let message = if text.len() > WHY_BYTES {
            format!("has {} bytes", text.len())
        } else if text.chars().any(char::is_control) {
            "has control characters".to_owned()
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(Wrong { message, help: None })
    }

    fn schema() -> Json {
        json!({ "type": "string", "maxLength": WHY_BYTES, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$" })
    }
}

/// One of a few words.
fn one_of<T: Copy>(text: &str, what: &str, words: &[(&str, T)]) -> Result<T, Wrong> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let near = nearest(text, words.iter().map(|(word, _)| *word));
        is_not(text, what).help(near.map(|near| format!("did you mean \"{near}\"?")))
    })
}

fn words<T>(words: &[(&str, T)]) -> Json {
    json!({ "enum": words.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
}

const CRITICALITIES: [(&str, Criticality); 3] = [
    ("critical", Criticality::Critical),
    ("important", Criticality::Important),
    ("optional", Criticality::Optional),
];

impl Text for Criticality {
    const EXPECTED: &'static str = "\"critical\", \"important\" or \"optional\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        one_of(text, "criticality", &CRITICALITIES)
    }

    fn schema() -> Json {
        words(&CRITICALITIES)
    }
}

const KINDS: [(&str, DependencyKind); 2] = [("hard", DependencyKind::Hard), ("soft", DependencyKind::Soft)];

impl Text for DependencyKind {
    const EXPECTED: &'static str = "\"hard\" or \"soft\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        one_of(text, "kind of dependency", &KINDS)
    }

    fn schema() -> Json {
        words(&KINDS)
    }
}
