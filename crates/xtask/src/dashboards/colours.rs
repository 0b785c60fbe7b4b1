//! The one map of colours: what a number or a word means, and how it looks, on every dashboard.
//!
//! Okabe and Ito's palette ("Color Universal Design", 2008), which people with any common colour blindness tell apart; and the
//! word always stands beside the colour. Grafana's own green, yellow and red were not taken: to one man in twelve two of them
//! are the same.

use serde_json::{Value, json};

pub(super) const BLUISH_GREEN: &str = "#009E73";
pub(super) const ORANGE: &str = "#E69F00";
pub(super) const VERMILLION: &str = "#D55E00";
pub(super) const GREY: &str = "#999999";
pub(super) const PURPLE: &str = "#CC79A7";
pub(super) const SKY_BLUE: &str = "#56B4E9";

/// A number in an expression, the word shown for it, its colour.
pub(super) type Meaning = (u8, &'static str, &'static str);

/// What a service or the system can be, the worst last; maintenance outshines all of it.
pub(super) const STATUSES: [Meaning; 5] = [
    (0, "healthy", BLUISH_GREEN),
    (1, "unknown", GREY),
    (2, "degraded", ORANGE),
    (3, "unhealthy", VERMILLION),
    (4, "maintenance", PURPLE),
];

/// Where an alert can stand.
pub(super) const ALERT_STATES: [Meaning; 4] = [
    (0, "resolved", BLUISH_GREEN),
    (1, "pending", ORANGE),
    (2, "suppressed", PURPLE),
    (3, "firing", VERMILLION),
];

/// Whether something is as it should be.
pub(super) const WELL: [Meaning; 2] = [(0, "no", VERMILLION), (1, "yes", BLUISH_GREEN)];

/// Whether something that should not be is.
pub(super) const ILL: [Meaning; 2] = [(0, "no", BLUISH_GREEN), (1, "yes", VERMILLION)];

/// Words that stand in cells of tables, and whose colour they have.
const WORDS: [(&str, &str); 5] = [
    ("critical", VERMILLION),
    ("warning", ORANGE),
    ("info", SKY_BLUE),
    ("hard", VERMILLION),
    ("soft", SKY_BLUE),
];

/// As Grafana maps values.
pub(super) fn mappings(meanings: &[Meaning]) -> Value {
    let options: serde_json::Map<_, _> = meanings
        .iter()
        .map(|&(code, word, color)| {
            let shown = json!({ "text": word, "color": color, "index": code });
            (code.to_string(), shown)
        })
        .collect();
    json!([{ "type": "value", "options": options }])
}

/// The same for words of [`WORDS`].
pub(super) fn words() -> Value {
    let options: serde_json::Map<_, _> = WORDS
        .iter()
        .enumerate()
        .map(|(index, &(word, color))| {
            let shown = json!({ "text": word, "color": color, "index": index });
            (word.to_owned(), shown)
        })
        .collect();
    json!([{ "type": "value", "options": options }])
}

/// Series that are called like a meaning have its colour.
pub(super) fn by_name(meanings: &[Meaning]) -> Vec<Value> {
    let fixed = |&(_, word, color): &Meaning| {
        json!({
            "matcher": { "id": "byName", "options": word },
            "properties": [{ "id": "color", "value": { "mode": "fixed", "fixedColor": color } }],
        })
    };
    meanings.iter().map(fixed).collect()
}

/// The expression of the number of a state that a metric tells as one 0/1 series a state, by labels: `metric{matchers}`. A state
/// that nothing is in counts nothing, so the greatest of the products is that of the state it is in.
pub(super) fn coded(metric: &str, matchers: &str, by: &str, meanings: &[Meaning], label: &str) -> String {
    let comma = if matchers.is_empty() { "" } else { ", " };
    let each: Vec<_> = meanings
        .iter()
        .map(|(code, word, _)| format!("{code} * {metric}{{{matchers}{comma}{label}=\"{word}\"}}"))
        .collect();
    format!("max by ({by}) ({})", each.join(" or "))
}

/// The number of a service's status, by service, maintenance included.
pub(super) fn services(matchers: &str) -> String {
    let statuses = coded(
        "ward_service_status",
        matchers,
        "service",
        &STATUSES[..4],
        "status",
    );
    let inner = statuses.trim_end_matches(')');
    format!(
        "{inner} or {} * ward_service_maintenance{{{matchers}}})",
        STATUSES[4].0
    )
}
