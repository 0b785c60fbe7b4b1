//! Looks every second at what is kept in files: tokens, certificates, keys, revocations.
//!
//! What is wrong in a file changes nothing: who was let in before still is, and nobody else. It is said once, and a metric
//! says it for as long as it lasts.

use std::{error::Error, sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::interval};
use ward_access::{Record, StoreError, TokenStore};
use ward_audit::{Draft, Kind, Source};
use ward_chassis::{Stamp, Tls, tls::Look};
use ward_model::Wall;

use super::Access;
use crate::{edge::Edge, metrics::AccessMetrics};

/// How often: a revoked token is good for so long.
const LOOK: Duration = Duration::from_secs(1);

/// Who writes in the data directory: its owner, or somebody who could be.
const OWNER: &str = "the owner of the data directory";

/// See the module.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: TokenStore,
    /// Of what was read last.
    stamp: Stamp,
    records: Vec<Record>,
    /// Of those, so many are in force: the wall clock decides, and can be set.
    live: usize,
    /// What was wrong at the last look, said once.
    wrong: Option<String>,
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
        let stamp = Stamp::of(&store.path());
        let records = store.load()?;
        let live = count(&records, now);
        access.replace_tokens(&records, now);
        metrics.tokens_are(live);
        if let Some(tls) = &tls {
            metrics.tls_renewed(tls.expires());
        }
        Ok(Self {
            store,
            stamp,
            records,
            live,
            wrong: None,
            tls,
        })
    }

    /// Of all tokens there are, so that a start shows whether they are others: their secrets are not in it, and cannot be
    /// guessed from it.
    pub(crate) fn hash(&self) -> String {
        let records = serde_json::to_vec(&self.records).unwrap_or_default();
        ward_tlog::leaf_hash(&records).to_string()
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

    /// The tokens, if their file is not as it was when it was last read. One that cannot be read is tried again.
    fn read(&mut self) -> Option<Result<Vec<Record>, StoreError>> {
        let stamp = Stamp::of(&self.store.path());
        if stamp == self.stamp {
            return None;
        }
        let loaded = self.store.load();
        if loaded.is_ok() {
            self.stamp = stamp;
        }
        Some(loaded)
    }

    fn take_over(&mut self, read: Option<Result<Vec<Record>, StoreError>>, edge: &Edge) {
        let now = edge.clock.wall();
        match read {
            Some(Ok(records)) => {
                let before = std::mem::replace(&mut self.records, records);
                remember(&before, &self.records, edge);
                self.wrong = None;
            }
            Some(Err(error)) => self.blame(&error, edge),
            None if self.wrong.is_none() && count(&self.records, now) == self.live => return,
            // The clock has passed an expiry, or what was wrong was put back.
            None => self.wrong = None,
        }
        self.live = count(&self.records, now);
        if edge.access.replace_tokens(&self.records, now) {
            tracing::info!(tokens = self.live, "other tokens are in force");
        }
        if self.wrong.is_none() {
            edge.metrics.access.tokens_are(self.live);
        }
    }

    fn blame(&mut self, error: &StoreError, edge: &Edge) {
        edge.metrics.access.tokens_failed();
        let said = error.to_string();
        if self.wrong.as_ref() != Some(&said) {
            let cause = cause(error);
            tracing::error!(%error, cause, "the tokens were not read again; those in force stay");
            self.wrong = Some(said);
        }
    }
}

/// Tokens are made and revoked in a file, by whoever may write there: the log says which, and when they came into force.
fn remember(before: &[Record], after: &[Record], edge: &Edge) {
    let draft = |kind, record: &Record| {
        let cursor = edge.hub.head();
        Draft::new(
            kind,
            Source::Operator,
            format!("token {}", record.id),
            edge.clock.now(),
        )
        .at(cursor.epoch, cursor.revision)
        .by(OWNER)
        .with("grants", record.grants.summary())
        .with("note", record.note.as_str())
    };
    let differs = |records: &[Record], record: &Record| !records.contains(record);
    for record in before.iter().filter(|record| differs(after, record)) {
        edge.memory.record(draft(Kind::TokenRevoked, record));
    }
    for record in after.iter().filter(|record| differs(before, record)) {
        edge.memory.record(draft(Kind::TokenCreated, record));
    }
}

/// What a look at certificates has come to, for people and for metrics.
pub(crate) fn tell(tls: &Tls, look: &Look, metrics: &AccessMetrics) {
    match look {
        Look::Unchanged | Look::StillFailed => {}
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

fn cause(error: &dyn Error) -> Option<String> {
    error.source().map(ToString::to_string)
}

fn count(records: &[Record], now: Wall) -> usize {
    records.iter().filter(|record| record.is_live(now)).count()
}
