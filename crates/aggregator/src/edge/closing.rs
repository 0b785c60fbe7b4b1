//! The last word to long streams before this side ends them.
//!
//! A stream that just ends looks like a crash, and everybody comes back at the same moment. So each is told why, and
//! when to return, spread over a moment of its own.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::watch;
use ward_chassis::Peer;

use crate::{hub::Closing, rarely::Rarely};

/// Reporters that were told to leave come back within this, spread evenly: soon enough to be heard again before anybody
/// is suspected, late enough for a restart to have bound its socket.
const RETRY_MS: std::ops::Range<u32> = 100..1_000;

const AGE: &str = "the connection is old or the server stops: connect again";

/// Tells streams that this side ends them.
#[derive(Debug)]
pub(crate) struct Closings(watch::Sender<Option<&'static str>>);

impl Default for Closings {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Closings {
    /// From now on every stream ends, with this reason.
    pub(crate) fn close(&self, reason: &'static str) {
        self.0.send_replace(Some(reason));
    }

    /// Whether streams are being ended.
    pub(crate) fn is_closing(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// The same as [`Self::of`], for one who polls by hand.
    pub(crate) fn ending(&self, peer: Option<Peer>) -> Ending {
        let all = self.0.subscribe();
        let last_word: Pin<Box<LastWord>> = Box::pin(self.of(peer.clone()));
        Ending {
            all,
            peer,
            last_word: last_word.into(),
        }
    }

    /// What one stream waits on: the end of all, or that of its connection.
    pub(crate) fn of(&self, peer: Option<Peer>) -> impl Future<Output = Closing> + Send + use<> {
        let mut all = self.0.subscribe();
        async move {
            let reason = tokio::select! {
                biased;
                reason = all.wait_for(Option::is_some) => reason.ok().and_then(|reason| *reason).unwrap_or(AGE),
                () = leaving(peer) => AGE,
            };
            Closing {
                reason,
                retry_after_ms: rand::random_range(RETRY_MS),
            }
        }
    }
}

/// The end of one stream, for one who polls by hand.
#[derive(Debug)]
pub(crate) struct Ending {
    all: watch::Receiver<Option<&'static str>>,
    peer: Option<Peer>,
    last_word: Rarely<LastWord>,
}

type LastWord = dyn Future<Output = Closing> + Send;

impl Ending {
    /// Ready once the stream is to end; not to be polled again then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closing> {
        let all = self.all.has_changed().unwrap_or(true);
        let may_be_ready = all || self.peer.as_ref().is_some_and(Peer::is_closing);
        self.last_word.poll(cx, may_be_ready)
    }
}

async fn leaving(peer: Option<Peer>) {
    match peer {
        Some(peer) => peer.closing().await,
        // Not over a connection of ours: nothing but the end of all ends it.
        None => std::future::pending().await,
    }
}
