//! Those that alerts are delivered to: which of them are behind.
//!
//! One that takes what it gets is not told of: a line that is always there is one nobody reads. `-o json` has all.

use std::fmt::Write;

use serde::Serialize;
use ward_model::Wall;
use ward_proto::v1;

use crate::output::{Escaped, Times, WARNING, paint};

/// A delivery takes a second or two, and one that failed is tried again within this: who is owed for longer is behind.
const BEHIND_MS: i64 = 30_000;

/// One of them.
#[derive(Debug, Serialize)]
pub(super) struct Receiver {
    name: String,
    kind: &'static str,
    /// Alerts that it has yet to be told of.
    owed: u64,
    /// Since when the oldest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Wall>,
    /// When it was last told something.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<Wall>,
    /// Why the last request failed, if none succeeded since.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What was given up, since the aggregator started.
    dropped: u64,
}

impl From<v1::Receiver> for Receiver {
    fn from(wire: v1::Receiver) -> Self {
        let kind = match wire.kind() {
            v1::ReceiverKind::Alertmanager => "alertmanager",
            v1::ReceiverKind::Webhook => "webhook",
            v1::ReceiverKind::Unspecified => "unknown",
        };
        let wall = |unix_ms: i64| (unix_ms != 0).then_some(Wall(unix_ms));
        Self {
            name: wire.name,
            kind,
            owed: wire.owed,
            oldest: wall(wire.oldest_unix_ms),
            delivered: wall(wire.delivered_unix_ms),
            error: Some(wire.error).filter(|error| !error.is_empty()),
            dropped: wire.dropped,
        }
    }
}

impl Receiver {
    fn is_behind(&self, times: &Times) -> bool {
        let late = |oldest: Wall| times.now().0.saturating_sub(oldest.0) > BEHIND_MS;
        self.error.is_some() || self.oldest.is_some_and(late)
    }
}

/// A line for each that is behind; nothing if none is.
pub(super) fn behind(receivers: &[Receiver], times: &Times) -> String {
    let mut text = String::new();
    for receiver in receivers.iter().filter(|receiver| receiver.is_behind(times)) {
        let newline = if text.is_empty() { "\n" } else { "" };
        writeln!(text, "{newline}{}", line(receiver, times)).expect("a string takes all");
    }
    text
}

fn line(receiver: &Receiver, times: &Times) -> String {
    let mut line = format!("{} {} is behind", receiver.kind, Escaped(&receiver.name));
    line = paint(WARNING, line).to_string();
    let alerts = if receiver.owed == 1 { "alert" } else { "alerts" };
    let mut say = |part: String| line.push_str(&part);
    match receiver.oldest {
        Some(oldest) => say(format!(
            ": {} {alerts} owed since {}",
            receiver.owed,
            times.brief(oldest)
        )),
        None => say(format!(": {} {alerts} owed", receiver.owed)),
    }
    match receiver.delivered {
        Some(delivered) => say(format!(", told something last at {}", times.brief(delivered))),
        None => say(", never told anything".to_owned()),
    }
    if receiver.dropped > 0 {
        say(format!(", {} given up", receiver.dropped));
    }
    if let Some(error) = &receiver.error {
        say(format!(": {}", Escaped(error)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(wire: v1::Receiver) -> String {
        let told = behind(&[wire.into()], &Times::utc(Wall(100_000)));
        anstream::adapter::strip_str(&told).to_string()
    }

    fn receiver() -> v1::Receiver {
        v1::Receiver {
            name: "am-1".into(),
            kind: v1::ReceiverKind::Alertmanager.into(),
            delivered_unix_ms: 90_000,
            ..v1::Receiver::default()
        }
    }

    #[test]
    fn who_takes_what_it_gets_is_not_told_of() {
        assert_eq!(told(receiver()), "");
        let oldest_unix_ms = 100_000 - BEHIND_MS;
        let under_way = v1::Receiver {
            owed: 1,
            oldest_unix_ms,
            ..receiver()
        };
        assert_eq!(told(under_way), "");
    }

    #[test]
    fn who_does_not_is_with_what_is_known() {
        let late = v1::Receiver {
            owed: 2,
            oldest_unix_ms: 40_000,
            ..receiver()
        };
        assert_eq!(
            told(late.clone()),
            "\nalertmanager am-1 is behind: 2 alerts owed since 00:00:40 (1m 0s), told something last at 00:01:30 (10s)\n"
        );
        let never = v1::Receiver {
            delivered_unix_ms: 0,
            error: "refused\u{1b}".into(),
            dropped: 3,
            owed: 1,
            ..late
        };
        assert_eq!(
            told(never),
            "\nalertmanager am-1 is behind: 1 alert owed since 00:00:40 (1m 0s), never told anything, 3 given up: \
             refused\\u{1b}\n"
        );
    }
}
