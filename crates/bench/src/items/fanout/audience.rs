//! A server, its watchers, and one who makes changes.

use std::{iter, net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use ward_chassis::Clock;

use super::Crowd;
use crate::{
    flipper::Flipper,
    peer::{NATS, Peer, REDIS},
    serve::FRAME,
    server::Server,
    watchers::{Watchers, h2::Watches, text::Listener},
};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ward,
    Shared,
    Naive,
    Raw,
    Redis,
    Nats,
}

enum Running {
    Server(Server),
    Peer(Peer),
}

enum Teller {
    Flipper(Flipper),
    /// Sends these bytes for each change.
    Bytes(TcpStream, Vec<u8>),
}

/// All of them together.
pub(super) struct Audience {
    crowd: Crowd,
    clock: Clock,
    running: Running,
    teller: Teller,
    watchers: Watchers,
}

/// What was heard in one sample.
pub(super) struct Heard {
    /// From a change to the last who had it.
    pub(super) lasts: Vec<Duration>,
    pub(super) deliveries: u64,
    /// Of the server.
    pub(super) cpu: Duration,
}

impl Heard {
    /// The median of them.
    pub(super) fn last_ms(&self) -> f64 {
        let lasts: Vec<_> = self.lasts.iter().map(|last| last.as_secs_f64() * 1e3).collect();
        crate::estimate::median(&lasts)
    }
}

impl Audience {
    /// Starts the server and connects everybody; `None` if it is not installed.
    pub(super) async fn gather(kind: Kind, crowd: Crowd) -> anyhow::Result<Option<Self>> {
        let audience = match kind {
            Kind::Ward => Self::grpc(&["ward"], true, crowd).await?,
            Kind::Shared => Self::grpc(&["fan", "shared"], false, crowd).await?,
            Kind::Naive => Self::grpc(&["fan", "naive"], false, crowd).await?,
            Kind::Raw => {
                let server = Server::start(&["raw"])?;
                let frame = crate::serve::frame();
                let listener = || Listener::new(b"w", b"w", &frame);
                let told = (b"t".as_slice(), b"c".as_slice());
                Self::lines(Running::Server(server), crowd, listener, told).await?
            }
            Kind::Redis => match REDIS.start()? {
                Some(peer) => Self::redis(peer, crowd).await?,
                None => return Ok(None),
            },
            Kind::Nats => match NATS.start()? {
                Some(peer) => Self::nats(peer, crowd).await?,
                None => return Ok(None),
            },
        };
        Ok(Some(audience))
    }

    async fn grpc(server: &[&str], snapshot: bool, crowd: Crowd) -> anyhow::Result<Self> {
        let server = Server::start(server)?;
        let flipper = Flipper::connect(server.addr()).await?;
        let wire = || Watches::new(crowd.watchers / crowd.connections, snapshot);
        let wires = iter::repeat_with(wire).take(crowd.connections);
        let watchers = Watchers::connect(server.addr(), wires, crowd.watchers).await?;
        let (running, teller) = (Running::Server(server), Teller::Flipper(flipper));
        Ok(Self::new(crowd, running, teller, watchers))
    }

    async fn redis(peer: Peer, crowd: Crowd) -> anyhow::Result<Self> {
        let body = body();
        let length = body.len();
        let change = format!("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n${length}\r\n{body}\r\n");
        let publish = format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n${length}\r\n{body}\r\n");
        let greeting = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";
        let listener = || Listener::new(b"SUBSCRIBE c\r\n", greeting, change.as_bytes());
        Self::lines(Running::Peer(peer), crowd, listener, (b"", publish.as_bytes())).await
    }

    async fn nats(peer: Peer, crowd: Crowd) -> anyhow::Result<Self> {
        let body = body();
        let length = body.len();
        let change = format!("MSG c 1 {length}\r\n{body}\r\n");
        let publish = format!("PUB c {length}\r\n{body}\r\n");
        let connect = "CONNECT {\"verbose\":false}\r\n";
        let subscribe = format!("{connect}SUB c 1\r\nPING\r\n");
        let listener = || Listener::new(subscribe.as_bytes(), b"PONG\r\n", change.as_bytes());
        let told = (connect.as_bytes(), publish.as_bytes());
        Self::lines(Running::Peer(peer), crowd, listener, told).await
    }

    /// One who watches on each connection, and one who tells on another: first who it is, then each change.
    async fn lines(
        running: Running,
        crowd: Crowd,
        listener: impl Fn() -> Listener,
        (first, change): (&[u8], &[u8]),
    ) -> anyhow::Result<Self> {
        let addr = running.addr();
        let mut teller = TcpStream::connect(addr).await.context("connect the teller")?;
        teller.set_nodelay(true)?;
        teller.write_all(first).await?;
        let wires = iter::repeat_with(listener).take(crowd.connections);
        let watchers = Watchers::connect(addr, wires, crowd.connections).await?;
        let teller = Teller::Bytes(teller, change.to_vec());
        Ok(Self::new(crowd, running, teller, watchers))
    }

    fn new(crowd: Crowd, running: Running, teller: Teller, watchers: Watchers) -> Self {
        Self {
            crowd,
            clock: Clock::start(),
            running,
            teller,
            watchers,
        }
    }

    /// Makes changes for so long and at least once, `burst` together, each time waiting until everybody has heard them.
    pub(super) async fn changes(&mut self, burst: u64, during: Duration) -> anyhow::Result<Heard> {
        let begun = self.clock.mono();
        let cpu = self.running.cpu()?;
        let mut lasts = Vec::new();
        loop {
            let make = self.teller.make(burst);
            lasts.push(self.watchers.hear(burst, make).await?);
            if self.clock.mono().since(begun) >= during {
                break;
            }
        }
        Ok(Heard {
            deliveries: lasts.len() as u64 * burst * self.crowd.watchers as u64,
            lasts,
            cpu: self.running.cpu()?.saturating_sub(cpu),
        })
    }

    /// Where the server listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.running.addr()
    }
}

impl Running {
    fn addr(&self) -> SocketAddr {
        match self {
            Self::Server(server) => server.addr(),
            Self::Peer(peer) => peer.addr(),
        }
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        match self {
            Self::Server(server) => server.cpu(),
            Self::Peer(peer) => peer.cpu(),
        }
    }
}

impl Teller {
    async fn make(&mut self, changes: u64) -> anyhow::Result<()> {
        match self {
            Self::Flipper(flipper) => flipper.flip(changes).await,
            Self::Bytes(stream, change) => {
                let all = change.repeat(usize::try_from(changes)?);
                Ok(stream.write_all(&all).await?)
            }
        }
    }
}

/// What is published where it is text: as long as a frame elsewhere.
fn body() -> String {
    "x".repeat(FRAME)
}
