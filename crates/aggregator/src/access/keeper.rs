//! Looks every second at what is kept in files: tokens, certificates, keys, revocations.
//!
//! What is wrong in a file changes nothing: who was let in before still is, and nobody else. It is said once, and a metric
//! says it for as long as it lasts.

use std::{fs, os::unix::fs::MetadataExt, sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::interval};
use ward_access::{Record, StoreError, TokenStore};
use ward_chassis::{
    Tls,
    tls::{Look, TlsError},
};
use ward_model::Wall;

use super::Access;
use crate::{edge::Edge, metrics::AccessMetrics};

/// How often: a revoked token is good for so long.
const LOOK: Duration = Duration::from_secs(1);

/// Tells one state of a file from another.
type Stamp = Option<(u64, u64, i64, i64)>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: TokenStore,
    stamp: Stamp,
    records: Vec<Record>,
    tls: Option<Arc<Tls>>,
}

impl Keeper {
    /// Reads the tokens of `store` and puts them in force.
    ///
    /// # Errors
    ///
    /// They cannot be read: to start without them would lock everybody out, and nobody would know why.
    pub(crate) fn start(
        store: TokenStore,
        tls: Option<Arc<Tls>>,
        access: &Access,
        metrics: &AccessMetrics,
        now: Wall,
    ) -> Result<Self, StoreError> {
        let stamp = stamp(&store);
        let records = store.load()?;
        access.replace_tokens(&records, now);
        metrics.tokens_are(count(&records, now));
        if let Some(tls) = &tls {
            metrics.tls_renewed(tls.expires());
        }
        Ok(Self {
            store,
            stamp,
            records,
            tls,
        })
    }

    /// For ever.
    pub(crate) async fn run(mut self, edge: Arc<Edge>) {
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            // Files may be on a disk that hangs.
            let looked = spawn_blocking(move || {
                let read = self.read();
                let look = self.tls.as_ref().map(|tls| tls.look());
                (self, read, look)
            });
            let Ok((keeper, read, look)) = looked.await else {
                tracing::error!("tokens and certificates are looked at no more: the look failed");
                return;
            };
            self = keeper;
            self.take_over(read, &edge);
            if let (Some(tls), Some(look)) = (&self.tls, look) {
                tell(tls, &look, &edge.metrics.access);
            }
        }
    }

    /// The tokens, if their file has changed.
    fn read(&mut self) -> Option<Result<Vec<Record>, StoreError>> {
        let stamp = stamp(&self.store);
        if stamp == self.stamp {
            return None;
        }
        self.stamp = stamp;
        Some(self.store.load())
    }

    fn take_over(&mut self, read: Option<Result<Vec<Record>, StoreError>>, edge: &Edge) {
        let now = edge.clock.wall();
        let before = count(&self.records, now);
        match read {
            Some(Ok(records)) => {
                self.records = records;
                edge.metrics.access.tokens_are(count(&self.records, now));
            }
            Some(Err(error)) => {
                edge.metrics.access.tokens_failed();
                tracing::error!(%error, "the tokens were not read again; those in force stay");
                return;
            }
            None if self.records.iter().all(|record| record.is_live(now)) => return,
            None => self.records.retain(|record| record.is_live(now)),
        }
        if edge.access.replace_tokens(&self.records, now) {
            let tokens = count(&self.records, now);
            edge.metrics.access.tokens_are(tokens);
            tracing::info!(tokens, before, "other tokens are in force");
        }
    }
}

/// What a look at certificates has come to, for people and for metrics.
pub(crate) fn tell(tls: &Tls, look: &Look, metrics: &AccessMetrics) {
    match look {
        Look::Unchanged => {}
        Look::Renewed => {
            metrics.tls_renewed(tls.expires());
            tracing::info!("certificates were read again, and are in force for new connections");
        }
        Look::Failed(error) => {
            metrics.tls_failed();
            let cause = cause(error);
            tracing::error!(%error, cause, "certificates were not read again; those in force stay");
        }
    }
}

fn cause(error: &TlsError) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}

fn count(records: &[Record], now: Wall) -> usize {
    records.iter().filter(|record| record.is_live(now)).count()
}

fn stamp(store: &TokenStore) -> Stamp {
    let file = fs::metadata(store.path()).ok()?;
    Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
}
