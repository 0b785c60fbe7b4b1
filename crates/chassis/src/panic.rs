//! A handler that panics is a 500, not the end of a connection.
//!
//! [`CatchPanicLayer`] goes around any HTTP or gRPC service. A panic in the handler, or in the body it returned while
//! that is being sent, becomes an answer with an id; the same id stands in the log, once. What the panic said reaches
//! the peer only in debug mode. tower-http's `CatchPanic` was the alternative: it has no id, does not speak gRPC, does
//! not see bodies, and the default panic hook still prints a second copy of each.
//!
//! It refuses to guard tasks that a handler spawns: those have an owner of their own, and their panics are logged
//! where they happen.

mod answer;
mod body;
mod hook;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri, header::CONTENT_TYPE};
use http_body::Body;
use tower::{Layer, Service};

pub use self::body::{BodyPanicked, GuardedBody};
use self::hook::{Panicked, guarded};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Puts a [`CatchPanic`] around a service.
#[derive(Clone, Debug)]
pub struct CatchPanicLayer {
    debug: bool,
}

/// A service whose panics are answers.
#[derive(Clone, Debug)]
pub struct CatchPanic<S> {
    service: S,
    debug: bool,
}

impl CatchPanicLayer {
    /// `debug` shows the panic's message and place to the peer.
    ///
    /// Installs a panic hook, once for the process: silent for what the layer catches; for all else it logs an error,
    /// or without a log subscriber (as in most tests) calls the hook that was there before.
    pub fn new(debug: bool) -> Self {
        hook::install();
        Self { debug }
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, service: S) -> CatchPanic<S> {
        CatchPanic {
            service,
            debug: self.debug,
        }
    }
}

impl<S, In, Out> Service<Request<In>> for CatchPanic<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
    Out: Body<Data = Bytes> + Unpin,
    Out::Error: Into<Cause>,
{
    type Response = Response<GuardedBody<Out>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let incident = Incident::new(request.uri(), request.headers(), self.debug);
        let handler = guarded(|| self.service.call(request));
        Box::pin(async move {
            let answered = match handler {
                Ok(future) => Guarded(Box::pin(future)).await,
                Err(panicked) => Err(panicked),
            };
            match answered {
                Ok(Ok(response)) => Ok(response.map(|body| GuardedBody::live(body, incident))),
                Ok(Err(error)) => Err(error),
                Err(panicked) => Ok(incident.answer(panicked)),
            }
        })
    }
}

/// Polls a future under the guard.
struct Guarded<F>(Pin<Box<F>>);

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match guarded(|| self.0.as_mut().poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panicked) => Poll::Ready(Err(panicked)),
        }
    }
}

/// What must be known of a request to answer for its handler.
#[derive(Debug)]
struct Incident {
    uri: Uri,
    grpc: bool,
    debug: bool,
}

impl Incident {
    fn new(uri: &Uri, headers: &HeaderMap, debug: bool) -> Self {
        let grpc = headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        Self {
            uri: uri.clone(),
            grpc,
            debug,
        }
    }

    /// Logs the panic under a new id, and gives that with what the peer may know besides.
    fn log(&self, panicked: &Panicked) -> (String, Option<String>) {
        let id = format!("{:016x}", rand::random::<u64>());
        let Panicked {
            message,
            location,
            backtrace,
        } = panicked;
        // Debug formatting escapes: path and message may hold what a peer sent, as much of it as it likes.
        let (path, panic) = (answer::cut(self.uri.path()), answer::cut(message));
        tracing::error!(id, ?path, ?panic, location, backtrace, "a handler panicked");
        let detail = self.debug.then(|| format!("{message} ({location})"));
        (id, detail)
    }

    fn answer<B>(&self, panicked: Panicked) -> Response<GuardedBody<B>> {
        let (id, detail) = self.log(&panicked);
        match self.grpc {
            true => answer::grpc(&id, detail.as_deref()).map(|()| GuardedBody::finished(Bytes::new())),
            false => answer::problem(&id, detail.as_deref()).map(GuardedBody::finished),
        }
    }
}

#[cfg(test)]
mod tests;
