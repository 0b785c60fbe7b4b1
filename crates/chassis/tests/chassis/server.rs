//! A server of one test: ends with it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpStream, task::JoinHandle, time};
use ward_chassis::{
    Limits, Listener, Shutdown, Transport,
    listener::{ListenerCounts, ListenerStats},
    serve::{serve_h1, serve_h2},
};

pub(crate) const LONG: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) stats: Arc<ListenerStats>,
    stop: Shutdown,
    served: JoinHandle<usize>,
}

impl Server {
    pub(crate) fn h1(limits: Limits, app: Router) -> Self {
        Self::h1_over(Transport::Cleartext, limits, app)
    }

    pub(crate) fn h1_over(transport: Transport, limits: Limits, app: Router) -> Self {
        Self::start(transport, limits, |listener, stop| {
            tokio::spawn(async move { serve_h1(listener, app, stop.triggered()).await })
        })
    }

    pub(crate) fn h2(limits: Limits, app: Router) -> Self {
        Self::h2_over(Transport::Cleartext, limits, app)
    }

    pub(crate) fn h2_over(transport: Transport, limits: Limits, app: Router) -> Self {
        Self::start(transport, limits, |listener, stop| {
            tokio::spawn(async move { serve_h2(listener, app, stop.triggered()).await })
        })
    }

    fn start(
        transport: Transport,
        limits: Limits,
        serve: impl FnOnce(Listener, Shutdown) -> JoinHandle<usize>,
    ) -> Self {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), limits, transport).unwrap();
        let (addr, stats, stop) = (listener.addr(), listener.stats(), Shutdown::manual());
        Self {
            addr,
            stats,
            served: serve(listener, stop.clone()),
            stop,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Waits until the counters are as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&ListenerCounts) -> bool) {
        let reached = time::timeout(LONG, async {
            while !wanted(&self.stats.snapshot()) {
                time::sleep(Duration::from_millis(2)).await;
            }
        });
        assert!(reached.await.is_ok(), "{:?}", self.stats.snapshot());
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.trigger();
    }

    /// Stops, and returns how many connections had to be cut.
    pub(crate) async fn stop(self) -> usize {
        self.begin_stop();
        time::timeout(LONG, self.served)
            .await
            .expect("stopping is bounded")
            .unwrap()
    }
}
