//! `ReportOnce`: one full report of an instance that holds no stream.
//!
//! A shell script has nowhere to keep an incarnation, so it may leave it out. Which life is meant then is for the engine
//! to see, at the moment it takes the report: asking it first would let two reports at once start two lives.

use ward_chassis::telemetry::TraceContext;
use ward_engine::{Event, Reply};
use ward_model::Incarnation;
use ward_proto::{
    Converted, Invalid, hello_once,
    v1::{self, RejectionCode},
};

use super::{
    super::{Edge, admit::denied, client::Account, failure::Failure, refusal},
    answer::{past_bounds, registration, rejection},
};
use crate::{
    access::Caller,
    story::{self, Reported},
};

/// Whether a client may have one more report decided. For gRPC: over HTTP an address has a bound for all that it tells.
pub(in super::super) fn admit_once(edge: &Edge, account: &Account) -> Result<(), Failure> {
    account.once(edge.clock.mono()).map_err(|wait| {
        edge.metrics.count_bound("reports");
        let message = "this client reports more often than it may: hold a stream, or come back later";
        Failure::TooOften(message, wait)
    })
}

/// Takes one report, or a last word, of somebody who is in the trace `called_in` and may say otherwise. What is wrong as a
/// whole is the failure; what was left out stands in the answer.
pub(in super::super) async fn report_once(
    edge: &Edge,
    caller: &Caller,
    request: v1::ReportOnceRequest,
    called_in: Option<TraceContext>,
) -> Result<v1::ReportOnceResponse, Failure> {
    edge.decider.count_ingress();
    let result = take_in(edge, caller, request, called_in).await;
    if let Ok(response) = &result {
        for rejection in &response.rejections {
            edge.metrics.count_rejections(refusal::label(rejection.code()), 1);
        }
    }
    result
}

async fn take_in(
    edge: &Edge,
    caller: &Caller,
    request: v1::ReportOnceRequest,
    called_in: Option<TraceContext>,
) -> Result<v1::ReportOnceResponse, Failure> {
    edge.metrics
        .count_report(if request.goodbye { "goodbye_once" } else { "once" });
    let hello = request
        .hello
        .ok_or_else(|| Invalid::new("hello", "is missing, expected one"))?;
    let trace = story::seen_in(&hello.traceparent).or(called_in);
    let anonymous = hello.incarnation.is_empty();
    let Converted {
        value: hello,
        left_out,
    } = hello_once(hello, &new_life())?;
    caller
        .may_say(&hello)
        .map_err(|missing| denied(edge, caller, missing))?;
    let id = hello.id.clone();
    let left_out = left_out.into_iter();
    let mut rejections: Vec<_> = left_out
        .map(|part| rejection(Some(&id), 0, RejectionCode::Invalid, part.to_string()))
        .collect();
    let event = if request.goodbye {
        Event::GoodbyeOnce {
            id: hello.id,
            incarnation: (!anonymous).then_some(hello.incarnation),
        }
    } else if anonymous {
        Event::HelloAnonymous {
            hello: Box::new(hello),
        }
    } else {
        Event::Hello {
            stream: None,
            hello: Box::new(hello),
        }
    };
    match edge.decider.apply(Reported { event, trace }).await? {
        Reply::Registered(registered) => {
            if registered.left_out > 0 {
                let message = past_bounds(registered.left_out);
                rejections.push(rejection(Some(&id), 0, RejectionCode::Exhausted, message));
            }
            let registration = Some(registration(&id, 0, &registered));
            Ok(v1::ReportOnceResponse {
                registration,
                rejections,
            })
        }
        Reply::Refused(refusal) => {
            refusal::count(edge, &refusal);
            Err(Failure::from(&refusal))
        }
        _ => Ok(v1::ReportOnceResponse {
            registration: None,
            rejections,
        }),
    }
}

fn new_life() -> Incarnation {
    Incarnation::new(&format!("{:032x}", rand::random::<u128>())).expect("32 hexadecimal digits")
}
