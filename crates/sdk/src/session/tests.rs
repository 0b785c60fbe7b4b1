//! The conversation, one exchange at a time.

use ward_chassis::telemetry::TraceContext;

use super::*;

const HELLO: Due = Due {
    hello: true,
    full: false,
    beat: false,
    news: false,
};
const FULL: Due = Due {
    full: true,
    hello: false,
    beat: false,
    news: false,
};
const BEAT: Due = Due {
    beat: true,
    hello: false,
    full: false,
    news: false,
};
const NEWS: Due = Due {
    news: true,
    hello: false,
    full: false,
    beat: false,
};

fn state(status: Status, value: f64) -> State {
    let result = CheckResult {
        name: Name::new("db").unwrap(),
        status,
        message: String::new(),
    };
    State {
        results: vec![result],
        values: vec![SignalValue {
            name: Name::new("load").unwrap(),
            value,
        }],
        traced: None,
    }
}

fn known() -> Session {
    let introduction = v1::Hello {
        service: "payments".into(),
        instance: "p-1".into(),
        incarnation: "i".into(),
        ..Default::default()
    };
    let mut session = Session::new(introduction);
    assert!(
        session
            .speak(BEAT, &state(Status::Healthy, 0.0), Wall(0))
            .is_none(),
        "a stranger does not beat"
    );
    let hello = session
        .speak(HELLO, &state(Status::Healthy, 0.0), Wall(7))
        .unwrap()
        .hellos
        .remove(0);
    assert_eq!(
        (
            hello.sequence,
            hello.results.len(),
            hello.values.len(),
            hello.sent_unix_ms
        ),
        (1, 1, 1, 7)
    );
    let heard = session.hear(registration(5));
    assert!(heard.registered && session.is_known());
    session
}

fn registration(handle: u32) -> v1::ReportResponse {
    let registration = v1::Registration {
        service: "payments".into(),
        instance: "p-1".into(),
        handle,
        ..Default::default()
    };
    v1::ReportResponse {
        registrations: vec![registration],
        ..Default::default()
    }
}

fn rejection(handle: u32, code: RejectionCode) -> v1::ReportResponse {
    let rejection = v1::Rejection {
        handle,
        code: code.into(),
        ..Default::default()
    };
    v1::ReportResponse {
        rejections: vec![rejection],
        ..Default::default()
    }
}

#[test]
fn only_what_changed_is_said() {
    let mut session = known();
    let same = session
        .speak(BEAT, &state(Status::Healthy, 0.0), Wall(0))
        .unwrap();
    assert_eq!((same.beats, same.updates.len()), (vec![5], 0));
    assert!(
        session
            .speak(NEWS, &state(Status::Healthy, 1.0), Wall(0))
            .is_none(),
        "a value waits for the beat"
    );
    let beat = session
        .speak(BEAT, &state(Status::Healthy, 1.0), Wall(0))
        .unwrap();
    assert!(beat.beats.is_empty(), "an update counts as a beat");
    assert_eq!((beat.updates[0].sequence, beat.updates[0].handle), (2, 5));
    assert_eq!(
        (beat.updates[0].results.len(), beat.updates[0].values.len()),
        (0, 1)
    );
    let news = session
        .speak(NEWS, &state(Status::Degraded, 1.0), Wall(0))
        .unwrap();
    assert_eq!(
        (
            news.updates[0].sequence,
            news.updates[0].results.len(),
            news.updates[0].values.len()
        ),
        (3, 1, 0)
    );
}

