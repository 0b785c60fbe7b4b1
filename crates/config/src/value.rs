//! The single values a file, a variable or a flag may give: how each is written, and what is said when it is not.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use jiff::{Timestamp, civil::Time, civil::Weekday};
use serde_json::{Value as Json, json};
use toml::de::DeValue;
use ward_model::{Criticality, DependencyKind, InvalidName, MinHealthy, Name, Wall, bounds};

use crate::{
    mistake::escaped,
    near::nearest,
    reading::{At, Node, Reading, Value},
    window::Zone,
};

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
    const SHOWN: usize = 60;
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "..." } else { "" };
    Wrong {
        message: format!("is \"{}{more}\", which is no {what}", escaped(&shown)),
        help: None,
    }
}

impl Wrong {
    fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

impl Text for SocketAddr {
    const EXPECTED: &'static str = "an IP address and a port, such as \"127.0.0.1:7700\" or \"[::1]:7700\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| {
            let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
            let host = text.strip_suffix(port.unwrap_or_default()).unwrap_or_default();
            let help = port.and_then(|port| match host {
                "" | ":" => Some(format!("for this machine alone write \"127.0.0.1:{port}\"")),
                "localhost:" => Some(format!(
                    "names are not looked up here: write \"127.0.0.1:{port}\""
                )),
                "*:" => Some(format!(
                    "for all addresses of this machine write \"0.0.0.0:{port}\""
                )),
                _ => None,
            });
            is_not(text, "address").help(help)
        })
    }

    fn schema() -> Json {
        let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
        let port = "0*([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
        json!({
            "type": "string",
            "pattern": format!(r"^({byte}(\.{byte}){{3}}|\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%[0-9]+)?\]):{port}$"),
        })
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

impl Text for Duration {
    const EXPECTED: &'static str = "a duration, such as \"500ms\", \"5s\", \"1m30s\", \"2h\" or \"7d\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        duration(text).ok_or_else(|| {
            let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let help =
                number.then(|| format!("say of what: \"{text}s\" are seconds, \"{text}ms\" milliseconds"));
            is_not(text, "duration").help(help)
        })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^([0-9]{1,9}(ms|s|m|h|d))+$", "maxLength": DURATION_BYTES })
    }
}

/// Longer than anything that makes sense, so that no sum overflows.
const DURATION_BYTES: usize = 32;

fn duration(text: &str) -> Option<Duration> {
    if text.is_empty() || text.len() > DURATION_BYTES {
        return None;
    }
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, behind) = behind.split_at(letters);
        let number: u32 = number.parse().ok().filter(|_| digits <= 9)?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        sum += Duration::from_millis(u64::from(number) * unit_ms);
        rest = behind;
    }
    Some(sum)
}

/// The duration as it may be written.
pub(crate) fn written(duration: Duration) -> String {
    let mut ms = duration.as_millis();
    let mut text = String::new();
    for (unit_ms, unit) in [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ] {
        if ms >= unit_ms {
            text += &format!("{}{unit}", ms / unit_ms);
            ms %= unit_ms;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

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

impl Text for Time {
    const EXPECTED: &'static str = "a time of day, such as \"02:00\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let number = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<i8>().ok()).flatten()
        };
        let parts: Option<Vec<_>> = text.split(':').map(number).collect();
        let time = parts.and_then(|parts| match parts[..] {
            [hour, minute] => Self::new(hour, minute, 0, 0).ok(),
            [hour, minute, second] => Self::new(hour, minute, second, 0).ok(),
            _ => None,
        });
        time.ok_or_else(|| is_not(text, "time of day"))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$" })
    }
}

impl Text for Wall {
    const EXPECTED: &'static str =
        "a moment with its distance from UTC, such as 2026-12-24T22:00:00Z or 2026-12-24T22:00:00+01:00";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let moment: Result<Timestamp, _> = text.parse();
        let moment = moment.map(|moment| Self(moment.as_millisecond()));
        moment.map_err(|_| {
            let zoneless = text.parse::<jiff::civil::DateTime>().ok();
            let help = zoneless.map(|moment| {
                format!("say whose clock: {moment}Z is UTC, {moment}+01:00 an hour ahead of it")
            });
            is_not(text, "moment").help(help)
        })
    }

    fn schema() -> Json {
        let pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";
        json!({ "type": "string", "format": "date-time", "pattern": pattern })
    }
}

