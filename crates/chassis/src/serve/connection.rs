//! One connection from its first byte to its last: its bounds in time, and the word that it should go.

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

use hyper_util::server::graceful::GracefulConnection;
use tokio::{
    sync::{Notify, watch},
    task::coop::unconstrained,
    time::{self, Instant},
};

use super::{handshake::Stream, preface::Shown};
use crate::{
    Limits, Peer,
    listener::{Identity, Known, ListenerStats, add},
    tls::Standing,
};

/// Names connections. Of the process, because what is counted by connection is counted over all its listeners.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// The side of a connection that is not bytes: its bounds in time, and the word that it should go.
pub(super) struct Connection {
    pub(super) addr: SocketAddr,
    number: u64,
    pub(super) limits: Arc<Limits>,
    pub(super) stats: Arc<ListenerStats>,
    /// By when it must have said what it wants, see [`Limits::handshake_timeout`].
    pub(super) shown_by: Option<Instant>,
    pub(super) secure: bool,
    /// What the peer has proved, if it has.
    pub(super) standing: Option<Standing>,
    /// From the server, to all connections.
    pub(super) stopping: watch::Receiver<bool>,
    /// To the handlers of this connection.
    closing: watch::Sender<bool>,
    /// From them: the peer is given up.
    cut: Arc<Notify>,
    /// To them, that the certificate is; from them, that something was let in.
    known: Arc<Known>,
}

impl Connection {
    pub(super) fn new(
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
            known: Arc::default(),
        }
    }

    pub(super) fn peer(&self) -> Peer {
        let (closing, cut) = (self.closing.subscribe(), Arc::clone(&self.cut));
        let identity = match &self.standing {
            Some(standing) => Identity::Certificate(Arc::clone(standing.name())),
            None => Identity::Anonymous,
        };
        let known = Arc::clone(&self.known);
        Peer::new(
            self.addr,
            (identity, self.secure),
            self.number,
            closing,
            (cut, known),
        )
    }

    /// Waits until the peer says something: h2 keeps some 17 KB for a connection from its first moment on, which ten thousand
    /// that say nothing would be held for. The server's settings then go out behind the client's first bytes, as the protocol
    /// allows. Over TLS much was said before.
    pub(super) async fn is_spoken_on(&mut self, stream: &Stream) -> bool {
        let Stream::Cleartext(stream) = stream else {
            return true;
        };
        let mut first = [0];
        tokio::select! {
            biased;
            // Looked for, as tokio takes a new socket for readable. What went wrong is told to who reads.
            _ = stream.peek(&mut first) => true,
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
    ///
    /// What ends it is not held to the budget that tokio gives a task: a peer that sends without an end leaves nothing of
    /// that, and would never be told.
    pub(super) async fn drive<C>(mut self, mut served: Pin<Box<C>>, shown: Option<Shown>)
    where
        C: GracefulConnection<Error = hyper::Error>,
    {
        let mut age = pin!(until(from_now(self.limits.connection_age.map(jittered))));
        let mut handshake = pin!(until(self.shown_by.filter(|_| shown.is_some())));
        let mut stranger = self.admitted_by().map(|by| Box::pin(time::sleep_until(by)));
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
                () = unconstrained(told(&mut stopping)), if !leaving => {}
                () = unconstrained(&mut age), if !leaving => add(&self.stats.aged),
                why = unconstrained(async { lost.as_mut().expect("asked before").await }), if lost.is_some() => {
                    lost = None;
                    self.known.believed.store(false, Relaxed);
                    add(&self.stats.lost_identities);
                    tracing::info!(addr = %self.addr, why, "a certificate is believed no more: its connection is told to go");
                    patience = Some(Box::pin(time::sleep(self.limits.stop_timeout)));
                }
                () = unconstrained(async { patience.as_mut().expect("asked before").await }), if patience.is_some() => {
                    return add(&self.stats.cut);
                }
                () = unconstrained(async { stranger.as_mut().expect("asked before").await }), if stranger.is_some() => {
                    stranger = None;
                    if self.known.admitted.load(Relaxed) {
                        continue;
                    }
                    add(&self.stats.strangers);
                    patience = Some(Box::pin(time::sleep(self.limits.stop_timeout)));
                }
                () = unconstrained(&mut handshake), if waiting => {
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

    /// By when somebody who has proved nothing must have had something let in, where it is asked who comes.
    fn admitted_by(&self) -> Option<Instant> {
        let is_unknown = self.secure && self.standing.is_none();
        from_now(self.limits.admitted_within.filter(|_| is_unknown))
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
pub(super) async fn told(stopping: &mut watch::Receiver<bool>) {
    // An error says that the server is gone, which stops it as well.
    drop(stopping.wait_for(|&stopping| stopping).await);
}

#[expect(clippy::disallowed_methods, reason = "this is the room that reads clocks")]
pub(super) fn from_now(bound: Option<Duration>) -> Option<Instant> {
    bound.map(|bound| Instant::now() + bound)
}

/// Resolves at this moment; never without one.
pub(super) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// `age`, give or take a tenth.
fn jittered(age: Duration) -> Duration {
    age.mul_f64(rand::random_range(0.9..1.1))
}
