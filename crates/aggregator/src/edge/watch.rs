//! Watching, whatever the transport: a [`Watcher`] as a stream, and `Watch` of gRPC.
//!
//! The transport pulls, so nothing is made for a watcher that does not read. What is bounded here is bounded for all
//! transports together.

use std::collections::BTreeSet;

use futures_util::{Stream, StreamExt, stream};
use tonic::Status;
use ward_chassis::Peer;
use ward_model::{Epoch, Name, Revision};
use ward_proto::{
    Invalid,
    v1::{self, WatchLevel},
};

use super::{Edge, failure::Failure, refusal};
use crate::hub::{Closing, Cursor, Encoding, Filter, Level, Outgoing, Watcher};

/// Most watchers at once. At 6 KiB each they stay within 64 MB; names to filter by come on top of that.
const WATCHERS: usize = 10_000;
/// Most services one watcher names. A request of 64 KiB holds 10,000 names, which are a megabyte once they are sorted:
/// a hundred streams of one connection could hold a hundred of those. Who wants more services wants all.
const NAMES: usize = 128;

/// As many watch as may.
#[derive(Debug, thiserror::Error)]
#[error("{WATCHERS} watch already, the most there may be: try again later")]
pub(super) struct Full;

/// What somebody asks to be told.
#[derive(Debug, PartialEq)]
pub(super) struct Ask {
    /// Of what.
    pub(super) filter: Filter,
    /// From where on.
    pub(super) resume: Option<Cursor>,
}

/// Begins a watch for `peer`, in protobuf over a stream among others, in JSON over a connection of its own.
pub(super) fn begin(
    edge: &Edge,
    ask: Ask,
    encoding: Encoding,
    peer: Option<Peer>,
) -> Result<impl Stream<Item = Outgoing> + Send + use<>, Full> {
    if edge.hub.watchers() >= WATCHERS {
        return Err(Full);
    }
    let alone = peer.clone().filter(|_| encoding == Encoding::Json);
    let watcher = edge.hub.watch(ask.filter, encoding, ask.resume).alone_on(alone);
    let begun = Told {
        watcher,
        closing: Box::pin(edge.closings.of(peer)),
        in_a_row: 0,
    };
    Ok(stream::unfold(Some(begun), |going_on| async {
        going_on?.next().await
    }))
}

/// So many messages that are there together are told before anything else is looked at: to look costs more than to tell
/// one. As many as a watcher is told apart.
const IN_A_ROW: u32 = 64;

/// A watcher on its way to somebody, until this side ends it.
struct Told<C> {
    watcher: Watcher,
    closing: C,
    /// Messages since it was last asked whether to end.
    in_a_row: u32,
}

impl<C: Future<Output = Closing> + Unpin> Told<C> {
    /// The next message, and what comes behind it if anything does.
    async fn next(mut self) -> Option<(Outgoing, Option<Self>)> {
        if self.in_a_row < IN_A_ROW
            && let Some(message) = self.watcher.ready()
        {
            self.in_a_row += 1;
            return Some((message, Some(self)));
        }
        self.in_a_row = 0;
        tokio::select! {
            biased;
            last_word = &mut self.closing => Some((Outgoing::Closing(last_word), None)),
            message = self.watcher.next() => message.map(|message| (message, Some(self))),
        }
    }
}

/// Services to tell of, as somebody wrote them.
pub(super) fn names<'a>(asked: impl ExactSizeIterator<Item = &'a str>) -> Result<BTreeSet<Name>, Invalid> {
    if asked.len() > NAMES {
        let count = asked.len();
        let message = format!("has {count} entries, expected at most {NAMES}, or none for all services");
        return Err(Invalid::new("names", message));
    }
    let name = |(index, name): (usize, &str)| {
        Name::service(name).map_err(|invalid| Invalid::new(format!("names[{index}]"), invalid.to_string()))
    };
    asked.enumerate().map(name).collect()
}

/// `Watch`. What is wrong with the request is told before anything else.
pub(super) fn watch(
    edge: &Edge,
    request: v1::WatchRequest,
    peer: Option<Peer>,
) -> Result<impl Stream<Item = Result<Outgoing, Status>> + Send + use<>, Status> {
    let ask = Ask {
        filter: filter(&request).map_err(refusal::invalid)?,
        resume: request.resume.as_ref().map(cursor),
    };
    let begun = begin(edge, ask, Encoding::Protobuf, peer);
    let begun = begun.map_err(|full| Failure::Exhausted(full.to_string()))?;
    Ok(begun.map(Ok))
}

fn cursor(wire: &v1::Cursor) -> Cursor {
    Cursor {
        epoch: Epoch(wire.epoch),
        revision: Revision(wire.revision),
    }
}

fn filter(request: &v1::WatchRequest) -> Result<Filter, Invalid> {
    let level = match WatchLevel::try_from(request.level) {
        Ok(WatchLevel::System) => Level::System,
        Ok(WatchLevel::Unspecified | WatchLevel::Service) => Level::Service,
        Ok(WatchLevel::Instance) => Level::Instance,
        Err(_) => {
            return Err(Invalid::new(
                "level",
                format!("is {}, expected one that is known", request.level),
            ));
        }
    };
    Ok(Filter {
        names: names(request.names.iter().map(String::as_str))?,
        level,
        least: ward_proto::least_severity(request.least_severity)?,
    })
}
