//! The two listeners, served.

use std::sync::Arc;

use axum::Router;
use tokio::{sync::oneshot, task::JoinHandle};
use tower::Layer;
use ward_chassis::{
    Listener,
    panic::CatchPanicLayer,
    serve::{serve_h1, serve_h2},
};

use crate::edge::{self, Edge};

/// A listener that is being served, by a task that ends when told or when its owner is dropped.
#[derive(Debug)]
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<usize>,
}

impl Server {
    fn new<F: Future<Output = usize> + Send + 'static>(
        serve: impl FnOnce(oneshot::Receiver<()>) -> F,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self {
            stop: Some(stop),
            task: tokio::spawn(serve(stopped)),
        }
    }

    pub(super) async fn stop(&mut self) {
        drop(self.stop.take());
        match (&mut self.task).await {
            Ok(0) => {}
            Ok(cut) => tracing::warn!(
                connections = cut,
                "connections did not finish in time and were cut"
            ),
            Err(error) => tracing::error!(%error, "a server had failed before the stop"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn serve_grpc(listener: Listener, edge: &Arc<Edge>, debug: bool) -> Server {
    let service = CatchPanicLayer::new(debug).layer(edge::grpc::routes(edge));
    Server::new(|stopped| serve_h2(listener, service, told(stopped)))
}

/// The router catches panics itself: what it answers then carries what all its answers carry.
pub(super) fn serve_http(listener: Listener, router: Router) -> Server {
    Server::new(|stopped| serve_h1(listener, router, told(stopped)))
}

async fn told(stopped: oneshot::Receiver<()>) {
    // Nothing is ever sent: it ends with its sender.
    drop(stopped.await);
}
