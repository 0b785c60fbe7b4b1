//! Model values as the numbers and words that stand in the database.
//!
//! They are written out here and not taken from the order of the enums: what was written by an older version has to be
//! read for ever.

use ward_model::{Freshness, Incarnation, SpanReason, Status};

use crate::write::Kept;

/// The number of a status.
pub(crate) fn status(status: Status) -> i64 {
    match status {
        Status::Healthy => 0,
        Status::Unknown => 1,
        Status::Degraded => 2,
        Status::Unhealthy => 3,
    }
}

/// The status of a number; one that is none is no evidence.
pub(crate) fn read_status(number: i64) -> Status {
    match number {
        0 => Status::Healthy,
        2 => Status::Degraded,
        3 => Status::Unhealthy,
        _ => Status::Unknown,
    }
}

/// Status and freshness of an instance in one small number: rows are many.
pub(crate) fn state(of: Status, freshness: Freshness) -> i64 {
    let freshness = match freshness {
        Freshness::Fresh => 0,
        Freshness::Suspect => 1,
        Freshness::Lost => 2,
        Freshness::Exited => 3,
    };
    status(of) + 4 * freshness
}

/// The reverse of [`state`].
pub(crate) fn read_state(number: i64) -> (Status, Freshness) {
    let freshness = match number.div_euclid(4) {
        0 => Freshness::Fresh,
        1 => Freshness::Suspect,
        3 => Freshness::Exited,
        _ => Freshness::Lost,
    };
    (read_status(number.rem_euclid(4)), freshness)
}

/// A reason as it is read back.
pub(crate) fn read_reason(word: &str) -> SpanReason {
    SpanReason::from(word)
}

/// The word of a kind of what is kept by key.
pub(crate) fn kept(kind: Kept) -> &'static str {
    match kind {
        Kept::Alert => "alert",
        Kept::Owed => "owed",
        Kept::Acknowledgement => "acknowledgement",
    }
}

const DIGITS: u8 = 1;
const TEXT: u8 = 0;

/// An incarnation in as few bytes as it takes: the first says how the others are meant.
pub(crate) fn incarnation(of: &Incarnation) -> Vec<u8> {
    match of.digits() {
        Some(digits) => std::iter::once(DIGITS).chain(digits).collect(),
        None => std::iter::once(TEXT).chain(of.to_string().into_bytes()).collect(),
    }
}

/// The reverse of [`incarnation`]; `None` for what it never writes.
pub(crate) fn read_incarnation(bytes: &[u8]) -> Option<Incarnation> {
    match bytes.split_first()? {
        (&DIGITS, digits) => Some(<[u8; 16]>::try_from(digits).ok()?.into()),
        (&TEXT, text) => Incarnation::new(std::str::from_utf8(text).ok()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let all = [
            Freshness::Fresh,
            Freshness::Suspect,
            Freshness::Lost,
            Freshness::Exited,
        ];
        for was in Status::ALL {
            assert_eq!(read_status(status(was)), was);
            for freshness in all {
                assert_eq!(read_state(state(was, freshness)), (was, freshness));
            }
        }
        for text in [
            "00c0ffee00c0ffee00c0ffee00c0ffee",
            "4f1c",
            "fifteen-letters",
            "sixteen-letters-",
        ] {
            let was = Incarnation::new(text).unwrap();
            assert_eq!(read_incarnation(&incarnation(&was)), Some(was));
        }
    }

    #[test]
    fn what_nobody_wrote_is_no_evidence_of_health() {
        assert_eq!(read_status(7), Status::Unknown);
        assert_eq!(read_state(-1), (Status::Unhealthy, Freshness::Lost));
        for bytes in [&[][..], &[1, 2], &[0], &[0, 0xff], &[9, 9]] {
            assert_eq!(read_incarnation(bytes), None);
        }
    }
}
