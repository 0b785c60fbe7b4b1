//! Watching, whatever the transport: a [`Watcher`] as a stream, and `Watch` of gRPC.
//!
//! The transport pulls, so nothing is made for a watcher that does not read. What is bounded here is bounded for all
//! transports together.

mod body;

use std::{
    collections::BTreeSet,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;
use tonic::Status;
use ward_model::{Epoch, Name, Revision};
use ward_proto::{
    Invalid,
    v1::{self, WatchLevel},
};

pub(super) use self::body::TellBody;
use super::{Edge, client::Share, closing::Ending, failure::Failure, refusal};
use crate::{
    access::Caller,
    hub::{Cursor, Encoding, Filter, Level, Outgoing, Watcher},
};

/// Most services one watcher names. A request of 64 KiB holds 10,000 names, which are a megabyte once they are sorted:
/// a hundred streams of one connection could hold a hundred of those. Who wants more services wants all.
const NAMES: usize = 128;

/// What somebody asks to be told.
#[derive(Debug, PartialEq)]
pub(super) struct Ask {
    /// Of what.
    pub(super) filter: Filter,
    /// From where on.
    pub(super) resume: Option<Cursor>,
}

/// Begins a watch for `caller`.
pub(super) fn begin(edge: &Edge, ask: Ask, encoding: Encoding, caller: &Caller) -> Result<Told, Failure> {
    let share = edge.clients.watch(caller, edge.clock.mono());
    let share = share.map_err(|full| refusal::full(edge, full))?;
    let peer = caller.peer().cloned();
    let watcher = edge.hub.watch(ask.filter, encoding, ask.resume);
    Ok(Told {
        watcher: watcher.over(peer.clone()),
        ending: Some(edge.closings.ending(peer)),
        _share: share,
    })
}

/// A watcher on its way to somebody, until this side ends it.
#[derive(Debug)]
pub(super) struct Told {
    watcher: Watcher,
    /// `None` once it has ended.
    ending: Option<Ending>,
    /// What it takes of what its client, and all clients, may have.
    _share: Share,
}

impl Stream for Told {
    type Item = Outgoing;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        let this = self.get_mut();
        let Some(ending) = &mut this.ending else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(last_word) = ending.poll(cx) {
            this.ending = None;
            return Poll::Ready(Some(Outgoing::Closing(last_word)));
        }
        this.watcher.poll_next(cx)
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
pub(super) fn watch(edge: &Edge, request: v1::WatchRequest, caller: &Caller) -> Result<Told, Status> {
    let ask = Ask {
        filter: filter(&request).map_err(refusal::invalid)?,
        resume: request.resume.as_ref().map(cursor),
    };
    Ok(begin(edge, ask, Encoding::Protobuf, caller)?)
}

fn cursor(wire: &v1::Cursor) -> Cursor {
    Cursor {
        epoch: Epoch(wire.epoch),
        revision: Revision(wire.revision),
    }
}

pub(super) fn filter(request: &v1::WatchRequest) -> Result<Filter, Invalid> {
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
