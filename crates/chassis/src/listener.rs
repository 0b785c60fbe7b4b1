//! Sockets that accept: where they may stand, how many may come in, and what is known of who came.
//!
//! The accept loop is our own: tonic's tries again at once when descriptors run out and burns a core, and neither it
//! nor axum's counts connections. Refused here: listening beyond loopback without identity (unless told to), and
//! sharing a port (`SO_REUSEPORT`): two aggregators on one port would each hear half of the fleet.
//!
//! No descriptor is held in reserve to accept-and-close while there are none: who waits in the backlog gets in as soon
//! as one is free, and [`Limits::fit_descriptors`] sees to it that the connection limit comes first.

mod slots;
mod stats;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use nix::errno::Errno;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Notify, watch},
    time,
};

pub(crate) use self::slots::Slot;
use self::slots::{Full, Slots};
pub(crate) use self::stats::add;
pub use self::stats::{ListenerCounts, ListenerStats};
pub use crate::limits::Limits;
use crate::tls::Tls;

/// Connections the kernel completes before they are accepted. Linux cuts it to net.core.somaxconn, 4096 by default; it
/// is what a fleet that reconnects at once after a restart waits in.
const BACKLOG: u32 = 4096;

/// Why a listener could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Beyond loopback without leave.
    #[error(
        "listen on {0}: other machines could reach it, and without TLS nobody knows who is calling; give it a \
         certificate (server_cert and server_key; `ward cert dev` makes some to try), listen on 127.0.0.1 or [::1], or accept \
         that with --insecure"
    )]
    BeyondLoopback(SocketAddr),
    /// Somebody else listens there.
    #[error("listen on {addr}: the address is in use; choose another, or stop who holds it (`ss -ltnp 'sport = :{port}'` names it)", port = addr.port())]
    InUse {
        /// Where.
        addr: SocketAddr,
    },
    /// Anything else the kernel says.
    #[error("listen on {addr}")]
    Io {
        /// Where.
        addr: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// How connections are spoken over.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Readable by whoever is in between, on loopback.
    Cleartext,
    /// The same beyond loopback: anybody who gets there is let in.
    Insecure,
    /// Over TLS, anywhere.
    Tls(Arc<Tls>),
}

/// Who is at the other end of a connection. In the extensions of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub addr: SocketAddr,
    /// Who it has proved to be.
    pub identity: Identity,
    /// Nobody in between can read or change what is said.
    pub secure: bool,
    /// The number of the connection, given to no other of this process.
    pub connection: u64,
    closing: watch::Receiver<bool>,
    cut: Arc<Notify>,
    known: Arc<Known>,
}

/// What is known of a peer, on both sides of its handlers.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its certificate is still believed.
    pub(crate) believed: AtomicBool,
    /// Something that it asked for was let in.
    pub(crate) admitted: AtomicBool,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            believed: AtomicBool::new(true),
            admitted: AtomicBool::new(false),
        }
    }
}

/// Who a peer has proved to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Identity {
    /// Nobody in particular.
    Anonymous,
    /// The owner of a certificate: a SPIFFE id or a DNS name, see [`certificate_name`](crate::tls::certificate_name).
    Certificate(Arc<str>),
}

impl Peer {
    pub(crate) fn new(
        addr: SocketAddr,
        (identity, secure): (Identity, bool),
        connection: u64,
        closing: watch::Receiver<bool>,
        (cut, known): (Arc<Notify>, Arc<Known>),
    ) -> Self {
        Self {
            addr,
            identity,
            secure,
            connection,
            closing,
            cut,
            known,
        }
    }

    /// Whether its certificate is still believed. One that is no longer is told to go, and has a moment for that.
    pub fn is_believed(&self) -> bool {
        self.known.believed.load(Ordering::Relaxed)
    }

    /// Something it asked for was let in: it is no stranger, see [`Limits::admitted_within`].
    pub fn admit(&self) {
        self.known.admitted.store(true, Ordering::Relaxed);
    }

    /// Whether something was.
    pub fn is_admitted(&self) -> bool {
        self.known.admitted.load(Ordering::Relaxed)
    }

    /// One that is not connected, and never told to go.
    ///
    /// **For tests only** of what looks at peers.
    pub fn of(addr: SocketAddr, identity: Identity, secure: bool) -> Self {
        let (never, closing) = watch::channel(false);
        // Without it the connection would be gone.
        std::mem::forget(never);
        Self::new(
            addr,
            (identity, secure),
            u64::MAX,
            closing,
            (Arc::default(), Arc::default()),
        )
    }

    /// Has this connection dropped at once, with all that it carries. For a peer that reads nothing: an answer that
    /// cannot be written is not asked for its end either, so its own handler can do nothing about it.
    pub fn cut(&self) {
        self.cut.notify_one();
    }

    /// [`Self::closing`] would resolve at once.
    pub fn is_closing(&self) -> bool {
        // Never marked as seen, so changed is what it is once the word was given, or the connection is gone.
        self.closing.has_changed().unwrap_or(true)
    }