impl Text for Zone {
    const EXPECTED: &'static str = "the name of a time zone, such as \"Europe/Berlin\" or \"UTC\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        Self::named(text).ok_or_else(|| {
            let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let near = nearest(text, known.iter().map(String::as_str));
            is_not(text, "time zone").help(near.map(|near| format!("did you mean \"{near}\"?")))
        })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9_+/-]+$" })
    }
}

/// An origin as browsers send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebOrigin(pub(crate) String);

impl Text for WebOrigin {
    const EXPECTED: &'static str =
        "an origin, such as \"https://status.example.org\" or \"http://localhost:3000\", or \"*\" for all";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let host = |rest: &str| {
            let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "1"));
            let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
            !host.is_empty() && host.chars().all(letter) && port.parse::<u16>().is_ok()
        };
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        if text == "*" || rest.is_some_and(host) {
            return Ok(Self(text.to_owned()));
        }
        let shorter = rest
            .and_then(|rest| rest.split('/').next())
            .filter(|rest| host(rest));
        let help = match (shorter, rest) {
            (Some(_), Some(rest)) => {
                let until = text.len() - rest.len() + rest.find('/').unwrap_or(rest.len());
                Some(format!("an origin has no path: write \"{}\"", &text[..until]))
            }
            (None, None) if host(text) && text.contains('.') => Some(format!("write \"https://{text}\"")),
            _ => None,
        };
        Err(is_not(text, "origin").help(help))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$" })
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

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// A day of the week as it is written.
pub(crate) fn weekday(day: Weekday) -> &'static str {
    let found = WEEKDAYS.iter().find(|(_, known)| *known == day);
    found.map(|(word, _)| *word).expect("all seven are there")
}

impl Text for Weekday {
    const EXPECTED: &'static str = "a day of the week, such as \"sunday\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        one_of(text, "day of the week", &WEEKDAYS)
    }

    fn schema() -> Json {
        words(&WEEKDAYS)
    }
}

/// On which days: a word or several.
#[derive(Clone, Debug)]
pub(crate) enum Every {
    Day,
    Month,
    Weekdays(Vec<At<Weekday>>),
}

impl Value for Every {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        const EXPECTED: &str = "\"day\", \"month\", or a day of the week or an array of those";
        if let DeValue::Array(_) = node.value {
            let items = reading.items(node, WEEKDAYS.len())?;
            let days: Option<Vec<_>> = items
                .iter()
                .map(|item| reading.read(item, item.span.clone()))
                .collect();
            if items.is_empty() {
                reading.wrong(&node.path, &node.span, "is empty").expected = Some(EXPECTED.into());
                return None;
            }
            return days.map(Self::Weekdays);
        }
        let text = reading.string(node, EXPECTED)?;
        match text {
            "day" => Some(Self::Day),
            "month" => Some(Self::Month),
            _ => {
                let known = WEEKDAYS.iter().map(|(word, _)| *word).chain(["day", "month"]);
                if let Some((_, value)) = WEEKDAYS.iter().find(|(word, _)| *word == text) {
                    return Some(Self::Weekdays(vec![At {
                        value: *value,
                        path: node.path.clone(),
                        span: node.span.clone(),
                    }]));
                }
                let near = nearest(text, known).map(|near| format!("did you mean \"{near}\"?"));
                let wrong = is_not(text, "day").help(near);
                let mistake = reading.wrong(&node.path, &node.span, wrong.message);
                (mistake.expected, mistake.help) = (Some(EXPECTED.into()), wrong.help);
                None
            }
        }
    }

    fn schema() -> Json {
        let day = <Weekday as Text>::schema();
        json!({ "anyOf": [
            { "enum": ["day", "month"] },
            day,
            { "type": "array", "items": day, "minItems": 1, "maxItems": WEEKDAYS.len(), "uniqueItems": true },
        ] })
    }
}

