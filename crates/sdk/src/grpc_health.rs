//! `grpc.health.v1` of a service, for its own tonic server: the probes, for those who speak gRPC.
//!
//! It says what `/livez`, `/readyz`, `/startupz` and `/health` say, and asks no more than they do. A task looks now and
//! then, because a check that is silent for too long changes its status without a word, and at once when a check says
//! something new. Looking when a call comes was not taken: nobody would tell those who watch.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::sleep;
use ward_grpc_health::{Health as Served, ServingStatus};

use crate::{
    health::{Health, unready, unstarted},
    probes::Probes,
};

/// How often the checks and the process are looked at: as often as the process's liveness is.
const LOOK: Duration = Duration::from_millis(250);

/// What is served, and what it is taken from.
#[derive(Debug)]
pub(crate) struct GrpcHealth {
    probes: Probes,
    pub(crate) served: Served,
    /// Other names for readiness, as the service's own code lists them.
    names: Mutex<BTreeSet<String>>,
}

impl GrpcHealth {
    pub(crate) fn new(probes: Probes) -> Self {
        Self {
            probes,
            served: Served::new(),
            names: Mutex::default(),
        }
    }

    /// Serves these names too.
    pub(crate) fn add(&self, names: &[&str]) {
        self.names
            .lock()
            .extend(names.iter().map(|&name| name.to_owned()));
        self.look();
    }

    fn look(&self) {
        let Probes { board, liveness } = &self.probes;
        let ready = serving(unready(board).is_empty());
        for name in &*self.names.lock() {
            self.served.set(name, ready);
        }
        let healthy = serving(!Health::of(board).is_out());
        self.served.set(board.service.as_str(), healthy);
        self.served.set("", ready);
        self.served.set("readiness", ready);
        self.served
            .set("liveness", serving(liveness.troubles().is_empty()));
        self.served.set("startup", serving(unstarted(board).is_empty()));
    }

    /// Keeps it up to date until this is dropped. Nothing serves behind it: an answer that nobody keeps up to date is
    /// none.
    pub(crate) async fn follow(self: Arc<Self>) {
        let _drained = DrainWhenDropped(&self.served);
        loop {
            self.look();
            tokio::select! {
                () = self.probes.board.told.notified() => {}
                () = sleep(LOOK) => {}
            }
        }
    }
}

fn serving(serving: bool) -> ServingStatus {
    if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

struct DrainWhenDropped<'a>(&'a Served);

impl Drop for DrainWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.drain();
    }
}
