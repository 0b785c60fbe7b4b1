//! A way to somewhere that a test can break: a proxy, a cable, a Wi-Fi.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

/// Passes connections on until dropped.
pub(crate) struct Relay {
    pub(crate) addr: SocketAddr,
    breaking: Arc<Notify>,
    accepting: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn to(far: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let breaking = Arc::new(Notify::new());
        let breaks = Arc::clone(&breaking);
        let accepting = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(near, far, Arc::clone(&breaks)));
            }
        });
        Self {
            addr,
            breaking,
            accepting,
        }
    }

    /// Breaks what is carried now.
    pub(crate) fn break_connections(&self) {
        self.breaking.notify_waiters();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(mut near: TcpStream, far: SocketAddr, breaking: Arc<Notify>) {
    let broken = breaking.notified();
    // While nobody listens there the near side sees a connection that ends, as through any proxy.
    let Ok(mut far) = TcpStream::connect(far).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        () = broken => {}
    }
}