impl Value for bool {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        if let DeValue::Boolean(value) = node.value {
            return Some(*value);
        }
        let quoted = matches!(node.value, DeValue::String(text) if matches!(text.as_ref(), "true" | "false"));
        let mistake = reading.wrong_kind(node, "true or false");
        mistake.help = quoted.then(|| "leave the quotes away".into());
        None
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

/// A finite number, whole or not.
impl Value for f64 {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let number = match node.value {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(|number| number as Self),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => {
                reading.wrong_kind(node, "a number");
                return None;
            }
        };
        let finite = number.filter(|number| Self::is_finite(*number));
        if finite.is_none() {
            reading
                .wrong(&node.path, &node.span, "is no number that can be compared")
                .expected = Some("a finite number".into());
        }
        finite
    }

    fn schema() -> Json {
        json!({ "type": "number" })
    }
}

/// A day of a month.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DayOfMonth(pub(crate) i8);

impl Value for DayOfMonth {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        const EXPECTED: &str = "a day of a month, 1 to 31";
        let DeValue::Integer(number) = node.value else {
            reading.wrong_kind(node, EXPECTED);
            return None;
        };
        let day = i8::from_str_radix(number.as_str(), number.radix()).ok();
        let day = day.filter(|day| (1..=31).contains(day));
        if day.is_none() {
            let message = format!("is {}", escaped(&number.to_string()));
            reading.wrong(&node.path, &node.span, message).expected = Some(EXPECTED.into());
        }
        day.map(Self)
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 1, "maximum": 31 })
    }
}

/// `2`, or `"50%"`.
impl Value for MinHealthy {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        const EXPECTED: &str = "a number of instances, at least 1, or a percentage from \"1%\" to \"100%\"";
        let most = bounds::INSTANCES as u32;
        let (found, shown, help) = match node.value {
            DeValue::Integer(number) => {
                let count = u32::from_str_radix(number.as_str(), number.radix()).ok();
                let count = count.filter(|count| (1..=most).contains(count));
                (count.map(Self::Count), number.to_string(), None)
            }
            DeValue::String(text) => {
                let digits =
                    |text: &&str| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
                let percent = text
                    .strip_suffix('%')
                    .filter(digits)
                    .and_then(|percent| percent.parse().ok());
                let percent = percent.filter(|percent| (1..=100).contains(percent));
                let count = text.parse::<u32>().is_ok();
                let help =
                    count.then(|| format!("write {text} for instances, \"{text}%\" for a share of them"));
                (percent.map(Self::Percent), format!("\"{text}\""), help)
            }
            DeValue::Float(number) => {
                let share = number
                    .as_str()
                    .parse::<f64>()
                    .ok()
                    .filter(|share| *share > 0.0 && *share <= 1.0);
                let help = share.map(|share| format!("write \"{:.0}%\" for a share", share * 100.0));
                (None, number.to_string(), help)
            }
            _ => {
                reading.wrong_kind(node, EXPECTED);
                return None;
            }
        };
        if found.is_none() {
            let shown: String = escaped(&shown).chars().take(60).collect();
            let mistake = reading.wrong(&node.path, &node.span, format!("is {shown}"));
            (mistake.expected, mistake.help) = (Some(EXPECTED.into()), help);
        }
        found
    }

    fn schema() -> Json {
        json!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": bounds::INSTANCES },
            { "type": "string", "pattern": "^0*([1-9][0-9]?|100)%$", "maxLength": 4 },
        ] })
    }
}
