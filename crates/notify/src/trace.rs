//! Deliveries as spans: the last of what the trace of an alert tells.
//!
//! Each alert that a receiver is owed has one for each try, below the span that it was told in; so those that leave in one
//! request have their own traces, and the request is in that of the first. What is only said again is no delivery.

use ward_chassis::telemetry::{
    Entered, TraceContext,
    told::{self, Telling},
};

use crate::{client::Answer, ledger::Ticket};

/// Most spans of one request. As many change in one decision and are told of it: more is a storm, of which the first say
/// enough.
const MOST: usize = 64;

/// What is logged of a request is in the trace of its first alert, until this is dropped.
pub(crate) fn enter(tickets: &[Ticket]) -> Option<Entered> {
    let told_in = told::is_on().then(|| tickets.iter().find_map(told_in))?;
    told_in.map(TraceContext::enter)
}

fn told_in(ticket: &Ticket) -> Option<TraceContext> {
    TraceContext::parse(ticket.alert.traceparent.as_deref()?)
}

/// Those of one request.
#[derive(Debug)]
pub(crate) struct Deliveries(Vec<Telling>);

impl Deliveries {
    pub(crate) fn begin<'a>(receiver: &str, tickets: impl IntoIterator<Item = &'a Ticket>) -> Self {
        if !told::is_on() {
            return Self(Vec::new());
        }
        let owed = tickets.into_iter().filter(|ticket| ticket.owed);
        let span = |ticket: &Ticket| {
            let parent = told_in(ticket)?;
            let attributes: [(_, &dyn std::fmt::Display); 3] = [
                ("receiver", &receiver),
                ("alert", &ticket.alert.key),
                ("state", &ticket.alert.state),
            ];
            told::tell("deliver", Some(parent), std::time::Duration::ZERO, &attributes)
        };
        Self(owed.filter_map(span).take(MOST).collect())
    }

    /// That of the request.
    pub(crate) fn context(&self) -> Option<TraceContext> {
        self.0.first().map(Telling::context)
    }

    pub(crate) fn end(self, answer: &Answer) {
        match answer {
            Answer::Took(_) => {}
            Answer::Refused { why } | Answer::Failed { why, .. } => {
                self.0.into_iter().for_each(|span| span.failed(why));
            }
        }
    }
}
