//! Connections that flood the server, one after the other, and what it said to them.
//!
//! An attacker who is closed comes again at once, so that what is measured is the attack and its repetition.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Size,
    attack::Outcome,
    client::connect_from,
    target::Target,
    wire::{ENHANCE_YOUR_CALM, Frames, GOAWAY},
};

/// As many at once as make the server's cores busy, and a few more.
const ATTACKERS: u8 = 4;
/// What the last connection is given to be closed, when the time of the attack is over.
const GRACE: Duration = Duration::from_secs(2);

/// Adds frames, and says how many of what is counted they are.
pub(crate) type Next = Box<dyn FnMut(&mut Frames) -> Option<u64> + Send>;

/// What is said on one connection: first the opening, then what comes next, until that is nothing.
pub(crate) struct Script {
    pub(crate) opening: Frames,
    pub(crate) next: Next,
}

/// What the server said on one connection.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many frames of each kind.
    pub(crate) frames: BTreeMap<u8, u64>,
    /// Why it closed the connection: the code of GOAWAY; `None` if it did without.
    pub(crate) reason: Option<u32>,
    pub(crate) ended: bool,
    /// How much of what is counted was written before that.
    pub(crate) written: u64,
    /// How many streams it had taken up, by its GOAWAY.
    pub(crate) streams: Option<u64>,
}

/// Follows a script until the server ends the connection, or for so long.
///
/// # Errors
///
/// There is no connection to be had.
pub(crate) async fn flood(
    source: [u8; 4],
    addr: SocketAddr,
    script: Script,
    patience: Duration,
) -> io::Result<Tally> {
    let Script { opening, mut next } = script;
    let (read, mut write) = connect_from(source, addr).await?.into_split();
    let written = AtomicU64::new(0);
    let writing = async {
        let mut frames = opening;
        let mut more = true;
        while more {
            let units = next(&mut frames);
            more = units.is_some();
            if write.write_all(&frames.bytes).await.is_err() {
                break;
            }
            written.fetch_add(units.unwrap_or(0), Relaxed);
            frames.bytes.clear();
        }
        // The half that writes closes its direction when it is dropped.
        std::future::pending::<()>().await;
    };
    let mut tally = Tally::default();
    let reading = tally.read(BufReader::new(read));
    let both = async {
        tokio::select! {
            () = reading => {}
            () = writing => {}
        }
    };
    let over = timeout(patience, pin!(both)).await;
    tally.ended = over.is_ok();
    tally.written = written.load(Relaxed);
    Ok(tally)
}

impl Tally {
    /// Reads until the server closes, or says that it will for a reason.
    async fn read(&mut self, mut answers: impl AsyncRead + Unpin) {
        // 24 bits of length, 8 of kind, 8 of flags, 32 of stream.
        while let Ok(length_and_kind) = answers.read_u32().await {
            let (length, [.., kind]) = ((length_and_kind >> 8) as usize, length_and_kind.to_be_bytes());
            let mut rest = vec![0; 5 + length];
            if answers.read_exact(&mut rest).await.is_err() {
                return;
            }
            *self.frames.entry(kind).or_default() += 1;
            if kind == GOAWAY {
                let number = |at: usize| {
                    let bytes = rest.get(at..at + 4)?.try_into().ok()?;
                    Some(u32::from_be_bytes(bytes))
                };
                // Behind flags and stream. Streams of a client have odd numbers.
                self.streams = number(5).map(|last| u64::from(last.div_ceil(2)));
                self.reason = number(9);
                return;
            }
        }
    }
}

/// What became of all connections of an attack.
#[derive(Debug, Default)]
pub(crate) struct Waves {
    pub(crate) connections: u64,
    /// Of those, not ended by the server.
    pub(crate) open: u64,
    /// How much of what is counted was written.
    written: u64,
    /// The most streams that were taken up on a connection that was closed.
    streams: Option<u64>,
    frames: BTreeMap<u8, u64>,
    reasons: BTreeMap<Option<u32>, u64>,
}

/// Follows a script again and again, on several connections at once.
pub(crate) async fn waves(target: &Target, size: Size, script: fn(Size) -> Script) -> anyhow::Result<Waves> {
    let mut attackers = JoinSet::new();
    for attacker in 1..=ATTACKERS {
        let (clock, addr) = (target.clock().clone(), target.grpc);
        attackers.spawn(async move {
            let end = clock.mono() + size.lasts();
            let mut waves = Waves::default();
            while clock.mono() < end {
                let patience = end.since(clock.mono()) + GRACE;
                // An address of its own for each: there are 28,000 ports, which a minute's connections use up.
                match flood([127, 0, 9, attacker], addr, script(size), patience).await {
                    Ok(tally) => waves.add(tally),
                    // Of ports, mostly.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            }
            waves
        });
    }
    let mut all = Waves::default();
    while let Some(waves) = attackers.join_next().await {
        all.join(waves?);
    }
    Ok(all)
}

impl Waves {
    fn add(&mut self, tally: Tally) {
        let ended = tally.ended;
        self.join(Self {
            connections: 1,
            open: u64::from(!ended),
            written: tally.written,
            streams: tally.streams,
            frames: tally.frames,
            reasons: BTreeMap::from_iter(ended.then_some((tally.reason, 1))),
        });
    }

    fn join(&mut self, other: Self) {
        self.connections += other.connections;
        self.open += other.open;
        self.written += other.written;
        self.streams = self.streams.max(other.streams);
        for (kind, count) in other.frames {
            *self.frames.entry(kind).or_default() += count;
        }
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
    }

    /// How many frames of a kind the server sent.
    pub(crate) fn frames(&self, kind: u8) -> u64 {
        self.frames.get(&kind).copied().unwrap_or(0)
    }

    /// Stopped if the server ended each connection. `unit` is what was counted.
    pub(crate) fn outcome(&self, unit: &str) -> Outcome {
        let Self {
            connections,
            open,
            written,
            streams,
            ..
        } = self;
        let stopped = *connections > 0 && *open == 0;
        let happened = if stopped {
            let reasons: Vec<_> = self.reasons.keys().map(|reason| shown(*reason)).collect();
            let taken = match streams {
                Some(streams @ 2..) => format!(", at the latest after {streams} streams"),
                _ => format!("; {} {unit} each were on their way", written / connections),
            };
            format!(
                "{connections} connections, each closed ({}){taken}",
                reasons.join(", ")
            )
        } else {
            format!("{open} of {connections} connections stay open, {written} {unit} taken")
        };
        Outcome { stopped, happened }
    }
}

fn shown(reason: Option<u32>) -> String {
    match reason {
        None => "cut".to_owned(),
        Some(ENHANCE_YOUR_CALM) => "GOAWAY ENHANCE_YOUR_CALM".to_owned(),
        Some(code) => format!("GOAWAY {}", h2::Reason::from(code)),
    }
}
