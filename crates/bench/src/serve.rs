//! What runs in the server processes: Ward itself, and the same work with nothing of Ward in it.
//!
//! All of them have the runtime that `ward` has, and say on standard output where they listen. They end with their
//! standard input.

mod engine;
mod fan;
mod noop;
mod raw;
mod thief;
mod ward;

use std::{
    io::{Read, Write},
    net::SocketAddr,
};

use anyhow::Context;
use clap::Subcommand;
use tokio::{net::TcpListener, runtime, sync::oneshot};

use crate::machine;

pub(crate) use raw::{FRAME, frame};
pub(crate) use ward::RAISED;

/// Which server.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Serve {
    /// An aggregator, its bounds on one client raised: all that is measured comes from one address
    Ward(ward::Options),
    /// No server: an engine that is filled, says how many bytes an instance takes, and ends
    Engine(engine::Options),
    /// `Report` that reads requests and acknowledges as Ward does, and knows of nothing
    Noop,
    /// `Report` and `Watch` with a broadcast channel between them
    Fan { fan: fan::Fan },
    /// Frames to many sockets
    Raw,
    /// No server: takes a third of the servers' core away
    Thief,
}

impl Serve {
    /// Serves until standard input ends.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        machine::pin(machine::SERVER_CORE)?;
        machine::raise_descriptors()?;
        let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::Ward(options) => ward::serve(&options).await,
                Self::Engine(options) => engine::fill(&options),
                Self::Noop => noop::serve().await,
                Self::Fan { fan } => fan::serve(fan).await,
                Self::Raw => raw::serve().await,
                Self::Thief => thief::steal(),
            }
        })
    }
}

/// A listener for one of the servers that are not Ward.
async fn listener() -> anyhow::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await.context("listen")
}

/// Says where it listens and returns when standard input has ended.
async fn until_over(addr: SocketAddr) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{addr}")?;
    stdout.flush()?;
    let (ended, end) = oneshot::channel::<()>();
    // A thread of its own: reading standard input cannot be cancelled.
    std::thread::spawn(move || {
        let _ended = ended;
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
    });
    drop(end.await);
    Ok(())
}
