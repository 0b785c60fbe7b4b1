//! An answer that ends once whoever it is for may do something else than before.
//!
//! Around the body, so that it holds for every stream of every edge, also of those that were written by others. Who may still
//! do what they were doing comes back at once.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tonic::Status;

use crate::rarely::Rarely;

const CHANGED: &str =
    "what you may do has changed: ask again, with a certificate or a token that is good for it";

/// Such a body.
pub(in super::super) struct Until<B> {
    body: B,
    /// `None` once it has ended.
    changed: Option<Rarely<Changed>>,
    /// Whether the end is told as gRPC does.
    grpc: bool,
}

type Changed = dyn Future<Output = ()> + Send;

impl<B> Until<B> {
    /// In trailers it says why it ends.
    pub(super) fn grpc(body: B, changed: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::new(body, Box::pin(changed), true)
    }

    /// It just ends; who asks again is told why.
    pub(in super::super) fn http(body: B, changed: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::new(body, Box::pin(changed), false)
    }

    fn new(body: B, changed: Pin<Box<Changed>>, grpc: bool) -> Self {
        Self {
            body,
            changed: Some(changed.into()),
            grpc,
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
        let Some(changed) = &mut this.changed else {
            return Poll::Ready(None);
        };
        // It waits on a channel that wakes this task when there is something to look at, so looking is always of use.
        if changed.poll(cx, true).is_pending() {
            return Pin::new(&mut this.body).poll_frame(cx);
        }
        this.changed = None;
        let mut trailers = HeaderMap::new();
        let said = this.grpc && Status::unauthenticated(CHANGED).add_header(&mut trailers).is_ok();
        Poll::Ready(said.then(|| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.changed.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
