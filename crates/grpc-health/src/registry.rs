//! The statuses by name, and who watches them.
//!
//! Each name has a cell of its own that holds one state, the newest, and a channel while somebody watches: of ten
//! thousand names most are never watched. A watcher looks when its transport asks for a message, so nothing queues for
//! one that does not read, and a change wakes those who watch that name only. A broadcast to all watchers was not
//! taken: ten thousand would wake to find that it was not about them; nor a queue for each, which has to be bounded,
//! drained and refilled to say the same.
//!
//! A name is here while it is set or watched. The lock is held for a look-up and a store; only [`Registry::list`] and
//! [`Registry::drain`] hold it for as long as there are names.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use prost::Message;
use tokio::sync::watch;

use crate::{
    ServingStatus,
    v1::{HealthCheckResponse, HealthListResponse, health_check_response::ServingStatus as WireStatus},
};

/// What strangers may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most watches at once, 10,000 unless said otherwise: an idle one costs a few KiB, most of it in the transport, so
    /// all of them stay within some tens of megabytes.
    pub watches: usize,
    /// Longest name, in bytes, that may be watched without being known, 256 unless said otherwise: names of services in
    /// protobuf packages have a few dozen.
    pub name_bytes: usize,
    /// Longest answer to `List`, in bytes, 1 MiB unless said otherwise. Clients take 4 MiB by default; a count of names,
    /// such as the 100 of grpc-go, says nothing about what they can take. Fourteen thousand names of 63 bytes fit.
    pub list_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            watches: 10_000,
            name_bytes: 256,
            list_bytes: 1 << 20,
        }
    }
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// As it was set; `None` if nobody did.
    pub(crate) status: Option<ServingStatus>,
    /// Nothing follows: tell that it is not serving, and end.
    pub(crate) drained: bool,
}

/// Why a watch does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0} watches are open already, the most there may be: try again later")]
    TooMany(usize),
    #[error("no service is named so, and with more than {0} bytes none will be watched before there is")]
    TooLong(usize),
}

/// The names do not fit one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list would have {bytes} bytes, of {most} at most: ask with Check for those of interest")]
pub(crate) struct TooLarge {
    bytes: usize,
    most: usize,
}

#[derive(Debug)]
pub(crate) struct Registry {
    limits: Limits,
    names: RwLock<Names>,
}

#[derive(Debug)]
struct Cell {
    state: State,
    /// While somebody watches.
    watched: Option<watch::Sender<State>>,
}

#[derive(Debug, Default)]
struct Names {
    cells: HashMap<Arc<str>, Cell>,
    watches: usize,
    drained: bool,
}

impl Registry {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            names: RwLock::default(),
        }
    }

    pub(crate) fn set(&self, name: &str, status: ServingStatus) {
        let mut names = self.names.write();
        if names.drained {
            return;
        }
        match names.cells.get_mut(name) {
            Some(cell) => cell.put(Some(status)),
            None => {
                let cell = names.cell(Some(status));
                names.cells.insert(name.into(), cell);
            }
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        let mut names = self.names.write();
        if names.drained {
            return;
        }
        if let Some(cell) = names.cells.get_mut(name) {
            cell.put(None);
        }
        names.tidy(name);
    }

    pub(crate) fn status(&self, name: &str) -> Option<ServingStatus> {
        let names = self.names.read();
        names.cells.get(name).and_then(|cell| cell.state.status)
    }

    /// All that is known.
    pub(crate) fn list(&self) -> Result<HealthListResponse, TooLarge> {
        let statuses: Vec<(Arc<str>, ServingStatus)> = {
            let names = self.names.read();
            let known = names.cells.iter();
            known
                .filter_map(|(name, cell)| Some((name.clone(), cell.state.status?)))
                .collect()
        };
        let entry = |(name, status): (Arc<str>, ServingStatus)| (name.to_string(), response(Some(status)));
        let list = HealthListResponse {
            statuses: statuses.into_iter().map(entry).collect(),
        };
        let (bytes, most) = (list.encoded_len(), self.limits.list_bytes);
        if bytes > most {
            return Err(TooLarge { bytes, most });
        }
        Ok(list)
    }

    pub(crate) fn drain(&self) {
        let mut names = self.names.write();
        names.drained = true;
        for cell in names.cells.values_mut() {
            cell.drain();
        }
    }

    pub(crate) fn watches(&self) -> usize {
        self.names.read().watches
    }

    /// Begins to watch `name`, known or not.
    pub(crate) fn watch(self: &Arc<Self>, name: &str) -> Result<Watched, Refused> {
        let mut names = self.names.write();
        if names.watches >= self.limits.watches {
            return Err(Refused::TooMany(self.limits.watches));
        }
        let name = match names.cells.get_key_value(name) {
            Some((name, _)) => name.clone(),
            None if name.len() > self.limits.name_bytes => {
                return Err(Refused::TooLong(self.limits.name_bytes));
            }
            None => Arc::from(name),
        };
        let unset = names.cell(None);
        let cell = names.cells.entry(name.clone()).or_insert(unset).watch();
        names.watches += 1;
        drop(names);
        Ok(Watched {
            registry: self.clone(),
            name,
            cell: Some(cell),
        })
    }

    /// How many names are kept, set or watched.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.names.read().cells.len()
    }
}

