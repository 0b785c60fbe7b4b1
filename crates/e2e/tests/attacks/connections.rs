//! Connections in numbers, and connections that never say what they want.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time,
};

use crate::{
    attacker::{PREFACE, connect_from},
    honest::{Honest, ask_once},
    target::{Setup, Target},
};

const PER_ADDRESS: usize = 32;
const IN_ALL: usize = 64;

/// A connection from `source`, if the server lets it in: it then speaks first, with its settings.
async fn admitted(source: [u8; 4], addr: SocketAddr) -> Option<TcpStream> {
    let mut tcp = connect_from(source, addr).await.ok()?;
    let first = time::timeout(Duration::from_secs(5), tcp.read(&mut [0; 9]))
        .await
        .expect("let in or sent away");
    matches!(first, Ok(1..)).then_some(tcp)
}

#[tokio::test(flavor = "multi_thread")]
async fn from_one_address() {
    const ATTEMPTS: usize = 200;
    for setup in Setup::both() {
        let target = Target::start(&Setup {
            connections_per_address: Some(PER_ADDRESS),
            ..setup.clone()
        });
        let honest = Honest::start(target.addr).await;
        let mut held = Vec::new();
        for _ in 0..ATTEMPTS {
            held.extend(admitted([127, 0, 0, 2], target.addr).await);
        }
        let newcomer = ask_once(target.addr).await;
        let happened = format!(
            "of {ATTEMPTS} from one address {} let in; a newcomer from another: {newcomer:?}",
            held.len()
        );
        target.report("connections, one", &happened, honest.finish().await);
        assert_eq!(held.len(), if setup.guarded { PER_ADDRESS } else { ATTEMPTS });
        assert_eq!(newcomer, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_many_addresses() {
    const ADDRESSES: u8 = 20;
    const ATTEMPTS: usize = 10 * ADDRESSES as usize;
    for setup in Setup::both() {
        let target = Target::start(&Setup {
            connections: Some(IN_ALL),
            ..setup.clone()
        });
        let honest = Honest::start(target.addr).await;
        let mut held = Vec::new();
        for attempt in 0..ATTEMPTS {
            let source = [
                127,
                0,
                1,
                u8::try_from(attempt % usize::from(ADDRESSES)).unwrap() + 1,
            ];
            held.extend(admitted(source, target.addr).await);
        }
        let let_in = held.len();
        drop(held);
        let after = ask_once_places_are_free(target.addr).await;
        let happened =
            format!("of {ATTEMPTS} from {ADDRESSES} addresses {let_in} let in; new ones after: {after:?}");
        target.report("connections, many", &happened, honest.finish().await);
        // One place is the honest client's.
        assert_eq!(let_in, if setup.guarded { IN_ALL - 1 } else { ATTEMPTS });
        assert_eq!(after, Ok(()));
    }
}

/// The server learns of a closed connection a moment after the closing.
async fn ask_once_places_are_free(addr: SocketAddr) -> Result<(), String> {
    let free = async {
        while ask_once(addr).await.is_err() {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(Duration::from_secs(5), free)
        .await
        .map_err(|error| error.to_string())
}

/// Sends one byte of the preface after the other, slowly. Whether the server still listened after `patience`.
async fn dribble(mut tcp: TcpStream, patience: Duration) -> bool {
    let dribbling = async {
        for byte in &PREFACE[..PREFACE.len() - 1] {
            if tcp.write_all(&[*byte]).await.is_err() {
                return;
            }
            let pause = Duration::from_millis(100);
            if let Ok(Ok(0) | Err(_)) = time::timeout(pause, tcp.read(&mut [0; 1024])).await {
                return;
            }
        }
        std::future::pending().await
    };
    time::timeout(patience, dribbling).await.is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn that_never_finish_their_preface() {
    const ATTEMPTS: usize = 50;
    for setup in Setup::both() {
        let handshake_timeout = Some(Duration::from_millis(500));
        let target = Target::start(&Setup {
            handshake_timeout,
            ..setup.clone()
        });
        let honest = Honest::start(target.addr).await;
        let mut dribbling = JoinSet::new();
        for _ in 0..ATTEMPTS {
            let tcp = admitted([127, 0, 0, 3], target.addr)
                .await
                .expect("there is room");
            dribbling.spawn(dribble(tcp, Duration::from_secs(2)));
        }
        let still_open = dribbling
            .join_all()
            .await
            .into_iter()
            .filter(|&open| open)
            .count();
        let happened = format!("of {ATTEMPTS} connections {still_open} were still open after 2 s");
        target.report("slow prefaces", &happened, honest.finish().await);
        assert_eq!(still_open, if setup.guarded { 0 } else { ATTEMPTS });
    }
}
