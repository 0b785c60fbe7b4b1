//! What rules and receivers of alerts are told.

use std::time::Duration;

use serde_json::{Value as Json, json};
use ward_alerts::Unknown;
use ward_model::{RuleName, Severity, bounds::LABEL_BYTES};

use super::{Text, Wrong, cut, is_not, one_of, time::between, words};

/// Longest name of a label or an annotation, in bytes; as long as other names.
const LABEL_NAME_BYTES: usize = ward_model::bounds::NAME_BYTES;
/// Longest annotation as it is written, in bytes: what a template may have, and twice what is made of one at most.
const ANNOTATION_BYTES: usize = 4_096;
/// Longest name of a receiver, in bytes: as long as the longest host with its port.
const RECEIVER_BYTES: usize = 260;
/// Longest name to log in with, in bytes.
const USERNAME_BYTES: usize = 256;

/// Labels that Ward sets itself: they say which alert it is.
const OWN_LABELS: [&str; 7] = [
    "alertname",
    "severity",
    "service",
    "criticality",
    "root_cause",
    "is_root_cause",
    "source",
];

impl Text for RuleName {
    const EXPECTED: &'static str =
        "the name of a rule: 1 to 63 of a-z, A-Z, 0-9 and '_', beginning with no digit";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let like = text.replace(['-', '.', ' '], "_");
        let help = Self::new(&like).ok().map(|name| format!("write `{name}`"));
        Self::new(text).map_err(|_| is_not(text, "name of a rule").help(help))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_]{0,62}$" })
    }
}

const SEVERITIES: [(&str, Severity); 4] = [
    ("critical", Severity::Critical),
    ("warning", Severity::Warning),
    ("info", Severity::Info),
    ("none", Severity::None),
];

impl Text for Severity {
    const EXPECTED: &'static str = "\"critical\", \"warning\", \"info\" or \"none\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        one_of(text, "severity", &SEVERITIES)
    }

    fn schema() -> Json {
        words(&SEVERITIES)
    }
}

const UNKNOWNS: [(&str, Unknown); 2] = [("keep", Unknown::Keep), ("judge", Unknown::Judge)];

impl Text for Unknown {
    const EXPECTED: &'static str = "\"keep\" or \"judge\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        one_of(text, "way to take Unknown", &UNKNOWNS)
    }

    fn schema() -> Json {
        words(&UNKNOWNS)
    }
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Service,
    System,
}

const ABOUTS: [(&str, About); 2] = [("service", About::Service), ("system", About::System)];

impl Text for About {
    const EXPECTED: &'static str = "\"service\" or \"system\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        one_of(text, "thing a rule is about", &ABOUTS)
    }

    fn schema() -> Json {
        words(&ABOUTS)
    }
}

/// An expression, judged where the rest of its rule is known.
#[derive(Clone, Debug)]
pub(crate) struct Cel(pub(crate) String);

impl Text for Cel {
    const EXPECTED: &'static str = "a condition in CEL, such as \"signals.queue_length > 1000.0\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// How long a rule waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait(pub(crate) Duration);

/// As long as the longest interval that somebody reports at: what has to hold for longer is no alert.
const WAIT_MOST: Duration = ward_model::bounds::INTERVAL_ONCE_MAX;

impl Text for Wait {
    const EXPECTED: &'static str = "a duration of \"0s\" to \"31d\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        between(text, Duration::ZERO, WAIT_MOST).map(Self)
    }

    fn schema() -> Json {
        <Duration as Text>::schema()
    }
}

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeout(pub(crate) Duration);

impl Text for Timeout {
    // Alerts that fire are sent again every minute: one that takes longer would meet the next.
    const EXPECTED: &'static str = "a duration of \"100ms\" to \"1m\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        between(text, Duration::from_millis(100), Duration::from_secs(60)).map(Self)
    }

    fn schema() -> Json {
        <Duration as Text>::schema()
    }
}

