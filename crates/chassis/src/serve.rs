//! Serves connections: HTTP/2 for gRPC, HTTP/1 for people and probes.
//!
//! hyper is driven directly. `tonic::transport::Server` and `axum::serve` would be shorter, but neither has a setter for
//! all that [`Limits`] bounds (send buffer, and in axum nearly everything), tonic's age with a grace period cuts connections
//! without a GOAWAY, and neither counts what it refuses. What goes with tonic's server: it honours no `grpc-timeout`
//! here, as a client's own deadline resets the stream anyway.

mod frames;
mod handshake;
mod preface;
mod together;

use std::{
    error::Error,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{self, Instant},
};
use tokio_rustls::rustls::ServerConfig;
use tower::{Service, ServiceExt, util::Oneshot};

use self::{
    frames::Frames,
    handshake::Stream,
    preface::{FirstBytes, Shown},
    together::Together,
};
use crate::{
    Clock, Limits, Listener, Peer, Tls, Transport,
    listener::{Identity, ListenerStats, add},
    tls::Standing,
};

/// Names connections. Of the process, because what is counted by connection is counted over all its listeners.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

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
    let mut stop = pin!(stop);
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

/// The side of a connection that is not bytes: its bounds in time, and the word that it should go.
struct Connection {
    addr: SocketAddr,
    number: u64,
    limits: Arc<Limits>,
    stats: Arc<ListenerStats>,
    /// By when it must have said what it wants, see [`Limits::handshake_timeout`].
    shown_by: Option<Instant>,
    secure: bool,
    /// What the peer has proved, if it has.
    standing: Option<Standing>,
    /// From the server, to all connections.
    stopping: watch::Receiver<bool>,
    /// To the handlers of this connection.
    closing: watch::Sender<bool>,
    /// From them: the peer is given up.
    cut: Arc<Notify>,
}

impl Connection {
    fn new(
        limits: &Arc<Limits>,
        stats: &Arc<ListenerStats>,
        stopping: watch::Receiver<bool>,
        addr: SocketAddr,
    ) -> Self {
        let (limits, stats) = (Arc::clone(limits), Arc::clone(stats));
        let shown_by = from_now(limits.handshake_timeout);
        Self {
            limits,
            stats,
            stopping,
            addr,
            secure: false,
            standing: None,
            shown_by,
            number: CONNECTIONS.fetch_add(1, Relaxed),
            closing: watch::Sender::new(false),
            cut: Arc::default(),
        }
    }

    fn peer(&self) -> Peer {
        let (closing, cut) = (self.closing.subscribe(), Arc::clone(&self.cut));
        let identity = match &self.standing {
            Some(standing) => Identity::Certificate(Arc::clone(standing.name())),
            None => Identity::Anonymous,
        };
        Peer::new(self.addr, (identity, self.secure), self.number, closing, cut)
    }

    /// Waits until the peer says something: h2 keeps some 17 KB for a connection from its first moment on, which ten thousand
    /// that say nothing would be held for. The server's settings then go out behind the client's first bytes, as the protocol
    /// allows. Over TLS much was said before.
    async fn is_spoken_on(&mut self, stream: &Stream) -> bool {
        let Stream::Cleartext(stream) = stream else {
            return true;
        };
        tokio::select! {
            biased;
            // What went wrong is told to who reads.
            _ = stream.readable() => true,
            () = told(&mut self.stopping) => false,
            () = until(self.shown_by) => {
                add(&self.stats.handshake_timeouts);
                false
            }
        }
    }

    /// Polls `served` to its end. `shown` tells whether the peer has said enough to be taken for a client.
    ///
    /// Boxed, because it is large, and what a future is given by value has a place in it for being given and another for
    /// being polled, at each level anew: by value the task of a connection was 7.8 kB, of which 1.6 are hyper's.
    async fn drive<C>(mut self, mut served: Pin<Box<C>>, shown: Option<Shown>)
    where
        C: GracefulConnection<Error = hyper::Error>,
    {
        let mut age = pin!(after(self.limits.connection_age.map(jittered)));
        let mut handshake = pin!(until(self.shown_by.filter(|_| shown.is_some())));
        let mut lost = self.standing.take().map(|standing| Box::pin(standing.lost()));
        let mut patience = None;
        let mut stopping = self.stopping.clone();
        let mut waiting = true;
        loop {
            let leaving = *self.closing.borrow();
            tokio::select! {
                biased;
                result = served.as_mut() => return self.ended(result, shown.is_some()),
                () = self.cut.notified() => return add(&self.stats.cut),
                () = told(&mut stopping), if !leaving => {}
                () = &mut age, if !leaving => add(&self.stats.aged),
                why = async { lost.as_mut().expect("asked before").await }, if lost.is_some() => {
                    lost = None;
                    add(&self.stats.lost_identities);
                    tracing::info!(addr = %self.addr, why, "a certificate is believed no more: its connection is told to go");
                    patience = Some(Box::pin(time::sleep(self.limits.stop_timeout)));
                }
                () = async { patience.as_mut().expect("asked before").await }, if patience.is_some() => {
                    return add(&self.stats.cut);
                }
                () = &mut handshake, if waiting => {
                    waiting = false;
                    if shown.as_ref().is_none_or(Shown::is_complete) {
                        continue;
                    }
                    add(&self.stats.handshake_timeouts);
                    return;
                }
            }
            // The handlers hear it first, so that what they send last still goes out before the connection ends.
            self.closing.send_replace(true);
            served.as_mut().graceful_shutdown();
        }
    }

    fn ended(&self, result: Result<(), hyper::Error>, h2: bool) {
        match result {
            Ok(()) => {}
            // On HTTP/2 it is a ping without an answer that hyper calls so.
            Err(error) if error.is_timeout() && !h2 => add(&self.stats.handshake_timeouts),
            Err(error) => {
                add(&self.stats.failed);
                let cause = error.source().map(ToString::to_string);
                tracing::debug!(addr = %self.addr, %error, cause, "a connection failed");
            }
        }
    }
}

/// Resolves once the server stops.
async fn told(stopping: &mut watch::Receiver<bool>) {
    // An error says that the server is gone, which stops it as well.
    drop(stopping.wait_for(|&stopping| stopping).await);
}

/// Resolves after `bound`; never without one.
async fn after(bound: Option<Duration>) {
    match bound {
        Some(bound) => time::sleep(bound).await,
        None => std::future::pending().await,
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the room that reads clocks")]
fn from_now(bound: Option<Duration>) -> Option<Instant> {
    bound.map(|bound| Instant::now() + bound)
}

/// Resolves at this moment; never without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// `age`, give or take a tenth.
fn jittered(age: Duration) -> Duration {
    age.mul_f64(rand::random_range(0.9..1.1))
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
