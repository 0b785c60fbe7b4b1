//! TLS handshakes that are begun and never finished.
//!
//! Some from one address and some from others, so that neither bound on their number is all that is met.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};

use crate::{Size, attack::Outcome, client::connect_from, honest::ask_once, target::Target};

/// Honest clients that come while handshakes are held open.
const NEWCOMERS: usize = 20;

/// From where they come.
const ADDRESSES: usize = 3;
/// The head of a record that holds a ClientHello of 512 bytes (RFC 8446, sections 4 and 5.1), and of those the first.
const BEGUN: [u8; 11] = [0x16, 3, 1, 2, 4, 1, 0, 2, 0, 3, 3];

pub(crate) async fn attack(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let count = size.of(100, 1_000);
    // The bound on a handshake is 5 s, or what the setup says.
    let patience = size.of(Duration::from_secs(3), Duration::from_secs(12));
    let attack = half_open(target.grpc, count, patience);
    let newcomers = async {
        let mut served = 0;
        for _ in 0..NEWCOMERS {
            served += usize::from(ask_once(target.server()).await.is_ok());
        }
        served
    };
    let (open, served) = tokio::join!(attack, newcomers);
    Ok(Outcome {
        stopped: open == 0 && served == NEWCOMERS,
        happened: format!(
            "of {count} handshakes {open} still open {} s later; of {NEWCOMERS} who came meanwhile {served} served",
            patience.as_secs()
        ),
    })
}

/// Begins so many handshakes, and returns how many of them the server has not ended after `patience`.
async fn half_open(addr: SocketAddr, count: usize, patience: Duration) -> usize {
    let mut waiting = JoinSet::new();
    for attempt in 0..count {
        let host = u8::try_from(attempt % ADDRESSES + 1).unwrap_or(u8::MAX);
        // One that is refused may find out here already.
        let Ok(mut tcp) = connect_from([127, 0, 7, host], addr).await else {
            continue;
        };
        waiting.spawn(async move {
            let ended = async {
                tcp.write_all(&BEGUN).await?;
                // An alert may come before the end.
                while tcp.read(&mut [0; 64]).await? > 0 {}
                std::io::Result::Ok(())
            };
            timeout(patience, ended).await.is_err()
        });
    }
    waiting.join_all().await.into_iter().filter(|&open| open).count()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn who_is_cut_is_told_from_who_is_held() {
        for cut in [true, false] {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let addr = listener.local_addr().unwrap();
            tokio::spawn(async move {
                let mut held = Vec::new();
                while let Ok((tcp, _)) = listener.accept().await {
                    if !cut {
                        held.push(tcp);
                    }
                }
            });
            let open = half_open(addr, 5, Duration::from_millis(300)).await;
            assert_eq!(open, if cut { 0 } else { 5 });
        }
    }
}
