//! The trace of a transition: what was reported, decided and changed, told as spans behind the decision; and where it goes on,
//! for whoever tells people of it.
//!
//! The engine knows nothing of it. What it decided is told when it is published and watchers are woken, so that a trace
//! delays nobody, and only of what changed a verdict or was seen in a trace already: a beat, and a report that changes
//! nothing, have no span. What no report is behind, such as a silence, is a trace of its own. While nobody traces all of this
//! costs one relaxed load a revision.

use std::{collections::HashMap, fmt::Display, time::Duration};

use http::HeaderMap;
use parking_lot::Mutex;
use ward_chassis::telemetry::{
    Exemplar, TraceContext, extract,
    told::{self, Telling},
};
use ward_engine::Event;
use ward_model::{Alert, AlertState, Change, ChangeSet, Entity, EntityKey, Name, Status};

/// Most transitions of one decision that have a span: of a storm they tell which way it came. The others go on from the
/// decision itself.
const MOST: usize = 64;
/// Bytes of a `traceparent` as the wire may carry it. Longer ones, which later versions may be, are ignored.
const TRACEPARENT_BYTES: usize = 55;

/// Where the last transition of each thing stands: the trace in which an alert about it goes on. One for each service there
/// is, and the system (`None`); of what is removed nothing stays.
#[derive(Debug, Default)]
pub(crate) struct Story(Mutex<HashMap<Option<Name>, (Status, TraceContext)>>);

/// An event, and in which trace it was seen.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) event: Event,
    pub(crate) trace: Option<TraceContext>,
}

impl From<Event> for Reported {
    fn from(event: Event) -> Self {
        Self { event, trace: None }
    }
}

/// A verdict that is another than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    /// A service; `None` is the system.
    subject: Option<Name>,
    from: Status,
    /// `None` of what is no more.
    to: Option<Status>,
}

/// A decision that is over.
#[derive(Debug)]
pub(crate) struct Decision {
    /// What came in, how long ago, and in which trace it was seen; `None` if nothing did.
    pub(crate) report: Option<(&'static str, Duration, Option<TraceContext>)>,
    /// How long ago it was begun.
    pub(crate) ago: Duration,
    pub(crate) transitions: Vec<Transition>,
}

impl Decision {
    /// It changed a verdict, or is of something that was seen in a trace already. Neither is known where nobody traces.
    #[inline]
    pub(crate) fn is_told(&self) -> bool {
        let seen = self.report.and_then(|(_, _, seen)| seen);
        seen.is_some() || !self.transitions.is_empty()
    }
}

/// In which trace something was seen, by what a report says of that. Nothing is looked at where nobody traces.
#[inline]
pub(crate) fn seen_in(traceparent: &str) -> Option<TraceContext> {
    if !told::is_on() || traceparent.len() > TRACEPARENT_BYTES {
        return None;
    }
    TraceContext::parse(traceparent)
}

/// In which trace whoever calls is, by the headers of the call.
pub(crate) fn called_in(headers: &HeaderMap) -> Option<TraceContext> {
    told::is_on().then(|| extract(headers))?
}

/// The word for an event that somebody reported.
#[inline]
pub(crate) fn reported(event: &Event) -> Option<&'static str> {
    match event {
        Event::Update { .. } => Some("update"),
        Event::Hello { .. } | Event::HelloAnonymous { .. } => Some("hello"),
        Event::Goodbye { .. } | Event::GoodbyeOnce { .. } => Some("goodbye"),
        Event::Exited { .. } => Some("exited"),
        _ => None,
    }
}

/// The transitions in a revision; none where nobody traces.
#[inline]
pub(crate) fn transitions(set: &ChangeSet) -> Vec<Transition> {
    if !told::is_on() {
        return Vec::new();
    }
    set.changes.iter().filter_map(transition).collect()
}

fn transition(change: &Change) -> Option<Transition> {
    let (subject, to) = match &change.entity {
        Entity::System(system) => (None, Some(system.condition.status)),
        Entity::Service(service) => (Some(service.name.clone()), Some(service.condition.status)),
        Entity::Removed(EntityKey::Service(name)) => (Some(name.clone()), None),
        Entity::Instance(_) | Entity::Removed(_) => return None,
    };
    // What is new was not known.
    let from = change.before.unwrap_or(Status::Unknown);
    (to != Some(from)).then_some(Transition { subject, from, to })
}

/// A sample that shows the trace it is of, if somebody keeps that.
pub(crate) fn exemplar(context: Option<TraceContext>) -> Option<Exemplar> {
    let context = context.filter(|context| context.is_sampled())?;
    Some([("trace_id", context.trace_id_hex())])
}

