//! Holds what is written by hand to what generated code makes of the same entity.

use proptest::prelude::*;
use prost::{
    Message as _,
    encoding::{self, message},
};
use ward_model::{Condition, Incarnation};

use super::*;
use crate::round_trip::entity;

/// Of two bytes, so that keys are not taken for granted.
const TAG: u32 = 77;

fn ours(entity: &Entity) -> BytesMut {
    let mut buffer = BytesMut::from("before");
    encode_entity(TAG, entity, &mut buffer);
    buffer
}

fn generated(entity: &Entity) -> BytesMut {
    let mut buffer = BytesMut::from("before");
    message::encode(TAG, &v1::Entity::from(entity), &mut buffer);
    buffer
}

/// What the bytes of [`ours`] say, which start with a key and a length behind what stood before.
fn decoded(bytes: &BytesMut) -> v1::Entity {
    let mut field = &bytes["before".len()..];
    assert_eq!(
        encoding::decode_key(&mut field).unwrap(),
        (TAG, encoding::WireType::LengthDelimited)
    );
    let entity = v1::Entity::decode_length_delimited(&mut field).unwrap();
    assert!(field.is_empty());
    entity
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_is_read(entity in entity()) {
        prop_assert_eq!(decoded(&ours(&entity)), v1::Entity::from(&entity));
    }

    /// Without the labels, which generated code writes in any order.
    #[test]
    fn bytes_are_those_of_generated_code(mut entity in entity()) {
        if let Entity::Instance(instance) = &mut entity {
            while instance.labels.len() > 1 {
                instance.labels.pop_last();
            }
        }
        prop_assert_eq!(ours(&entity), generated(&entity));
    }
}

/// An empty system whose condition says as much.
fn saying(bytes: usize) -> Entity {
    let condition = Condition {
        message: "x".repeat(bytes),
        ..Condition::default()
    };
    Entity::System(SystemState {
        condition,
        ..SystemState::default()
    })
}

#[test]
fn lengths_of_any_size_have_room() {
    // Around the ends of lengths of one, two and three bytes, at each of the levels.
    for edge in [1 << 7, 1 << 14, 1 << 21] {
        for bytes in edge - 64..=edge {
            let entity = saying(bytes);
            assert!(ours(&entity) == generated(&entity), "{bytes} bytes");
        }
    }
}

#[test]
fn both_kinds_of_incarnations_are_told_as_text() {
    for text in ["00c0ffee00c0ffee00c0ffee00c0ffee", &"x".repeat(64)] {
        let mut buffer = BytesMut::new();
        Fields::new(&mut buffer).displayed(3, &Incarnation::new(text).unwrap());
        let mut plain = BytesMut::new();
        encoding::string::encode(3, &text.to_owned(), &mut plain);
        assert_eq!(buffer, plain);
    }
}
