//! Numbers, amounts, and true or false.

use serde_json::{Value as Json, json};
use toml::de::DeValue;
use ward_model::{MinHealthy, bounds};

use super::cut;
use crate::reading::{Node, Reading, Value};

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
            let message = format!("is {}", cut(&number.to_string()));
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
                let help = count
                    .then(|| cut(text))
                    .map(|text| format!("write {text} for instances, \"{text}%\" for a share of them"));
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
            let mistake = reading.wrong(&node.path, &node.span, format!("is {}", cut(&shown)));
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
