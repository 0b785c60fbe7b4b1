//! A [`Reader`] that waits: for the next revision, for the next bookmark, for the end.
//!
//! The transport pulls: as long as the peer does not read, [`Watcher::next`] is not called and nothing is made for it.
//! That also means that a stalled watcher cannot notice itself, so [`Stalls`] looks from outside. A task for each
//! watcher was not taken: it costs a hop for each message and memory for each watcher, to find out the same.

use std::{
    future::poll_fn,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tokio::time::{Sleep, sleep};
use ward_chassis::Peer;

use super::{
    Closing, Cursor, Encoding, Filter, Hub, Level, Outgoing, Shared, news::Waiter, reader::Reader, ring::Ring,
};
use crate::rarely::Rarely;

/// The part of a watcher that is also looked at from outside.
#[derive(Debug)]
struct Place {
    reader: Reader,
    /// Messages taken so far.
    taken: u64,
    ended: bool,
    /// Over whose connection.
    peer: Option<Peer>,
}

/// One who watches.
#[derive(Debug)]
pub(crate) struct Watcher {
    hub: Hub,
    /// None for one within this process.
    _counted: Option<Counted>,
    /// Never contended but by the sweep for stalled watchers.
    place: Arc<Mutex<Place>>,
    news: Waiter,
    next_bookmark: Rarely<Sleep>,
    bookmark_due: bool,
    over: bool,
}

const STALLED: Closing = Closing {
    reason: "nothing was read for too long: resume",
    retry_after_ms: 0,
};

impl Watcher {
    /// Must be made within a tokio runtime, for its bookmarks.
    pub(super) fn new(hub: Hub, filter: Filter, encoding: Encoding, resume: Option<Cursor>) -> Self {
        let counted = Counted::new(&hub, encoding, filter.level);
        Self {
            _counted: Some(counted),
            ..Self::reading(hub, Reader::new(filter, encoding, resume), resume.is_some())
        }
    }

    /// The same for a part of this process, which takes nobody's place.
    pub(super) fn uncounted(hub: Hub, filter: Filter, encoding: Encoding) -> Self {
        Self::reading(hub, Reader::new(filter, encoding, None).alone(), false)
    }

    fn reading(hub: Hub, reader: Reader, resumes: bool) -> Self {
        let place = Place {
            reader,
            taken: 0,
            ended: false,
            peer: None,
        };
        let place = Arc::new(Mutex::new(place));
        hub.shared.stalls.lock().watched.push(Watched {
            place: Arc::downgrade(&place),
            taken: 0,
            sweeps: 0,
        });
        let next_bookmark = Rarely::new(sleep(hub.shared.config.bookmark_every));
        let news = Waiter::new(&hub.shared.news);
        // One who resumes where nothing has happened since is told that at once.
        Self {
            hub,
            _counted: None,
            place,
            news,
            next_bookmark,
            bookmark_due: resumes,
            over: false,
        }
    }

    /// It goes over the connection of `peer`, which is cut should this be ended as stalled and not be gone by the next
    /// sweep. One who takes nothing is not asked for its end either, so nobody else would let go of it while its
    /// connection lasts; and over HTTP/2 that lasts for as long as pings are answered, however tight the window of the
    /// stream is shut. What else the connection carries goes with it, and comes back over another one.
    pub(crate) fn over(self, peer: Option<Peer>) -> Self {
        self.place.lock().peer = peer;
        self
    }

    /// The next message; `None` behind a [`Outgoing::Closing`]. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Outgoing> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same for one who polls by hand.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        loop {
            if self.over {
                return Poll::Ready(None);
            }
            if let Some(message) = self.ready() {
                return Poll::Ready(Some(message));
            }
            if self.news.poll(cx).is_pending() && self.poll_bookmark(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_bookmark(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let elapsed = self.next_bookmark.get().is_elapsed();
        let polled = self.next_bookmark.poll(cx, elapsed);
        if polled.is_ready() {
            self.bookmark_due = true;
            self.next_bookmark = Rarely::new(sleep(self.hub.shared.config.bookmark_every));
        }
        polled
    }

    /// The next message if it is there already.
    fn ready(&mut self) -> Option<Outgoing> {
        // Before the ring is looked at: what is published in between is seen twice rather than never.
        self.news.look();
        let mut place = self.place.lock();
        if place.ended {
            self.over = true;
            return Some(Outgoing::Closing(STALLED));
        }
        let ring = self.hub.shared.ring.load();
        if let Some(frame) = place.reader.next(&ring) {
            place.taken += 1;
            if frame.last {
                self.hub.shared.coalesced.fetch_add(frame.skipped, Relaxed);
            }
            return Some(Outgoing::Delta(frame));
        }
        if !self.bookmark_due {
            return None;
        }
        self.bookmark_due = false;
        place.reader.bookmark(&ring, self.hub.shared.audit.load_full())
    }
}

/// One in [`Hub::watching`], for as long as it is held.
#[derive(Debug)]
struct Counted {
    shared: Arc<Shared>,
    encoding: Encoding,
    deep: bool,
}

impl Counted {
    fn new(hub: &Hub, encoding: Encoding, level: Level) -> Self {
        let (shared, deep) = (hub.shared.clone(), level == Level::Instance);
        shared.watching[encoding as usize].fetch_add(1, Relaxed);
        shared.deep.fetch_add(usize::from(deep), Relaxed);
        Self {
            shared,
            encoding,
            deep,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.watching[self.encoding as usize].fetch_sub(1, Relaxed);
        self.shared.deep.fetch_sub(usize::from(self.deep), Relaxed);
    }
}

/// All watchers, to find those that take nothing although there is something. Those that are gone are dropped from it
/// by each sweep, so it holds at most those that came since the last one too.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    place: Weak<Mutex<Place>>,
    /// What it had taken when last looked at.
    taken: u64,
    /// Sweeps in a row that found it behind and standing still.
    sweeps: u32,
}

impl Stalls {
    /// Ends who stood still for `allowed` sweeps, lets go of what is held for it, and by the next sweep of itself. How
    /// many were ended.
    pub(super) fn sweep(&mut self, ring: &Ring, allowed: u32) -> usize {
        let mut ended = 0;
        self.watched.retain_mut(|watched| {
            let Some(place) = watched.place.upgrade() else {
                return false;
            };
            let mut place = place.lock();
            if place.ended {
                if let Some(peer) = &place.peer {
                    tracing::debug!(addr = %peer.addr, "a watcher did not take its last word: its connection is cut");
                    peer.cut();
                }
                return false;
            }
            let stands_still = place.taken == watched.taken && place.reader.is_behind(ring);
            watched.taken = place.taken;
            watched.sweeps = if stands_still { watched.sweeps + 1 } else { 0 };
            if watched.sweeps < allowed {
                return true;
            }
            place.ended = true;
            place.reader.release();
            ended += 1;
            true
        });
        ended
    }
}
