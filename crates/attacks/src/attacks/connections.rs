//! Connections in numbers, and connections that never say what they want.

use std::{io, net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time,
};

use crate::{
    Size,
    attack::Outcome,
    client::connect_from,
    honest::ask_once,
    target::Target,
    wire::{Frames, PREFACE},
};

/// The bounds that [`from_one_address`] and [`from_many_addresses`] run into.
pub(crate) const PER_ADDRESS: usize = 32;
pub(crate) const IN_ALL: usize = 64;

/// A connection from `source`, if the server lets it in: it then answers a preface with its settings.
async fn admitted(source: [u8; 4], addr: SocketAddr) -> anyhow::Result<Option<TcpStream>> {
    let Ok(mut tcp) = connect_from(source, addr).await else {
        return Ok(None);
    };
    // Who is sent away may find out here already.
    tcp.write_all(&Frames::opening(&[]).bytes).await.ok();
    let first = time::timeout(Duration::from_secs(10), tcp.read(&mut [0; 9]))
        .await
        .context("neither let in nor sent away")?;
    Ok(matches!(first, Ok(1..)).then_some(tcp))
}

pub(crate) async fn from_one_address(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    const ATTEMPTS: usize = 200;
    let end = target.clock().mono() + size.lasts();
    let mut held = Vec::new();
    let mut attempts = 0;
    while attempts < ATTEMPTS || target.clock().mono() < end {
        attempts += 1;
        // Only the first are held where nothing stops them.
        let tcp = admitted([127, 0, 0, 2], target.grpc).await?;
        held.extend(tcp.filter(|_| attempts <= ATTEMPTS));
    }
    let newcomer = ask_once(target.grpc).await.is_ok();
    Ok(Outcome {
        stopped: held.len() == PER_ADDRESS && newcomer,
        happened: format!(
            "of {ATTEMPTS} let in {}, {} later ones tried; from another address: {}",
            held.len(),
            attempts - ATTEMPTS,
            served(newcomer)
        ),
    })
}

fn served(served: bool) -> &'static str {
    if served { "served" } else { "not served" }
}

pub(crate) async fn from_many_addresses(target: &Target, _: Size) -> anyhow::Result<Outcome> {
    const ADDRESSES: u8 = 20;
    const ATTEMPTS: u8 = 200;
    let mut held = Vec::new();
    for attempt in 0..ATTEMPTS {
        held.extend(admitted([127, 0, 1, attempt % ADDRESSES + 1], target.grpc).await?);
    }
    let let_in = held.len();
    drop(held);
    let after = ask_once_places_are_free(target.grpc).await;
    // One place is the honest client's.
    Ok(Outcome {
        stopped: let_in == IN_ALL - 1 && after,
        happened: format!(
            "of {ATTEMPTS} let in {let_in}; a new one behind them: {}",
            served(after)
        ),
    })
}

/// The server learns of a closed connection a moment after the closing.
async fn ask_once_places_are_free(addr: SocketAddr) -> bool {
    let free = async {
        while ask_once(addr).await.is_err() {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(Duration::from_secs(10), free).await.is_ok()
}

/// From five addresses, each within its own bound, and nothing is ever said.
pub(crate) async fn idle(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    const ADDRESSES: usize = 5;
    let attempts = size.of(500, 10_000);
    let mut connected = Vec::new();
    for attempt in 0..attempts {
        let host = u8::try_from(attempt % ADDRESSES + 1)?;
        connected.extend(connect_from([127, 0, 4, host], target.grpc).await);
    }
    let count = connected.len();
    // The bound on the preface is 5 s, or what the setup says.
    let patience = size.of(Duration::from_secs(2), Duration::from_secs(12));
    let mut left = JoinSet::new();
    for tcp in connected {
        left.spawn(async move { time::timeout(patience, end(tcp)).await.is_err() });
    }
    let open = left.join_all().await.into_iter().filter(|&open| open).count();
    Ok(Outcome {
        stopped: open == 0,
        happened: format!(
            "of {count} connections {open} still open {} s later",
            patience.as_secs()
        ),
    })
}

/// Reads until the other side has closed.
async fn end(mut tcp: TcpStream) {
    while let Ok(1..) = tcp.read(&mut [0; 1024]).await {}
}

/// Sends one byte of the preface after the other, slowly. Whether the server still listened after `patience`.
async fn dribble(mut tcp: TcpStream, patience: Duration) -> bool {
    let dribbling = async {
        for byte in &PREFACE[..PREFACE.len() - 1] {
            tcp.write_all(&[*byte]).await?;
            let pause = Duration::from_millis(100);
            if let Ok(Ok(0) | Err(_)) = time::timeout(pause, tcp.read(&mut [0; 1024])).await {
                return io::Result::Ok(());
            }
        }
        while tcp.read(&mut [0; 1024]).await? > 0 {}
        Ok(())
    };
    time::timeout(patience, dribbling).await.is_err()
}

pub(crate) async fn dribbled(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let attempts = size.of(50, 1_000);
    let patience = size.of(Duration::from_secs(2), Duration::from_secs(12));
    let mut dribbling = JoinSet::new();
    for _ in 0..attempts {
        let tcp = connect_from([127, 0, 0, 3], target.grpc).await?;
        dribbling.spawn(dribble(tcp, patience));
    }
    let open = dribbling
        .join_all()
        .await
        .into_iter()
        .filter(|&open| open)
        .count();
    Ok(Outcome {
        stopped: open == 0,
        happened: format!(
            "of {attempts} connections {open} still open after {} s",
            patience.as_secs()
        ),
    })
}
