//! Between the messages of `Watch` and what the differ takes. No more than that: an unknown word of a newer aggregator is
//! an error here only where the state would be wrong without it.

use std::time::Duration;

use ward_model::{AuditHead, Entity, Revision, Status};
use ward_proto::{Invalid, v1};
use ward_tlog::{Hash, MAX_SIZE};

use super::{Builder, Cursor, Error, Level, UpdateKind, differ::Step, link::Message};

/// The longest name of a log, by far: a host name and a random number.
const ORIGIN_BYTES: usize = 256;

/// What to ask for, behind `resume`.
pub(super) fn request(what: &Builder, resume: Option<Cursor>) -> v1::WatchRequest {
    let level = match what.level {
        Level::System => v1::WatchLevel::System,
        Level::Service => v1::WatchLevel::Service,
        Level::Instance => v1::WatchLevel::Instance,
    };
    let least = match what.least_severity {
        Status::Healthy => v1::Status::Unspecified,
        status => v1::Status::from(status),
    };
    v1::WatchRequest {
        names: what.names.iter().map(ToString::to_string).collect(),
        level: level.into(),
        least_severity: least.into(),
        resume: resume.map(|Cursor { epoch, revision }| (epoch, revision).into()),
    }
}

/// What a message says. `None` for one of a kind that this side does not know and can do without.
pub(super) fn message(wire: v1::WatchResponse) -> Result<Option<Message>, Error> {
    match wire.event {
        Some(v1::watch_response::Event::Delta(delta)) => Ok(Some(Message::Step(step(delta)?))),
        Some(v1::watch_response::Event::Bookmark(mark)) => {
            let (epoch, revision) = mark.cursor.unwrap_or_default().into();
            let observer = mark.observer.unwrap_or_default().into();
            Ok(Some(Message::Bookmark {
                cursor: Cursor { epoch, revision },
                observer,
                audit: mark.audit.and_then(head),
            }))
        }
        Some(v1::watch_response::Event::Closing(closing)) => Err(Error::Closing {
            reason: closing.reason,
            retry_after: Duration::from_millis(closing.retry_after_ms.into()),
        }),
        None => Ok(None),
    }
}

/// What is no head that this side knows is as none: the state is right without it.
fn head(wire: v1::AuditHead) -> Option<AuditHead> {
    let head = AuditHead::try_from(wire).ok()?;
    let origin = &head.origin;
    let named = (1..=ORIGIN_BYTES).contains(&origin.len()) && !origin.contains(char::is_control);
    let possible = head.size <= MAX_SIZE && (head.size > 0 || head.root == Hash::EMPTY.0);
    (named && possible).then_some(head)
}

/// The hashes of a proof. Whether it shows anything is not asked here.
pub(super) fn proof(wire: v1::ConsistencyResponse) -> Result<Vec<Hash>, Invalid> {
    let hash = |bytes: Vec<u8>| {
        Hash::try_from(bytes.as_slice())
            .map_err(|_| Invalid::new("hashes", format!("one has {} bytes, expected 32", bytes.len())))
    };
    wire.hashes.into_iter().map(hash).collect()
}

fn step(delta: v1::Delta) -> Result<Step, Invalid> {
    let kind = match delta.kind() {
        v1::DeltaKind::Snapshot => UpdateKind::Snapshot,
        v1::DeltaKind::Revision => UpdateKind::Revision,
        v1::DeltaKind::Coalesced => UpdateKind::Coalesced {
            skipped: delta.skipped,
        },
        v1::DeltaKind::Unspecified => {
            return Err(Invalid::new(
                "delta.kind",
                "is none of revision, coalesced, snapshot",
            ));
        }
    };
    let entities = delta
        .entities
        .into_iter()
        .map(Entity::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Step {
        epoch: ward_model::Epoch(delta.epoch),
        to: Revision(delta.to),
        kind,
        last: delta.last,
        entities,
    })
}