impl Names {
    fn cell(&self, status: Option<ServingStatus>) -> Cell {
        let state = State {
            status,
            drained: self.drained,
        };
        Cell { state, watched: None }
    }

    /// Lets go of a channel that nobody watches, and of a name that is not set either.
    fn tidy(&mut self, name: &str) {
        let Some(cell) = self.cells.get_mut(name) else {
            return;
        };
        cell.watched.take_if(|watched| watched.receiver_count() == 0);
        if cell.state.status.is_none() && cell.watched.is_none() {
            self.cells.remove(name);
        }
    }
}

impl Cell {
    /// Wakes who watches, if it is another status than before.
    fn put(&mut self, status: Option<ServingStatus>) {
        if self.state.status != status {
            self.state.status = status;
            self.tell();
        }
    }

    fn drain(&mut self) {
        self.state.drained = true;
        self.state.status = self.state.status.map(|_| ServingStatus::NotServing);
        self.tell();
    }

    fn tell(&self) {
        if let Some(watched) = &self.watched {
            watched.send_replace(self.state);
        }
    }

    fn watch(&mut self) -> watch::Receiver<State> {
        let watched = self.watched.get_or_insert_with(|| watch::Sender::new(self.state));
        watched.subscribe()
    }
}

/// One watcher's hold on a name; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Watched {
    registry: Arc<Registry>,
    name: Arc<str>,
    /// Taken when dropped.
    cell: Option<watch::Receiver<State>>,
}

impl Watched {
    /// The newest state, which is then no news any more.
    pub(crate) fn look(&mut self) -> State {
        *self.cell().borrow_and_update()
    }

    /// Resolves when there is a state that was not looked at. Cancel safe.
    pub(crate) async fn news(&mut self) {
        // The registry that `self` holds on to has the sender for as long as there is a receiver.
        if self.cell().changed().await.is_err() {
            std::future::pending().await
        }
    }

    fn cell(&mut self) -> &mut watch::Receiver<State> {
        self.cell.as_mut().expect("only dropping takes it")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut names = self.registry.names.write();
        // Under the lock, so that whoever comes next counts right.
        drop(self.cell.take());
        names.watches -= 1;
        names.tidy(&self.name);
    }
}

/// How a status reads on the wire; `None` for one that nobody set.
pub(crate) fn response(status: Option<ServingStatus>) -> HealthCheckResponse {
    let status = match status {
        None => WireStatus::ServiceUnknown,
        Some(ServingStatus::Serving) => WireStatus::Serving,
        Some(ServingStatus::NotServing) => WireStatus::NotServing,
    };
    HealthCheckResponse {
        status: status.into(),
    }
}
