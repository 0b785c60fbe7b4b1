//! Two ways from a change to one who hears of it.

use anyhow::{Context, ensure};
use tokio::task::JoinSet;
use tonic::Streaming;
use ward_proto::v1::{
    Delta, DeltaKind, Status, WatchRequest, WatchResponse, entity::State,
    health_service_client::HealthServiceClient, watch_response::Event,
};

use crate::{
    flipper::{Flipper, flip, service},
    flow::connect,
    peer::{
        ETCD, Peer,
        etcd::watch::{Puts, Puttings, put_and_watch},
    },
    server::Server,
};

/// Changes are numbered from 0 in each sample.
pub(super) trait Way: Send + 'static {
    /// Makes a change; it is on its way when this returns.
    fn make(&mut self, change: u32) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Changes that were heard of. Cancel safe.
    fn hear(&mut self) -> impl Future<Output = anyhow::Result<Vec<u32>>> + Send;

    /// All changes of this sample were heard of.
    fn over(&mut self);
}

/// Flips of services, and a watch of all of them.
pub(super) struct Flips {
    flipper: Flipper,
    told: Streaming<WatchResponse>,
    /// Flips heard of, all told; and those of the samples before.
    heard: u64,
    before: u64,
    revision: u64,
    _server: Server,
}

impl Flips {
    pub(super) async fn start(server: &[&str]) -> anyhow::Result<Self> {
        let server = Server::start(server)?;
        let flipper = Flipper::connect(server.addr()).await?;
        let mut watcher = HealthServiceClient::new(connect(server.addr()).await?);
        let told = watcher.watch(WatchRequest::default()).await?.into_inner();
        Ok(Self {
            flipper,
            told,
            heard: 0,
            before: 0,
            revision: 0,
            _server: server,
        })
    }

    /// Whether this is the next flip; a snapshot, and a change of the system alone, is none.
    fn is_flip(&mut self, delta: &Delta) -> anyhow::Result<bool> {
        ensure!(
            delta.to > self.revision || delta.kind() == DeltaKind::Snapshot,
            "revision {} after {}",
            delta.to,
            self.revision
        );
        self.revision = delta.to;
        if delta.kind() == DeltaKind::Snapshot {
            return Ok(false);
        }
        let service_state = delta.entities.iter().find_map(|entity| match &entity.state {
            Some(State::Service(state)) => Some(state),
            _ => None,
        });
        let Some(state) = service_state else {
            return Ok(false);
        };
        let (index, status) = flip(self.heard);
        let said = state
            .condition
            .as_ref()
            .map_or(Status::Unspecified, |said| said.status());
        ensure!(
            state.name == service(index) && said == status,
            "flip {} is told as {} {said:?}",
            self.heard,
            state.name
        );
        Ok(true)
    }
}

impl Way for Flips {
    async fn make(&mut self, _: u32) -> anyhow::Result<()> {
        self.flipper.flip(1).await
    }

    async fn hear(&mut self) -> anyhow::Result<Vec<u32>> {
        loop {
            let told = self.told.message().await?.context("the server ended a watch")?;
            let Some(Event::Delta(delta)) = told.event else {
                continue;
            };
            if self.is_flip(&delta)? {
                let number = u32::try_from(self.heard - self.before)?;
                self.heard += 1;
                return Ok(vec![number]);
            }
        }
    }

    fn over(&mut self) {
        self.before = self.heard;
    }
}

/// Puts, and a watch of their key.
pub(super) struct Etcd {
    puts: Puts,
    watch: Puttings,
    under_way: JoinSet<anyhow::Result<()>>,
    /// Numbers of changes in samples before.
    before: u64,
    made: u64,
    _peer: Peer,
}

impl Etcd {
    /// `None` if it is not installed.
    pub(super) async fn start() -> anyhow::Result<Option<Self>> {
        let Some(peer) = ETCD.start()? else {
            return Ok(None);
        };
        let (puts, watch) = put_and_watch(peer.addr()).await?;
        Ok(Some(Self {
            puts,
            watch,
            under_way: JoinSet::new(),
            before: 0,
            made: 0,
            _peer: peer,
        }))
    }
}

impl Way for Etcd {
    async fn make(&mut self, _: u32) -> anyhow::Result<()> {
        while let Some(done) = self.under_way.try_join_next() {
            done??;
        }
        self.under_way.spawn(self.puts.clone().put(self.made));
        self.made += 1;
        Ok(())
    }

    async fn hear(&mut self) -> anyhow::Result<Vec<u32>> {
        let numbers = self.watch.next().await?;
        let before = self.before;
        let within = |number: u64| {
            Ok(u32::try_from(
                number.checked_sub(before).context("an old change")?,
            )?)
        };
        numbers.into_iter().map(within).collect()
    }

    fn over(&mut self) {
        self.before = self.made;
    }
}