    /// Resolves once this connection has been told to go, by age or because the server stops: the moment for a long
    /// stream to say its last word and end. Cancel safe.
    pub async fn closing(&self) {
        let mut closing = self.closing.clone();
        // An error means the connection is gone altogether, which is closed enough.
        drop(closing.wait_for(|&closing| closing).await);
    }
}

/// A bound socket with its limits. Connections wait in the kernel until it is served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
    limits: Limits,
    transport: Transport,
    slots: Arc<Slots>,
    handshakes: Arc<Slots>,
    stats: Arc<ListenerStats>,
    /// Whether the last accept failed: a shortage is logged when it begins, not at every try.
    short: bool,
}

/// One accepted connection. Its place is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) addr: SocketAddr,
    pub(crate) slot: Slot,
    /// The place of its handshake, where there is one.
    pub(crate) handshake: Option<Slot>,
}

impl Listener {
    /// Binds `addr` and starts listening; port 0 lets the kernel choose. Must be called on a tokio runtime.
    pub fn bind(addr: SocketAddr, limits: Limits, transport: Transport) -> Result<Self, BindError> {
        if !addr.ip().to_canonical().is_loopback() {
            match transport {
                Transport::Cleartext => return Err(BindError::BeyondLoopback(addr)),
                Transport::Insecure => {
                    tracing::warn!(%addr, "INSECURE: anyone who reaches this address may report, watch and command");
                }
                Transport::Tls(_) => {}
            }
        }
        let socket = listen(addr).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { addr },
            _ => BindError::Io { addr, source },
        })?;
        let addr = socket
            .local_addr()
            .map_err(|source| BindError::Io { addr, source })?;
        let stats = Arc::new(ListenerStats::default());
        let slots = Slots::new(limits.connections, limits.connections_per_address, |stats| {
            &stats.active
        });
        let per_address = limits.handshakes_per_address;
        let handshakes = Slots::new(limits.handshakes, per_address, |stats| &stats.handshaking);
        Ok(Self {
            socket,
            addr,
            limits,
            transport,
            slots,
            handshakes,
            stats,
            short: false,
        })
    }

    /// Where it listens, with the port that the kernel chose.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it holds its peers to.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Its counters, to keep while it is being served.
    pub fn stats(&self) -> Arc<ListenerStats> {
        Arc::clone(&self.stats)
    }

    /// The next connection within the limits. Cancel safe: what was accepted is returned, not lost.
    pub(crate) async fn accept(&mut self) -> Accepted {
        loop {
            match self.socket.accept().await {
                Ok((stream, addr)) => {
                    self.short = false;
                    if let Some(accepted) = self.admit(stream, addr) {
                        return accepted;
                    }
                }
                Err(error) => self.after_error(&error).await,
            }
        }
    }

    fn admit(&self, stream: TcpStream, addr: SocketAddr) -> Option<Accepted> {
        match self.places(addr) {
            Ok((slot, handshake)) => {
                add(&self.stats.accepted);
                // Without, an acknowledgement of a few bytes waits for the peer's delayed one: 40 ms on Linux.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%addr, %error, "could not set TCP_NODELAY");
                }
                Some(Accepted {
                    stream,
                    addr,
                    slot,
                    handshake,
                })
            }
            Err(refused) => {
                add(refused);
                // A reset instead of a goodbye: no TIME_WAIT on this side for somebody who comes in floods.
                if let Err(error) = stream.set_zero_linger() {
                    tracing::debug!(%addr, %error, "could not set SO_LINGER");
                }
                None
            }
        }
    }

    /// A place for the connection, and one for its handshake; else the counter of what there is too much of.
    fn places(&self, addr: SocketAddr) -> Result<(Slot, Option<Slot>), &AtomicU64> {
        let slot = self
            .slots
            .take(addr.ip(), &self.stats)
            .map_err(|full| match full {
                Full::All => &self.stats.refused_connections,
                Full::Address => &self.stats.refused_address,
            })?;
        if !matches!(self.transport, Transport::Tls(_)) {
            return Ok((slot, None));
        }
        let handshake = self.handshakes.take(addr.ip(), &self.stats);
        let handshake = handshake.map_err(|_| &self.stats.refused_handshakes)?;
        Ok((slot, Some(handshake)))
    }

    async fn after_error(&mut self, error: &io::Error) {
        // The connection died in the backlog; the next one may be well.
        let of_peer = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused
        );
        if of_peer {
            return;
        }
        add(&self.stats.accept_errors);
        if !self.short {
            self.short = true;
            let descriptors = error.raw_os_error() == Some(Errno::EMFILE as i32);
            tracing::error!(addr = %self.addr, %error, descriptors, "cannot accept connections; they wait");
        }
        if let Some(pause) = self.limits.accept_pause {
            time::sleep(pause).await;
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Or connections in TIME_WAIT would keep the port from a restart for a minute. It does not let two listen.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}
