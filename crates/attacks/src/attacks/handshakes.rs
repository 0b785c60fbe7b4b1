//! TLS handshakes that are begun and never finished.
//!
//! A row among the attacks once a target can be told to speak TLS; until then it is tried on listeners of its own, below.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};

use crate::client::connect_from;

/// The head of a record that holds a ClientHello of 512 bytes (RFC 8446, sections 4 and 5.1), and of those the first.
const BEGUN: [u8; 11] = [0x16, 3, 1, 2, 4, 1, 0, 2, 0, 3, 3];

/// Begins so many handshakes, and returns how many of them the server has not ended after `patience`.
///
/// # Errors
///
/// There is no connection to be had.
pub async fn half_open(addr: SocketAddr, count: usize, patience: Duration) -> std::io::Result<usize> {
    let mut waiting = JoinSet::new();
    for _ in 0..count {
        let mut tcp = connect_from([127, 0, 7, 1], addr).await?;
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
    Ok(waiting.join_all().await.into_iter().filter(|&open| open).count())
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
            let open = half_open(addr, 5, Duration::from_millis(300)).await.unwrap();
            assert_eq!(open, if cut { 0 } else { 5 });
        }
    }
}
