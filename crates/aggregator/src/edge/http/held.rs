//! Answers that are kept until they are read: each has a place, and a time after which its connection is cut.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use ward_chassis::Peer;

use super::limits::Place;
use crate::edge::{deadline::Deadline, pieces::Pieces};

/// A body with a place.
#[derive(Debug)]
pub(super) struct Held {
    body: Pieces<Body>,
    _place: Place,
    _deadline: Deadline,
}

impl Held {
    /// Holds `place` until the body is read, at most for `time`.
    pub(super) fn new(body: Body, place: Place, peer: Option<Peer>, time: Duration) -> Self {
        Self {
            body: Pieces::new(body),
            _place: place,
            _deadline: Deadline::new(peer, time),
        }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
