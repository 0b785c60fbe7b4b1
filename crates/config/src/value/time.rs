//! Durations, times of day, moments, zones and days.

use std::time::Duration;

use jiff::{
    Timestamp,
    civil::{Time, Weekday},
};
use serde_json::{Value as Json, json};
use toml::de::DeValue;
use ward_alerts::nearest;
use ward_model::Wall;

use super::{Text, Wrong, cut, is_not, one_of, words};
use crate::{
    reading::{At, Node, Reading, Value},
    window::Zone,
};

impl Text for Duration {
    const EXPECTED: &'static str = "a duration, such as \"500ms\", \"5s\", \"1m30s\", \"2h\" or \"7d\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        duration(text).ok_or_else(|| {
            let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let help = number
                .then(|| cut(text))
                .map(|text| format!("say of what: \"{text}s\" are seconds, \"{text}ms\" milliseconds"));
            is_not(text, "duration").help(help)
        })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^([0-9]{1,9}(ms|s|m|h|d))+$", "maxLength": DURATION_BYTES })
    }
}

/// A duration of `least` to `most`.
pub(crate) fn between(text: &str, least: Duration, most: Duration) -> Result<Duration, Wrong> {
    let duration = <Duration as Text>::parse(text)?;
    if (least..=most).contains(&duration) {
        return Ok(duration);
    }
    Err(Wrong {
        message: format!("is \"{}\", which is {}", cut(text), written(duration)),
        help: None,
    })
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

/// The duration as it may be written, in units that leave nothing out: `90s` is `1m30s`.
pub fn written(duration: Duration) -> String {
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
