//! Canonical bytes: what they are for ever, and that there is no other way to write an event.

use proptest::prelude::*;
use ward_model::{Epoch, Mono, Now, Revision, Wall};

use super::*;
use crate::event::{Draft, Kind, Source};

fn sample() -> Event {
    Draft::new(
        Kind::Transition,
        Source::Engine,
        "payments/web-1",
        Now {
            mono: Mono(12_345),
            wall: Wall(1_700_000_000_000),
        },
    )
    .at(Epoch(0xfe), Revision(7))
    .with("to", "unhealthy")
    .with("from", "healthy")
    .with("message", "a \"quote\",\n\u{1b}[2J ü\u{9b}\u{202e}\u{e0041}")
    .placed(3, Hash([7; 32]), "b0074d")
}

#[test]
fn the_bytes_are_these_for_ever() {
    let expected = concat!(
        r#"{"index":3,"prev":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=","version":1,"epoch":"00000000000000fe","#,
        r#""revision":7,"time":1700000000000,"boot":"b0074d","mono":12345,"actor":"ward","subject":"payments/web-1","#,
        r#""kind":"transition","source":"engine","phase":"outcome","evidence":{"from":"healthy","#,
        r#""message":"a \"quote\",\u000a\u001b[2J ü\u009b\u202e\udb40\udc41","to":"unhealthy"}}"#,
    );
    let bytes = sample().encode();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
    assert_eq!(Event::decode(&bytes), Ok(sample()));
    // The same fields in the same order, so that other serializers of events tell nothing else.
    assert_eq!(
        serde_json::to_value(sample()).unwrap(),
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
    );
}

#[test]
fn another_way_to_write_it_is_refused() {
    let text = String::from_utf8(sample().encode()).unwrap();
    for (from, to) in [
        (",\"version\"", ", \"version\""),
        ("\\u000a", "\\n"),
        ("\\u001b", "\\u001B"),
        ("\"revision\":7", "\"revision\":7.0"),
        ("\"index\":3", "\"index\":03"),
        ("00000000000000fe", "00000000000000FE"),
        ("00000000000000fe", "fe"),
        (
            "\"kind\":\"transition\",\"source\":\"engine\"",
            "\"source\":\"engine\",\"kind\":\"transition\"",
        ),
        ("\"from\":\"healthy\"", "\"from\":\"x\",\"from\":\"healthy\""),
        ("}}", "}}\n"),
        ("}}", "},\"more\":1}"),
        ("\"phase\":\"outcome\"", "\"phase\":\"outcome\",\"intent\":null"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(Event::decode(changed.as_bytes()).is_err(), "{changed}");
    }
    let newer = text.replacen("\"version\":1", "\"version\":2,\"color\":\"red\"", 1);
    assert_eq!(Event::decode(newer.as_bytes()), Err(InvalidEntry::Version(2)));
}

/// Short ones of anything, long ones of one character.
fn text() -> impl Strategy<Value = String> {
    let long = prop_oneof![
        Just('"'),
        Just('\u{1}'),
        Just('\u{e0041}'),
        Just('x'),
        any::<char>()
    ];
    prop_oneof![
        ".{0,50}",
        (long, 0..9000_usize).prop_map(|(c, count)| c.to_string().repeat(count))
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_back_and_fits(
        index: u64,
        prev: [u8; 32],
        numbers: (u64, u64, i64, u64),
        actor in text(),
        subject in ".{0,60}",
        pieces in prop::collection::vec((".{0,70}", text()), 0..40),
    ) {
        let (epoch, revision, wall, mono) = numbers;
        let now = Now { mono: Mono(mono), wall: Wall(wall) };
        let mut draft = Draft::new(Kind::Forget, Source::Operator, subject, now).by(actor);
        draft = draft.at(Epoch(epoch), Revision(revision));
        for (key, value) in pieces {
            draft = draft.with(&key, value);
        }
        let body = draft.clone().body("boot");
        let mut event = draft.placed(index, Hash(prev), "boot");
        let bytes = event.encode();
        prop_assert!(bytes.len() <= ENTRY_BYTES);
        // What is written before its place is known is what is written then.
        prop_assert_eq!(bytes.strip_prefix(Prefix::of(index, &Hash(prev)).as_bytes()), Some(&body[..]));
        prop_assert!(!String::from_utf8_lossy(&bytes).contains(char::is_control));
        prop_assert_eq!(Event::decode(&bytes), Ok(event));
    }

    #[test]
    fn no_bytes_break_the_reading(bytes: Vec<u8>, at: prop::sample::Index, byte: u8) {
        prop_assert!(Event::decode(&bytes).is_err());
        let mut bytes = sample().encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(mut event) = Event::decode(&bytes) {
            prop_assert_eq!(event.encode(), bytes);
        }
    }
}

#[test]
fn what_is_shortened_says_by_how_much() {
    let mut event = Draft::new(Kind::Transition, Source::Engine, "a", Now::default())
        .with("message", "x".repeat(50_000))
        .with("to", "degraded")
        .placed(0, Hash([0; 32]), "boot");
    let bytes = event.encode();
    assert!(bytes.len() > 8000);
    assert_eq!(event.evidence.get("to"), Some("degraded"));
    let message = event.evidence.get("message").unwrap();
    assert!(message.ends_with("x…[41808 bytes cut]"), "{}", &message[8000..]);
}
