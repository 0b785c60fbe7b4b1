//! Reports: over a stream, once, and as JSON.
//!
//! What was taken, written down again, is taken as the same, and nothing of it is left out any more.

use prost::Message;
use ward_aggregator::fuzzed;
use ward_model::{Hello, Incarnation, Update};
use ward_proto::{Converted, Invalid, hello_once, v1};

use crate::is_harmless;

/// One message of a report stream, read where it lies: as prost reads it.
pub(crate) fn report(message: &[u8]) {
    let here = fuzzed::report(message);
    let prost = v1::ReportRequest::decode(message);
    let (mut request, mut expected) = match (here, prost) {
        (Ok(request), Ok(expected)) => (request, expected),
        (Err(error), Err(_)) => return is_harmless(&error.to_string()),
        (here, prost) => panic!("{here:?}, and prost: {prost:?}"),
    };
    for request in [&mut request, &mut expected] {
        request
            .hellos
            .iter_mut()
            .for_each(|hello| comparable(&mut hello.values, &mut hello.signals));
        request
            .updates
            .iter_mut()
            .for_each(|update| comparable(&mut update.values, &mut []));
    }
    assert_eq!(request, expected);
    for wire in request.hellos {
        convert(wire, Converted::<Hello>::try_from, |hello| v1::Hello::from(hello));
    }
    for wire in request.updates {
        convert(wire, Converted::<Update>::try_from, |update| {
            v1::Update::from(update)
        });
    }
}

/// NaN is not equal to itself.
fn comparable(values: &mut [v1::SignalValue], signals: &mut [v1::SignalDeclaration]) {
    let levels = signals
        .iter_mut()
        .flat_map(|signal| [&mut signal.degraded, &mut signal.unhealthy]);
    let levels = levels
        .flatten()
        .flat_map(|level| [&mut level.raise, &mut level.clear]);
    let values = values.iter_mut().map(|value| &mut value.value);
    for number in values.chain(levels).filter(|number| number.is_nan()) {
        *number = f64::INFINITY;
    }
}

/// A message of `ReportOnce`.
pub(crate) fn report_once(message: &[u8]) {
    if let Ok(v1::ReportOnceRequest {
        hello: Some(hello), ..
    }) = v1::ReportOnceRequest::decode(message)
    {
        once(hello);
    }
}

/// The body of `POST /api/v1/report`.
pub(crate) fn json_report(body: &[u8]) {
    match fuzzed::json_report(body) {
        Ok(request) => once(request.hello.expect("a body is a report")),
        Err(problem) => {
            is_harmless(problem["detail"].as_str().expect("a problem says what is wrong"));
            for error in problem["errors"].as_array().into_iter().flatten() {
                is_harmless(error["detail"].as_str().expect("a field says what is wrong"));
                is_harmless(error["pointer"].as_str().expect("and where it is"));
            }
        }
    }
}

fn once(wire: v1::Hello) {
    let life = Incarnation::new("new-life").expect("letters");
    convert(
        wire,
        |wire| hello_once(wire, &life),
        |hello| v1::Hello::from(hello),
    );
}

fn convert<W, M: PartialEq + std::fmt::Debug>(
    wire: W,
    read: impl Fn(W) -> Result<Converted<M>, Invalid>,
    write: impl Fn(&M) -> W,
) {
    let taken = match read(wire) {
        Ok(taken) => taken,
        Err(invalid) => return is_harmless(&invalid.to_string()),
    };
    taken
        .left_out
        .iter()
        .for_each(|part| is_harmless(&part.to_string()));
    let again = read(write(&taken.value)).expect("what was taken is taken again");
    assert_eq!(again.left_out, []);
    assert_eq!(again.value, taken.value);
}