impl Story {
    /// Tells a decision. Where it stands, if anybody wants to know.
    pub(crate) fn tell(&self, decision: Decision) -> Option<TraceContext> {
        let Decision {
            report,
            ago,
            transitions,
        } = decision;
        let report = report.and_then(|(kind, ago, seen)| told::tell("report", seen, ago, &[("kind", &kind)]));
        let parent = report.as_ref().map(Telling::context);
        let changes: [(_, &dyn Display); 1] = [("changes", &transitions.len())];
        let decide = told::tell("decide", parent, ago, &changes)?.context();
        let mut known = self.0.lock();
        for (nth, transition) in transitions.into_iter().enumerate() {
            let span = (nth < MOST).then(|| transition.tell(decide)).flatten();
            let Transition { subject, to, .. } = transition;
            match to {
                Some(status) => known.insert(subject, (status, span.map_or(decide, |span| span.context()))),
                None => known.remove(&subject),
            };
        }
        Some(decide)
    }

    /// The transition that an alert comes of: that of its own service, or of a cause. What is well explains nothing but that
    /// an alert is resolved.
    pub(crate) fn behind(&self, alert: &Alert) -> Option<TraceContext> {
        let known = self.0.lock();
        let of = |subject: &Option<Name>| {
            let (status, context) = known.get(subject)?;
            (status.is_bad() || alert.state == AlertState::Resolved).then_some(*context)
        };
        let causes = || alert.causes.iter().find_map(|cause| of(&Some(cause.clone())));
        of(&alert.key.service).or_else(causes)
    }
}

impl Transition {
    fn tell(&self, decide: TraceContext) -> Option<Telling> {
        let subject = self.subject.as_ref().map_or("system", Name::as_str);
        let to = self.to.map_or("gone", Status::as_str);
        let attributes: [(_, &dyn Display); 3] = [("subject", &subject), ("from", &self.from), ("to", &to)];
        told::tell("change", Some(decide), Duration::ZERO, &attributes)
    }
}

#[cfg(test)]
mod tests {
    use ward_model::{AlertKey, RuleName, Severity, SystemState, Wall};

    use super::*;

    fn name(text: &str) -> Name {
        Name::service(text).unwrap()
    }

    fn context(nth: u8) -> TraceContext {
        TraceContext::parse(&format!(
            "00-4bf92f3577b34da6a3ce929d0e0e47{nth:02}-00f067aa0ba902b7-01"
        ))
        .unwrap()
    }

    #[test]
    fn a_transition_is_of_a_verdict_that_is_another() {
        let system = |before, status| {
            let mut state = SystemState::default();
            state.condition.status = status;
            transition(&Change {
                before,
                entity: Entity::System(state),
            })
        };
        let told = system(Some(Status::Healthy), Status::Unhealthy).unwrap();
        assert_eq!((told.from, told.to), (Status::Healthy, Some(Status::Unhealthy)));
        assert_eq!(system(Some(Status::Degraded), Status::Degraded), None);
        assert_eq!(system(None, Status::Unknown), None, "it was not known and is not");
        assert!(system(None, Status::Healthy).is_some());
        let gone = transition(&Change {
            before: Some(Status::Unhealthy),
            entity: Entity::Removed(EntityKey::Service(name("bank"))),
        });
        assert_eq!(gone.unwrap().to, None);
    }

    #[test]
    fn an_alert_comes_of_what_is_bad_of_its_own_or_of_a_cause() {
        let alert = |state, causes: &[&str]| Alert {
            state,
            causes: causes.iter().map(|cause| name(cause)).collect(),
            ..Alert::pending(
                AlertKey {
                    service: Some(name("shop")),
                    rule: RuleName::new("Ill").unwrap(),
                },
                Severity::Critical,
                Wall(0),
            )
        };
        let story = Story::default();
        let stands = |of: &str, status, nth| {
            story.0.lock().insert(Some(name(of)), (status, context(nth)));
        };
        let firing = alert(AlertState::Firing, &["bank"]);
        assert_eq!(story.behind(&firing), None);
        stands("bank", Status::Unhealthy, 1);
        stands("shop", Status::Healthy, 2);
        assert_eq!(
            story.behind(&firing),
            Some(context(1)),
            "it is well, and its cause is not"
        );
        assert_eq!(
            story.behind(&alert(AlertState::Resolved, &["bank"])),
            Some(context(2))
        );
        stands("shop", Status::Degraded, 3);
        assert_eq!(story.behind(&firing), Some(context(3)));
        assert_eq!(story.behind(&alert(AlertState::Firing, &[])), Some(context(3)));
    }

    #[test]
    fn where_nobody_traces_nothing_is_read() {
        assert_eq!(seen_in(&context(1).to_string()), None);
        let set = ChangeSet {
            revision: ward_model::Revision(1),
            changes: vec![Change {
                before: None,
                entity: Entity::System(SystemState::default()),
            }],
        };
        assert_eq!(transitions(&set), []);
    }
}
