//! One watch as a stream: what its client was told, and what it is told next.
//!
//! The transport pulls. As long as the client does not read, nothing is made for it, and what it is told then is the
//! newest.

use std::future;

use futures_util::{Stream, StreamExt, future::BoxFuture, stream};
use tonic::Status;

use crate::{
    ServingStatus,
    registry::{Watched, response},
    v1::HealthCheckResponse,
};

struct Watching {
    watched: Watched,
    told: Option<HealthCheckResponse>,
    ending: BoxFuture<'static, ()>,
}

/// The messages of one watch, which end with the drain or with `ending`.
pub(crate) fn stream(
    watched: Watched,
    ending: Option<BoxFuture<'static, ()>>,
) -> impl Stream<Item = Result<HealthCheckResponse, Status>> + Send {
    let begun = Watching {
        watched,
        told: None,
        ending: ending.unwrap_or_else(|| Box::pin(future::pending())),
    };
    stream::unfold(Some(begun), |going_on| async {
        let (message, going_on) = next(going_on?).await?;
        Some((Ok(message), going_on))
    })
    .fuse()
}

/// The next message, and what comes behind it if anything does.
async fn next(mut watching: Watching) -> Option<(HealthCheckResponse, Option<Watching>)> {
    loop {
        let state = watching.watched.look();
        let status = if state.drained {
            Some(ServingStatus::NotServing)
        } else {
            state.status
        };
        let message = response(status);
        // The state may have changed and changed back while nobody read.
        let is_news = watching.told != Some(message);
        watching.told = Some(message);
        match (is_news, state.drained) {
            (true, drained) => return Some((message, (!drained).then_some(watching))),
            (false, true) => return None,
            (false, false) => {}
        }
        // The news first: who drains says so, and only then ends what is left.
        tokio::select! {
            biased;
            () = watching.watched.news() => {}
            () = &mut watching.ending => return None,
        }
    }
}
