//! Where a listener may stand, and how many it lets in.

use std::net::SocketAddr;

use axum::Router;
use tokio::{io::AsyncReadExt, time};
use ward_chassis::{Limits, Listener, Transport, listener::BindError};

use crate::server::{LONG, Server};

#[tokio::test]
async fn beyond_loopback_only_if_told_to() {
    for beyond in ["0.0.0.0:0", "[::]:0", "[::ffff:10.0.0.1]:0"] {
        let beyond: SocketAddr = beyond.parse().unwrap();
        let refused = Listener::bind(beyond, Limits::default(), Transport::Cleartext).unwrap_err();
        assert!(
            matches!(refused, BindError::BeyondLoopback(addr) if addr == beyond),
            "{refused}"
        );
        assert!(
            refused.to_string().contains("--insecure"),
            "says what to do: {refused}"
        );
    }
    for loopback in ["127.0.0.1:0", "127.8.8.8:0", "[::ffff:127.0.0.1]:0"] {
        Listener::bind(loopback.parse().unwrap(), Limits::default(), Transport::Cleartext).unwrap();
    }
    let open = Listener::bind(
        "0.0.0.0:0".parse().unwrap(),
        Limits::default(),
        Transport::Insecure,
    )
    .unwrap();
    assert_ne!(open.addr().port(), 0);
}

#[tokio::test]
async fn a_port_has_one_listener() {
    let first = Listener::bind(
        "127.0.0.1:0".parse().unwrap(),
        Limits::default(),
        Transport::Cleartext,
    )
    .unwrap();
    let refused = Listener::bind(first.addr(), Limits::default(), Transport::Cleartext).unwrap_err();
    assert!(
        matches!(refused, BindError::InUse { addr } if addr == first.addr()),
        "{refused}"
    );
    assert!(
        refused.to_string().contains(&first.addr().to_string()),
        "{refused}"
    );
}

#[tokio::test]
async fn the_connection_above_the_limit_is_closed_and_the_place_comes_back() {
    for (limits, per_address) in [
        (
            Limits {
                connections_per_address: 2,
                ..Limits::default()
            },
            true,
        ),
        (
            Limits {
                connections: 2,
                ..Limits::default()
            },
            false,
        ),
    ] {
        let server = Server::h1(limits, Router::new());
        let (first, _second) = (server.connect().await, server.connect().await);
        server.until(|counts| counts.active == 2).await;
        let mut third = server.connect().await;
        let read = time::timeout(LONG, third.read(&mut [0; 1]))
            .await
            .expect("closed, not left hanging");
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        let counts = server.stats.snapshot();
        let refused = (counts.refused_address, counts.refused_connections);
        assert_eq!(refused, if per_address { (1, 0) } else { (0, 1) });
        drop(first);
        server.until(|counts| counts.active == 1).await;
        let _fourth = server.connect().await;
        server.until(|counts| counts.accepted == 3).await;
        assert_eq!(server.stop().await, 0);
    }
}
