//! `Watch`: a [`Watcher`] as a stream.
//!
//! The transport pulls, so nothing is made for a watcher that does not read.

use futures_util::{Stream, stream};
use tonic::Status;
use ward_chassis::Peer;
use ward_model::{Epoch, Name, Revision};
use ward_proto::{
    Invalid,
    v1::{self, WatchLevel},
};

use super::{Edge, refusal};
use crate::hub::{Closing, Cursor, Filter, Level, Outgoing, Watcher};

/// Most watchers at once. At 6 KiB each they stay within 64 MB; names to filter by come on top of that.
const WATCHERS: usize = 10_000;
/// Most services one watcher names. A request of 64 KiB holds 10,000 names, which are a megabyte once they are sorted:
/// a hundred streams of one connection could hold a hundred of those. Who wants more services wants all.
const NAMES: usize = 128;

/// Begins a watch; what is wrong with the request is told before anything else.
pub(super) fn watch(
    edge: &Edge,
    request: v1::WatchRequest,
    peer: Option<Peer>,
) -> Result<impl Stream<Item = Result<Outgoing, Status>> + Send + use<>, Status> {
    let resume = request.resume.as_ref().map(cursor);
    let filter = filter(&request).map_err(refusal::invalid)?;
    if edge.hub.watchers() >= WATCHERS {
        let message = format!("{WATCHERS} watch already, the most there may be: try again later");
        return Err(Status::resource_exhausted(message));
    }
    let watcher = edge.hub.watch(filter, resume);
    let closing = Box::pin(edge.closings.of(peer));
    let begun = Some((watcher, closing));
    Ok(stream::unfold(begun, |going_on| async {
        let (watcher, closing) = going_on?;
        next(watcher, closing)
            .await
            .map(|(message, going_on)| (Ok(message), going_on))
    }))
}

/// The next message, and what comes behind it if anything does.
async fn next<C>(mut watcher: Watcher, mut closing: C) -> Option<(Outgoing, Option<(Watcher, C)>)>
where
    C: Future<Output = Closing> + Unpin,
{
    tokio::select! {
        biased;
        last_word = &mut closing => Some((Outgoing::Closing(last_word), None)),
        message = watcher.next() => message.map(|message| (message, Some((watcher, closing)))),
    }
}

fn cursor(wire: &v1::Cursor) -> Cursor {
    Cursor {
        epoch: Epoch(wire.epoch),
        revision: Revision(wire.revision),
    }
}

fn filter(request: &v1::WatchRequest) -> Result<Filter, Invalid> {
    if request.names.len() > NAMES {
        let count = request.names.len();
        let message = format!("has {count} entries, expected at most {NAMES}, or none for all services");
        return Err(Invalid::new("names", message));
    }
    let name = |(index, name): (usize, &String)| {
        Name::service(name).map_err(|invalid| Invalid::new(format!("names[{index}]"), invalid.to_string()))
    };
    let names = request
        .names
        .iter()
        .enumerate()
        .map(name)
        .collect::<Result<_, _>>()?;
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
        names,
        level,
        least: ward_proto::least_severity(request.least_severity)?,
    })
}
