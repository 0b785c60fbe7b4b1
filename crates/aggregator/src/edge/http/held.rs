//! Answers that are kept until they are read: each has a place, and a time after which its connection is cut.
//!
//! hyper takes a body over when it is one piece, and asks for no more of one whose reader stands still. So the bytes are
//! handed out in pieces, which keeps the place taken until nearly all is written; and the clock runs in a task of its own,
//! since a body that is not asked for anything cannot end itself.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::task::AbortHandle;
use ward_chassis::Peer;

use super::limits::Place;

/// Bytes handed out at once: a quarter of what a connection keeps for a reader.
const PIECE: usize = 16 << 10;

/// A body with a place.
#[derive(Debug)]
pub(super) struct Held {
    body: Body,
    rest: Bytes,
    _place: Place,
    clock: Option<AbortHandle>,
}

impl Held {
    /// Holds `place` until the body is read, at most for `time`.
    pub(super) fn new(body: Body, place: Place, peer: Option<Peer>, time: Duration) -> Self {
        let clock = peer.map(|peer| {
            let late = async move {
                tokio::time::sleep(time).await;
                tracing::debug!(addr = %peer.addr, "an answer was not read in time: its connection is cut");
                peer.cut();
            };
            tokio::spawn(late).abort_handle()
        });
        Self {
            body,
            rest: Bytes::new(),
            _place: place,
            clock,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(clock) = &self.clock {
            clock.abort();
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
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let most = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(most);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let mut hint = self.body.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
