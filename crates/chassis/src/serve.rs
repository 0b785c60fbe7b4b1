//! Serves connections: HTTP/2 for gRPC, HTTP/1 for people and probes.
//!
//! hyper is driven directly. `tonic::transport::Server` and `axum::serve` would be shorter, but neither has a setter for
//! all that [`Limits`] bounds (send buffer, and in axum nearly everything), tonic's age with a grace period cuts connections
//! without a GOAWAY, and neither counts what it refuses. What goes with tonic's server: it honours no `grpc-timeout`
//! here, as a client's own deadline resets the stream anyway.

mod connection;
mod frames;
mod handshake;
mod preface;
mod together;

use std::{error::Error, sync::Arc};

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{sync::watch, task::JoinSet, time};
use tokio_rustls::rustls::ServerConfig;
use tower::{Service, ServiceExt, util::Oneshot};

use self::{
    connection::Connection, frames::Frames, handshake::Stream, preface::FirstBytes, together::Together,
};
use crate::{Clock, Limits, Listener, Peer, Tls, Transport, listener::add};

type Cause = Box<dyn Error + Send + Sync>;

/// Serves HTTP/2 (with prior knowledge, as gRPC does) until `stop` resolves. Then: no more connections are accepted,
/// each open one is told to go, and those that have not finished within [`Limits::stop_timeout`] are cut. Returns how
/// many were cut.
///
/// Dropping the future cuts all of them at once.
pub async fn serve_h2<S, B>(listener: Listener, service: S, stop: impl Future<Output = ()>) -> usize
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Cause>,
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Cause>,
{
    let builder = Arc::new(h2_builder(listener.limits()));
    let clock = Clock::start();
    let config = |tls: &Tls| Arc::clone(&tls.now().h2);
    serve(listener, config, stop, move |stream, mut connection| {
        let service = Introduce {
            service: service.clone(),
            peer: connection.peer(),
        };
        let (builder, clock) = (Arc::clone(&builder), clock.clone());
        async move {
            if !connection.is_spoken_on(&stream).await {
                return;
            }
            let (io, shown) = FirstBytes::new(stream, preface::H2_PREFACE_BYTES);
            let io = Together::new(Frames::new(io, &connection.limits, &clock));
            let served = builder.serve_connection(TokioIo::new(io), service);
            connection.drive(Box::pin(served), Some(shown)).await;
        }
    })
    .await
}

/// Serves HTTP/1.1 until `stop` resolves; in all else as [`serve_h2`].
pub async fn serve_h1<S, B>(listener: Listener, service: S, stop: impl Future<Output = ()>) -> usize
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Cause>,
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Cause>,
{
    let builder = Arc::new(h1_builder(listener.limits()));
    let config = |tls: &Tls| Arc::clone(&tls.now().h1);
    serve(listener, config, stop, move |stream, connection| {
        let service = Introduce {
            service: service.clone(),
            peer: connection.peer(),
        };
        let served = builder.serve_connection(TokioIo::new(stream), service);
        connection.drive(Box::pin(served), None)
    })
    .await
}

fn h2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection)
        .max_local_error_reset_streams(limits.local_error_resets)
        .max_pending_accept_reset_streams(limits.pending_accept_resets)
        .max_header_list_size(limits.header_bytes)
        .max_frame_size(limits.frame_bytes)
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .max_send_buf_size(limits.send_buffer_bytes);
    if let Some(keepalive) = limits.keepalive {
        builder
            .keep_alive_interval(keepalive.interval)
            .keep_alive_timeout(keepalive.timeout);
    }
    builder
}

fn h1_builder(limits: &Limits) -> http1::Builder {
    /// hyper panics below this.
    const SMALLEST_BUFFER: usize = 8 * 1024;
    let header_bytes = usize::try_from(limits.header_bytes)
        .unwrap_or(usize::MAX)
        .max(SMALLEST_BUFFER);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_header_size(header_bytes)
        .max_buf_size(limits.send_buffer_bytes.max(header_bytes));
    builder
}

/// The accept loop: one task for each connection, owned here and dropped with this future. `config` chooses what is
/// spoken over TLS.
async fn serve<M, F>(
    mut listener: Listener,
    config: fn(&Tls) -> Arc<ServerConfig>,
    stop: impl Future<Output = ()>,
    connect: M,
) -> usize
where
    M: Fn(Stream, Connection) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let stopping = watch::Sender::new(false);
    let mut open = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    let stats = listener.stats();
    let limits = Arc::new(listener.limits().clone());
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            // Reaped as they end, so that the set holds no more than are open.
            Some(ended) = open.join_next() => report(ended),
            accepted = listener.accept() => {
                let connection = Connection::new(&limits, &stats, stopping.subscribe(), accepted.addr);
                match listener.transport() {
                    Transport::Cleartext | Transport::Insecure => {
                        let driven = connect(Stream::Cleartext(accepted.stream), connection);
                        open.spawn(async move {
                            driven.await;
                            drop(accepted.slot);
                        });
                    }
                    Transport::Tls(tls) => {
                        let (tls, connect) = (Arc::clone(tls), connect.clone());
                        let config = config(&tls);
                        // Boxed, as it is most of such a task and over after a moment.
                        let secured = Box::pin(connection.secure(accepted.stream, config, tls, accepted.handshake));
                        open.spawn(async move {
                            if let Some((stream, connection)) = secured.await {
                                connect(stream, connection).await;
                            }
                            drop(accepted.slot);
                        });
                    }
                }
            }
        }
    }
    let stop_timeout = limits.stop_timeout;
    drop(listener);
    stopping.send_replace(true);
    let all_ended = async {
        while let Some(ended) = open.join_next().await {
            report(ended);
        }
    };
    if time::timeout(stop_timeout, all_ended).await.is_err() {
        tracing::warn!(
            connections = open.len(),
            ?stop_timeout,
            "cutting connections that did not finish"
        );
    }
    let cut = open.len();
    (0..cut).for_each(|_| add(&stats.cut));
    open.shutdown().await;
    cut
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task did not end by itself");
    }
}

/// Puts the [`Peer`] of its connection into every request.
#[derive(Clone)]
struct Introduce<S> {
    service: S,
    peer: Peer,
}

impl<S> hyper::service::Service<Request<Incoming>> for Introduce<S>
where
    S: Service<Request<Incoming>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, Request<Incoming>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer.clone());
        self.service.clone().oneshot(request)
    }
}