#[test]
fn a_change_takes_its_trace_along_and_nothing_else_does() {
    const CONTEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut session = known();
    let mut traced = |due, status, value, of: Status| {
        let state = State {
            traced: Some(Traced {
                check: Name::new("db").unwrap(),
                status: of,
                context: TraceContext::parse(CONTEXT).unwrap(),
            }),
            ..state(status, value)
        };
        let request = session.speak(due, &state, Wall(0)).unwrap();
        let hello = request.hellos.first().map(|hello| &hello.traceparent);
        let update = request.updates.first().map(|update| &update.traceparent);
        hello.or(update).unwrap().clone()
    };
    // A signal alone, and a change that is over.
    assert_eq!(traced(BEAT, Status::Healthy, 1.0, Status::Healthy), "");
    assert_eq!(traced(BEAT, Status::Degraded, 1.0, Status::Unhealthy), "");
    assert_eq!(traced(BEAT, Status::Unhealthy, 1.0, Status::Unhealthy), CONTEXT);
    assert_eq!(traced(HELLO, Status::Degraded, 1.0, Status::Unhealthy), "");
    assert_eq!(traced(HELLO, Status::Unhealthy, 1.0, Status::Unhealthy), CONTEXT);
}

#[test]
fn after_a_gap_everything_is_said() {
    let mut session = known();
    let gap = |handle| v1::ReportResponse {
        full_state_wanted: vec![handle],
        ..Default::default()
    };
    assert!(!session.hear(gap(4)).full_wanted, "another's handle");
    assert!(session.hear(gap(5)).full_wanted);
    let full = session
        .speak(FULL, &state(Status::Healthy, 0.0), Wall(0))
        .unwrap()
        .updates
        .remove(0);
    assert!(full.full);
    assert_eq!((full.results.len(), full.values.len()), (1, 1));
}

#[test]
fn a_new_stream_starts_over_and_the_sequence_does_not() {
    let mut session = known();
    session.restart();
    assert!(
        session
            .speak(BEAT, &state(Status::Healthy, 0.0), Wall(0))
            .is_none()
    );
    let hello = session
        .speak(HELLO, &state(Status::Degraded, 2.0), Wall(0))
        .unwrap()
        .hellos
        .remove(0);
    assert_eq!(hello.sequence, 2);
    assert_eq!(hello.results[0].status(), v1::Status::Degraded);
    assert!(session.hear(registration(0)).registered, "handles may be 0");
    assert_eq!(
        session
            .speak(BEAT, &state(Status::Degraded, 2.0), Wall(0))
            .unwrap()
            .beats,
        [0]
    );
}

#[test]
fn rejections_are_taken_for_what_they_are_about() {
    let mut session = known();
    assert!(
        session
            .hear(rejection(4, RejectionCode::UnknownHandle))
            .refused
            .is_empty(),
        "a handle of before"
    );
    assert_eq!(
        session.hear(rejection(5, RejectionCode::Exhausted)).refused.len(),
        1
    );
    assert!(session.is_known());
    assert_eq!(
        session.hear(rejection(5, RejectionCode::Forgotten)).refused.len(),
        1
    );
    assert!(!session.is_known());
    assert!(session.hear(registration(5)).registered);
    assert_eq!(session.hear(rejection(5, RejectionCode::Denied)).refused.len(), 1);
    assert!(
        !session.is_known(),
        "who may not report has no handle to beat with"
    );
    let mut both = registration(6);
    both.rejections = rejection(0, RejectionCode::Invalid).rejections;
    assert!(
        session.hear(both).registered && session.is_known(),
        "a hello of which a part was left out"
    );
}

#[test]
fn the_interval_in_force_is_the_aggregators_within_bounds() {
    let mut session = known();
    let mut told = |interval_ms| {
        let mut answer = registration(5);
        answer.registrations[0].interval_ms = interval_ms;
        let heard = session.hear(answer);
        assert!(heard.registered);
        heard.interval.map(|interval| interval.as_millis())
    };
    assert_eq!(told(0), None, "an older aggregator");
    assert_eq!(told(200), Some(200));
    assert_eq!(told(1), Some(100));
    assert_eq!(told(u32::MAX), Some(3_600_000));
}

#[test]
fn goodbye_is_said_once_and_only_by_the_known() {
    let mut session = known();
    assert_eq!(session.goodbye("stop").unwrap().goodbyes[0].handle, 5);
    assert!(session.goodbye("stop").is_none());
}
