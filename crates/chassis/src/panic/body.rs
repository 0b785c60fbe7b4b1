//! A response body under the guard.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{Cause, Incident, answer, hook::guarded};

/// The body of a guarded service's response. If it panics while it is sent: a gRPC stream ends with INTERNAL; an HTTP
/// response, whose status is long gone, breaks off with [`BodyPanicked`].
#[derive(Debug)]
pub struct GuardedBody<B>(State<B>);

#[derive(Debug)]
enum State<B> {
    Live(B, Incident),
    Finished(Option<Bytes>),
}

/// A body panicked while it was being sent.
#[derive(Debug, thiserror::Error)]
#[error("internal error, id {id}")]
pub struct BodyPanicked {
    /// The id under which it was logged.
    pub id: String,
}

impl<B> GuardedBody<B> {
    pub(super) fn live(body: B, incident: Incident) -> Self {
        Self(State::Live(body, incident))
    }

    pub(super) fn finished(bytes: Bytes) -> Self {
        Self(State::Finished(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

impl<B> Body for GuardedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Cause>,
{
    type Data = Bytes;
    type Error = Cause;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cause>>> {
        let (polled, incident) = match &mut self.0 {
            State::Finished(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            State::Live(body, incident) => (guarded(|| Pin::new(body).poll_frame(cx)), incident),
        };
        let last = match polled {
            Ok(polled) => return polled.map_err(Into::into),
            Err(panicked) => {
                let (id, detail) = incident.log(&panicked);
                match incident.grpc {
                    true => Ok(Frame::trailers(answer::grpc_status(&id, detail.as_deref()))),
                    false => Err(BodyPanicked { id }.into()),
                }
            }
        };
        // What has panicked is not polled again.
        self.0 = State::Finished(None);
        Poll::Ready(Some(last))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Live(body, _) => body.is_end_stream(),
            State::Finished(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Live(body, _) => body.size_hint(),
            State::Finished(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}
