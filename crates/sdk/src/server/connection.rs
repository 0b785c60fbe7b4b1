//! A connection to an aggregator: shows the token with each call, and says of a call that failed if TLS was why.
//!
//! The transport tells a call whose connection ended before it left that it was cancelled, and keeps to itself what the
//! connection ended with. A server that wants a certificate ends it just then, so that is noted beside the transport.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tonic::{
    body::Body,
    codegen::http::{Request, Response, header::AUTHORIZATION},
    transport::Channel,
};
use tower::Service;

use super::fault::Fault;
use crate::credentials::Bearer;

/// What the connection that is there ended with, where TLS has to do with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Note(Arc<Mutex<Option<Fault>>>);

impl Note {
    pub(super) fn take(&self, fault: Fault) {
        *self.0.lock() = Some(fault);
    }

    /// Another connection: what the one before ended with is past.
    pub(super) fn forget(&self) {
        *self.0.lock() = None;
    }
}

/// A connection to an aggregator, for the generated clients. Clones share it.
#[derive(Clone)]
pub struct Connection {
    channel: Channel,
    bearer: Bearer,
    note: Note,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(channel: Channel, bearer: Bearer, note: Note) -> Self {
        Self {
            channel,
            bearer,
            note,
        }
    }
}

type Failed = Box<dyn Error + Send + Sync>;

impl Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Failed>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.channel.poll_ready(context).map_err(Failed::from)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(value) = self.bearer.authorization() {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let (calling, note) = (self.channel.call(request), self.note.clone());
        Box::pin(async move {
            calling.await.map_err(|error| match &*note.0.lock() {
                Some(fault) => fault.clone().into(),
                None => error.into(),
            })
        })
    }
}
