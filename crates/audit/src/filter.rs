//! Which events are asked for.

use ward_model::Wall;

use crate::event::{Event, Kind, Source};

/// Passes events that have all of what it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What happened.
    pub kind: Option<Kind>,
    /// Whatever happened, but for these.
    pub except: &'static [Kind],
    /// What it was decided by.
    pub source: Option<Source>,
    /// About what: a service stands for its instances as well.
    pub subject: Option<String>,
    /// From this time on.
    pub since: Option<Wall>,
    /// Before this time.
    pub until: Option<Wall>,
    /// Before this place in the log: to go on from an answer.
    pub before: Option<u64>,
}

impl Filter {
    /// Whether an event passes.
    pub fn passes(&self, event: &Event) -> bool {
        self.kind.is_none_or(|kind| event.kind == kind)
            && !self.except.contains(&event.kind)
            && self.source.is_none_or(|source| event.source == source)
            && self
                .subject
                .as_ref()
                .is_none_or(|subject| is_about(&event.subject, subject))
            && !self.is_before(event)
            && self.until.is_none_or(|until| event.time < until)
            && self.before.is_none_or(|before| event.index < before)
    }

    /// Whether it is older than what is asked for.
    pub(crate) fn is_before(&self, event: &Event) -> bool {
        self.since.is_some_and(|since| event.time < since)
    }

    /// Whether the bytes of an event could be of one that passes: what they do not contain it does not have. Most do not,
    /// and need not be parsed.
    pub(crate) fn may_pass(&self, entry: &[u8]) -> bool {
        // The time is in what is parsed.
        let Ok(text) = std::str::from_utf8(entry) else {
            return true;
        };
        self.since.is_some()
            || (self
                .kind
                .is_none_or(|kind| text.contains(&format!("\"kind\":\"{kind}\"")))
                && self
                    .source
                    .is_none_or(|source| text.contains(&format!("\"source\":\"{source}\""))))
    }
}

fn is_about(subject: &str, asked: &str) -> bool {
    let rest = subject.strip_prefix(asked);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
