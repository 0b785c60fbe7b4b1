//! An answer that ends once something is taken away from whoever it is for.
//!
//! Around the body, so that it holds for every stream of every edge, also of those that were written by others. It ends as a
//! stream does that is to be begun anew: who may still do what they were doing comes back at once, the others are told what
//! they are missing. A body whose reader stands still is not asked for its end; those that take something in meanwhile have to
//! look for themselves.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tonic::Status;

use crate::access::Loss;

/// What ends because of that.
pub(in super::super) fn taken_away() -> Status {
    Status::unavailable("what you may do has changed: ask again")
}

/// Such a body.
pub(in super::super) struct Until<B> {
    body: B,
    /// `None` once it has ended.
    loss: Option<Loss>,
    /// Whether the end is told as gRPC does.
    grpc: bool,
}

impl<B> Until<B> {
    /// In trailers it says why it ends.
    pub(super) fn grpc(body: B, loss: Loss) -> Self {
        Self {
            body,
            loss: Some(loss),
            grpc: true,
        }
    }

    /// It just ends; who asks again is told why.
    pub(in super::super) fn http(body: B, loss: Loss) -> Self {
        Self {
            body,
            loss: Some(loss),
            grpc: false,
        }
    }
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Until<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let Some(loss) = &mut this.loss else {
            return Poll::Ready(None);
        };
        if loss.poll(cx).is_pending() {
            return Pin::new(&mut this.body).poll_frame(cx);
        }
        this.loss = None;
        let mut trailers = HeaderMap::new();
        let said = this.grpc && taken_away().add_header(&mut trailers).is_ok();
        Poll::Ready(said.then(|| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.loss.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
