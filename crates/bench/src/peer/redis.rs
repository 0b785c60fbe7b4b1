//! Redis as a register of heartbeats: `SET key value EX ttl`, pipelined.
//!
//! It speaks RESP as text over plain sockets, 32 commands a write, as `redis-benchmark -P 32` does. Nothing is written to
//! disk. A client crate was not taken: the server's cost is asked for, and the bytes are few.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    task::JoinSet,
};

use super::{Peer, REDIS};

/// Commands in one write.
pub(crate) const PIPELINE: usize = 32;
const DONE: &[u8] = b"+OK\r\n";
/// Seconds; longer than a row takes.
const TTL: u32 = 3_600;

/// Connections that set keys, and how many they have set.
#[derive(Debug)]
pub(crate) struct Setters {
    pub(crate) peer: Peer,
    idle: Vec<Setter>,
    running: JoinSet<anyhow::Result<Setter>>,
    shared: Arc<Shared>,
    keys: usize,
}

#[derive(Debug, Default)]
struct Shared {
    going: AtomicBool,
    done: AtomicU64,
}

#[derive(Debug)]
struct Setter {
    stream: TcpStream,
    /// Writes that go round all keys of this connection.
    pipelines: Vec<String>,
    next: usize,
}

impl Setters {
    /// `connections` with `keys` each, a multiple of [`PIPELINE`]; `None` if Redis is not installed.
    pub(crate) fn start(runtime: &Runtime, connections: usize, keys: usize) -> anyhow::Result<Option<Self>> {
        let Some(peer) = REDIS.start()? else {
            return Ok(None);
        };
        let mut idle = Vec::with_capacity(connections);
        for connection in 0..connections {
            let stream = runtime.block_on(TcpStream::connect(peer.addr()))?;
            stream.set_nodelay(true)?;
            let mut setter = Setter {
                stream,
                pipelines: pipelines(connection, keys),
                next: 0,
            };
            // All keys are there from the beginning, however short a sample is.
            for _ in 0..setter.pipelines.len() {
                runtime.block_on(setter.set())?;
            }
            idle.push(setter);
        }
        Ok(Some(Self {
            peer,
            idle,
            running: JoinSet::new(),
            shared: Arc::default(),
            keys: connections * keys,
        }))
    }

    /// Keys set so far, each answered.
    pub(crate) fn done(&self) -> u64 {
        self.shared.done.load(SeqCst)
    }

    /// As fast as they are answered.
    pub(crate) fn release(&mut self, runtime: &Runtime) {
        self.shared.going.store(true, SeqCst);
        for setter in self.idle.drain(..) {
            self.running
                .spawn_on(setter.run(self.shared.clone()), runtime.handle());
        }
    }

    /// Waits for the answers under way; an error if one of them was none, or if a key is not there.
    pub(crate) fn hold(&mut self, runtime: &Runtime) -> anyhow::Result<()> {
        self.shared.going.store(false, SeqCst);
        runtime.block_on(async {
            while let Some(setter) = self.running.join_next().await {
                self.idle.push(setter??);
            }
            let setter = self.idle.first_mut().context("no connection to Redis")?;
            setter.stream.write_all(b"DBSIZE\r\n").await?;
            let expected = format!(":{}\r\n", self.keys);
            let mut size = vec![0; expected.len()];
            setter.stream.read_exact(&mut size).await?;
            let size = String::from_utf8_lossy(&size);
            ensure!(size == expected, "Redis has {size:?} keys, expected {expected:?}");
            Ok(())
        })
    }
}

impl Setter {
    async fn run(mut self, shared: Arc<Shared>) -> anyhow::Result<Self> {
        while shared.going.load(Relaxed) {
            self.set().await?;
            shared.done.fetch_add(PIPELINE as u64, Relaxed);
        }
        Ok(self)
    }

    /// The next pipeline, and its answers.
    async fn set(&mut self) -> anyhow::Result<()> {
        let pipeline = &self.pipelines[self.next];
        self.next = (self.next + 1) % self.pipelines.len();
        self.stream.write_all(pipeline.as_bytes()).await?;
        let mut answer = [0; DONE.len() * PIPELINE];
        self.stream.read_exact(&mut answer).await?;
        let all_done = answer.chunks_exact(DONE.len()).all(|answer| answer == DONE);
        ensure!(all_done, "Redis: {}", String::from_utf8_lossy(&answer));
        Ok(())
    }
}

fn pipelines(connection: usize, keys: usize) -> Vec<String> {
    let starts = (0..keys).step_by(PIPELINE);
    starts
        .map(|start| {
            let mut text = String::new();
            for key in start..start + PIPELINE {
                let (key, ttl) = (format!("host-{connection}-{key}"), TTL.to_string());
                let parts = ["SET", &key, "up", "EX", &ttl];
                text.push_str("*5\r\n");
                for part in parts {
                    write!(text, "${}\r\n{part}\r\n", part.len()).expect("a string takes everything");
                }
            }
            text
        })
        .collect()
}
