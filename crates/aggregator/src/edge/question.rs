//! Questions over gRPC: how often one client may ask, and how many answers are kept for it until they are read.
//!
//! Around all calls, by a table, so that none is forgotten: of Ward's own what is in no table is a question. Those that are have
//! bounds of their own where they are taken. Of `grpc.health.v1` it is `List` alone: `Check` costs less than to look whether it
//! may be asked, and who asks takes a refusal for an illness.
//!
//! An answer holds its place until its reader has taken nearly all of it. Who stands still is cut with the connection, as a
//! watcher is.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use ward_chassis::Peer;

use super::{Edge, client::Share, deadline::Deadline, failure::Failure, pieces::Pieces, refusal};
use crate::access::Caller;

/// Those of Ward's own that are no question: streams, what reports, and what commands.
const OTHERS: [&str; 9] = [
    "HealthService/Report",
    "HealthService/ReportOnce",
    "HealthService/Watch",
    "HealthService/StartMaintenance",
    "HealthService/EndMaintenance",
    "HealthService/Forget",
    "AlertService/Acknowledge",
    "AlertService/EndAcknowledgement",
    "AuditService/TailEvents",
];

/// A place for the answer of a call, if it needs one and its client may have it.
pub(super) fn place(edge: &Edge, path: &str, caller: &Caller) -> Result<Option<Place>, Failure> {
    if !is_question(path) {
        return Ok(None);
    }
    let now = edge.clock.mono();
    let account = edge.clients.of(caller, now);
    account.ask(now).map_err(|wait| {
        edge.metrics.count_bound("questions");
        Failure::TooOften("this client asks more often than it may: come back later", wait)
    })?;
    let share = match path {
        "/ward.health.v1.AlertService/ReadRecording" => edge.clients.read_recording(account),
        _ => account.answer(),
    };
    Ok(Some(Place {
        share: share.map_err(|full| refusal::full(edge, full))?,
        peer: caller.peer().cloned(),
        patience: edge.hub.stall_after(),
    }))
}

fn is_question(path: &str) -> bool {
    match path.strip_prefix("/ward.health.v1.") {
        Some(method) => !OTHERS.contains(&method),
        None => path == "/grpc.health.v1.Health/List",
    }
}

/// What an answer takes of what its client may have.
#[derive(Debug)]
pub(super) struct Place {
    share: Share,
    peer: Option<Peer>,
    /// How long its reader may take nothing.
    patience: Duration,
}

impl Place {
    /// Held until `body` is read.
    pub(super) fn until_read<B>(self, body: B) -> UntilRead<B> {
        let Self {
            share,
            peer,
            patience,
        } = self;
        UntilRead {
            body: Pieces::new(body),
            deadline: Some(Deadline::new(peer.clone(), patience)),
            peer,
            patience,
            _share: share,
        }
    }
}

/// Such a body.
#[derive(Debug)]
pub(super) struct UntilRead<B> {
    body: Pieces<B>,
    /// By when more is to be asked for; `None` while it is made.
    deadline: Option<Deadline>,
    peer: Option<Peer>,
    patience: Duration,
    _share: Share,
}

impl<B: Body<Data = Bytes> + Unpin> Body for UntilRead<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        this.deadline = None;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        this.deadline = Some(Deadline::new(this.peer.clone(), this.patience));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_no_table_is_a_question() {
        for path in [
            "/ward.health.v1.HealthService/ListServices",
            "/ward.health.v1.AlertService/ReadRecording",
            "/ward.health.v1.AuditService/Prove",
            "/ward.health.v1.NewService/Anything",
            "/grpc.health.v1.Health/List",
        ] {
            assert!(is_question(path), "{path}");
        }
        for path in [
            "/ward.health.v1.HealthService/Watch",
            "/ward.health.v1.HealthService/ReportOnce",
            "/ward.health.v1.AlertService/Acknowledge",
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch",
        ] {
            assert!(!is_question(path), "{path}");
        }
    }
}
