//! A watch as the body of a gRPC response.
//!
//! The hub hands out messages as they are sent, most of them the same bytes for many watchers; a message that is alone
//! leaves as it is, and those that are there together leave as one. Tonic's own encoder was not taken: it makes, fills and
//! splits a buffer for each message of each watcher, which costs more than all else that is done for it. Sizes need no check:
//! the hub fills a message up to 32 KiB and one entity more, and entities are bounded.
//!
//! A piece is what h2 holds for a watcher who does not read, whatever else it is told about buffers: hyper hands over a piece
//! whenever it has none waiting. So pieces are small.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};
use tonic::Status;

use super::Told;

/// Messages that are ready together leave in one piece, up to this: a message of a snapshot. What is written gathers behind
/// h2 anyway.
const PIECE: usize = 8 << 10;

/// Tells one watcher, then ends the call.
#[derive(Debug)]
pub(in super::super) struct TellBody {
    told: Told,
    /// The end of the call was told.
    over: bool,
}

impl TellBody {
    pub(in super::super) fn new(told: Told) -> Self {
        Self { told, over: false }
    }

    /// What is there now, up to [`PIECE`] and one message; `None` at the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut next = || Pin::new(&mut self.told).poll_next(cx);
        let Some(first) = ready!(next()) else {
            return Poll::Ready(None);
        };
        let first = first.delimited();
        if first.len() >= PIECE {
            return Poll::Ready(Some(first));
        }
        let Poll::Ready(Some(second)) = next() else {
            return Poll::Ready(Some(first));
        };
        let second = second.delimited();
        // No more room than that: whoever does not read has a piece of its own for as long as that lasts.
        let mut piece = BytesMut::with_capacity(first.len() + second.len());
        piece.put(first);
        piece.put(second);
        while piece.len() < PIECE
            && let Poll::Ready(Some(message)) = next()
        {
            piece.put(message.delimited());
        }
        Poll::Ready(Some(piece.freeze()))
    }
}

impl Body for TellBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = match ready!(self.poll_piece(cx)) {
            Some(piece) => Frame::data(piece),
            None => {
                self.over = true;
                Frame::trailers(HeaderMap::from_iter([(
                    Status::GRPC_STATUS,
                    HeaderValue::from_static("0"),
                )]))
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}