/// What is said in a table under names of one's own.
pub(crate) trait Entry: Text {
    /// What is wrong with a name, and what would be right.
    fn judge_name(name: &str) -> Result<(), (Wrong, &'static str)>;

    /// The JSON Schema of names.
    fn name_schema() -> Json;
}

const LABEL_NAME: &str = "a name that Prometheus takes: 1 to 63 of a-z, A-Z, 0-9 and '_', beginning with no digit and not with \"__\"";
const LABEL_NAME_PATTERN: &str = "^(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,62}$";

fn judge_label_name(name: &str) -> Result<(), (Wrong, &'static str)> {
    let is_name = |name: &str| {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = name.starts_with(|c: char| !c.is_ascii_digit());
        begins && name.len() <= LABEL_NAME_BYTES && !name.starts_with("__") && name.chars().all(letter)
    };
    if is_name(name) {
        return Ok(());
    }
    let like = name.replace(['-', '.', ' ', '/'], "_");
    let help = is_name(&like).then(|| format!("write `{like}`"));
    let message = "is no name of a label".to_owned();
    Err((Wrong { message, help }, LABEL_NAME))
}

/// The value of a label.
#[derive(Clone, Debug)]
pub(crate) struct LabelValue(pub(crate) String);

impl Text for LabelValue {
    const EXPECTED: &'static str = "text of 1 to 128 bytes on one line";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |message: String, help: Option<&str>| {
            Err(Wrong {
                message,
                help: help.map(str::to_owned),
            })
        };
        if text.is_empty() {
            return wrong(
                "is empty".to_owned(),
                Some("a label without a value is none: leave it out"),
            );
        }
        if text.len() > LABEL_BYTES {
            return wrong(format!("has {} bytes", text.len()), None);
        }
        if text.chars().any(char::is_control) {
            return wrong("has control characters".to_owned(), None);
        }
        if text.contains("{{") {
            let help = "labels say which alert it is, and stay as they are: what varies is an annotation";
            return wrong(format!("is \"{}\", a template", cut(text)), Some(help));
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Json {
        let pattern = r"^(?!.*\{\{)[^\u0000-\u001f\u007f-\u009f]+$";
        json!({ "type": "string", "maxLength": LABEL_BYTES, "pattern": pattern })
    }
}

impl Entry for LabelValue {
    fn judge_name(name: &str) -> Result<(), (Wrong, &'static str)> {
        judge_label_name(name)?;
        if OWN_LABELS.contains(&name) {
            let wrong = Wrong {
                message: "is a label that Ward sets itself".to_owned(),
                help: Some(format!(
                    "choose another name: {} are taken",
                    OWN_LABELS.join(", ")
                )),
            };
            return Err((wrong, "a label of your own"));
        }
        Ok(())
    }

    fn name_schema() -> Json {
        json!({ "type": "string", "pattern": LABEL_NAME_PATTERN, "not": { "enum": OWN_LABELS } })
    }
}

/// An annotation: text for people, with CEL between `{{` and `}}`.
#[derive(Clone, Debug)]
pub(crate) struct Annotation(pub(crate) String);

impl Text for Annotation {
    const EXPECTED: &'static str = "text of at most 4096 bytes, with CEL between {{ and }}";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let message = if text.len() > ANNOTATION_BYTES {
            format!("has {} bytes", text.len())
        } else if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            "has control characters".to_owned()
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(Wrong { message, help: None })
    }

    fn schema() -> Json {
        let pattern = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";
        json!({ "type": "string", "maxLength": ANNOTATION_BYTES, "pattern": pattern })
    }
}

impl Entry for Annotation {
    fn judge_name(name: &str) -> Result<(), (Wrong, &'static str)> {
        judge_label_name(name)
    }

    fn name_schema() -> Json {
        json!({ "type": "string", "pattern": LABEL_NAME_PATTERN })
    }
}

/// What a receiver is called.
#[derive(Clone, Debug)]
pub(crate) struct ReceiverName(pub(crate) String);

impl Text for ReceiverName {
    const EXPECTED: &'static str =
        "1 to 260 letters, digits and signs, without spaces, quotes and backslashes";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let letter = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
        if text.is_empty() || text.len() > RECEIVER_BYTES || !text.chars().all(letter) {
            return Err(is_not(text, "name of a receiver"));
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": format!(r"^[!#-\[\]-~]{{1,{RECEIVER_BYTES}}}$") })
    }
}

/// Who one is to a receiver.
#[derive(Clone, Debug)]
pub(crate) struct Username(pub(crate) String);

impl Text for Username {
    const EXPECTED: &'static str = "the name to log in with: at most 256 bytes, without ':'";

    /// HTTP basic has no way to write a `:` in it.
    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() || text.len() > USERNAME_BYTES || text.chars().any(|c| c.is_control() || c == ':')
        {
            return Err(is_not(text, "name to log in with"));
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1, "maxLength": USERNAME_BYTES, "pattern": r"^[^\u0000-\u001f\u007f-\u009f:]*$" })
    }
}

/// A file of rules, or all in a folder whose names are like this.
#[derive(Clone, Debug)]
pub(crate) struct RuleFiles(pub(crate) String);

impl Text for RuleFiles {
    const EXPECTED: &'static str = "the path of a file, with `*` for any letters in its last part";

    fn parse(text: &str) -> Result<Self, Wrong> {
        <super::FilePath as Text>::parse(text)?;
        let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
        if folder.contains('*') {
            let help = "a `*` stands for names of files, and for no folders: name each folder".to_owned();
            return Err(is_not(text, "path of files").help(Some(help)));
        }
        if matches!(name, "" | "." | "..") {
            let folder = text.trim_end_matches('/');
            return Err(is_not(text, "path of files").help(Some(format!("write \"{}/*.toml\"", cut(folder)))));
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Json {
        let pattern = r"^(?!~(/|$))([^*\u0000]*/)?(?!\.{1,2}$)[^/\u0000]+$";
        json!({ "type": "string", "maxLength": super::PATH_BYTES, "pattern": pattern })
    }
}
