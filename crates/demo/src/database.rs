//! The catalog's PostgreSQL: a bounded pool with a bound on every wait, which connects anew by itself.
//!
//! A connection is given back only when it has answered; one that is silent is closed, so that a server that hung leaves
//! nothing behind that the next would wait for. What is seen of the server, and what is the pool's own doing, is kept
//! apart: a pool that is used up is the catalog's fault, and no word about PostgreSQL. The check therefore asks over a
//! connection beside the pool. TLS is left out: the database of a shop in one stack is reached over its inner network.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
    tokio_postgres::{Config, Error, NoTls, Row, error::SqlState},
};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{error::Elapsed, timeout};
use tracing::{Instrument, Span, field::Empty, info_span};
use ward_chassis::Clock;
use ward_sdk::{Check, Verdict, checks::Postgres};

use crate::{
    calls::Calls,
    measure::Waited,
    metrics::{Metrics, Outcome, Pooled, Usage},
    plan::POSTGRES,
    upstream::Failure,
};

/// Connections at once: twenty customers a second, each of whom needs one for some milliseconds, need one.
const CONNECTIONS: usize = 8;
/// How long one waits until a connection is free, until one is made, until a used one is looked at, and for an answer; and
/// for all of it: less than the storefront's patience with the catalog, which then can still answer from its cache.
const WAIT: Duration = Duration::from_millis(300);
const CREATE: Duration = Duration::from_millis(900);
const RECYCLE: Duration = Duration::from_millis(200);
const STATEMENT: Duration = Duration::from_millis(900);
const ALL: Duration = Duration::from_millis(1_200);
/// A server that is gone without a word is found by these, though nobody waits for an answer.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Only one at a time makes the table: to make it if it is not there is no single step for PostgreSQL.
/// All statements of one message are one transaction.
const MAKE: &str = "SELECT pg_advisory_xact_lock(7700);
    CREATE TABLE IF NOT EXISTS items (
        item integer PRIMARY KEY, price bigint NOT NULL, seen bigint NOT NULL DEFAULT 0
    );";
const VIEW: &str = "UPDATE items SET seen = seen + $2 WHERE item = $1 RETURNING price, seen";
const READ: &str = "SELECT item, price, seen FROM items";
/// What the check asks: it fails wherever the catalog could not read.
const PROBE: &str = "SELECT item FROM items LIMIT 1";

/// What is known of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Goods {
    pub(crate) price: i64,
    pub(crate) seen: i64,
}

/// A URL that is none. What it says is left out: it has a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE")]
pub(crate) struct InvalidUrl;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// All connections of the pool were in use for too long.
    Shortage,
    /// No answer in time.
    Late(String),
    /// It refuses, or is not there.
    Refused(String),
    /// Somebody took the table away.
    NoTable,
}

/// The database. Clones are the same.
#[derive(Clone)]
pub(crate) struct Database(Arc<Inner>);

struct Inner {
    pool: Pool,
    check: Check,
    clock: Clock,
    metrics: Metrics,
    /// The table is known to be there.
    made: AtomicBool,
    calls: Mutex<Calls>,
    /// Who got a connection of the pool, and who did not.
    pooling: Mutex<Calls>,
}

/// A pool's own output has settings of the connection in it.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

/// A connection that is closed unless it has answered.
struct Borrowed(Option<Object>);

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

impl Borrowed {
    fn object(&self) -> &Object {
        self.0.as_ref().expect("it was borrowed with one")
    }

    /// Gives the connection back, if it has answered, be it with an error: the pool itself looks whether it is still open.
    fn answered<T>(mut self, told: Result<Result<T, Error>, Elapsed>) -> Result<T, Fault> {
        let told = told.map_err(|_| Fault::Late(format!("no answer within {STATEMENT:?}")))?;
        drop(self.0.take());
        told.map_err(|error| refusal(&error))
    }
}

impl Database {
    /// Connects to nothing yet.
    pub(crate) fn new(url: &SecretString, clock: Clock, metrics: Metrics) -> Result<Self, InvalidUrl> {
        let mut config = Config::from_str(url.expose_secret()).map_err(|_| InvalidUrl)?;
        if config.get_hosts().is_empty() {
            return Err(InvalidUrl);
        }
        let statement = format!("-c statement_timeout={}", STATEMENT.as_millis());
        config
            .application_name("ward-demo-catalog")
            .connect_timeout(CREATE)
            .keepalives_idle(KEEPALIVE)
            .tcp_user_timeout(KEEPALIVE)
            .options(statement);
        let check = Postgres::new(POSTGRES, pool(&config, 1))
            .query(PROBE)
            .writable()
            .wait(CREATE)
            .check();
        Ok(Self(Arc::new(Inner {
            pool: pool(&config, CONNECTIONS),
            check: check.timeout(ALL),
            clock,
            metrics,
            made: AtomicBool::new(false),
            calls: Mutex::new(Calls::new()),
            pooling: Mutex::new(Calls::new()),
        })))
    }

    /// Adds to how often an item was seen, and reads it; `None` if there is no such item.
    pub(crate) async fn view(
        &self,
        waited: &Waited,
        item: u32,
        views: i64,
    ) -> Result<Option<Goods>, Failure> {
        let item = i32::try_from(item).unwrap_or(i32::MAX);
        let ask = async {
            let borrowed = self.connection().await?;
            let object = borrowed.object();
            let row = timeout(STATEMENT, async {
                let statement = object.prepare_cached(VIEW).await?;
                object.query_opt(&statement, &[&item, &views]).await
            })
            .await;
            borrowed.answered(row)
        };
        let row = self.told(waited, ask).await?;
        Ok(row.map(|row| Goods {
            price: row.get(0),
            seen: row.get(1),
        }))
    }

    /// All there is.
    pub(crate) async fn read(&self, waited: &Waited) -> Result<Vec<(u32, Goods)>, Failure> {
        let ask = async {
            let borrowed = self.connection().await?;
            let rows = timeout(STATEMENT, borrowed.object().query(READ, &[])).await;
            borrowed.answered(rows)
        };
        let goods = |row: &Row| {
            let item = u32::try_from(row.get::<_, i32>(0)).ok()?;
            Some((
                item,
                Goods {
                    price: row.get(1),
                    seen: row.get(2),
                },
            ))
        };
        Ok(self.told(waited, ask).await?.iter().filter_map(goods).collect())
    }

    /// Whether the last seconds say that the server is well.
    fn is_well(&self) -> bool {
        self.0.calls.lock().is_well(self.0.clock.mono())
    }

    /// The look at the server: a question of its own; if that is answered, what the calls of the last seconds say.
    pub(crate) async fn check(&self) -> Verdict {
        let told = self.0.check.look().await;
        if told.message.contains("\"items\" does not exist") {
            self.0.made.store(false, Relaxed);
        }
        self.0.calls.lock().with_look(self.0.clock.mono(), told)
    }

    /// The look at the pool. Whoever waits because the server is silent waits for the server.
    pub(crate) fn check_pool(&self) -> Verdict {
        let mut pooling = self.0.pooling.lock();
        if !self.is_well() {
            *pooling = Calls::new();
        }
        let (status, message) = pooling.judge(self.0.clock.mono());
        Verdict::new(status, message)
    }

    /// Asks, once there is a table, and counts for or against whom it went.
    async fn told<T>(
        &self,
        waited: &Waited,
        ask: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Failure> {
        let span = info_span!("call", otel.kind = "client", upstream = POSTGRES, outcome = Empty);
        let asked = async {
            let waiting = waited.waiting(&self.0.clock);
            let asked = async {
                self.make().await?;
                ask.await
            };
            let result = timeout(ALL, asked).await;
            let result = result.unwrap_or_else(|_| Err(Fault::Late(format!("no answer within {ALL:?}"))));
            let took = self.0.clock.mono().since(waiting.since());
            self.count(took, result.as_ref().err());
            result.map_err(Failure::from)
        };
        asked.instrument(span).await
    }

    fn count(&self, took: Duration, fault: Option<&Fault>) {
        let inner = &self.0;
        let now = inner.clock.mono();
        let outcome = match fault {
            None => Outcome::Ok,
            Some(Fault::Late(_)) => Outcome::Timeout,
            Some(_) => Outcome::Error,
        };
        Span::current().record("outcome", outcome.as_str());
        inner.metrics.called(POSTGRES, outcome, took);
        let shortage =
            matches!(fault, Some(Fault::Shortage)).then_some("all connections of the pool are in use");
        inner.pooling.lock().count(now, took, shortage);
        match fault {
            Some(Fault::Shortage) => {}
            Some(Fault::NoTable) => inner.made.store(false, Relaxed),
            Some(Fault::Late(what) | Fault::Refused(what)) => inner.calls.lock().count(now, took, Some(what)),
            None => inner.calls.lock().count(now, took, None),
        }
    }

    /// Makes the table and what stands in it, where that is missing.
    async fn make(&self) -> Result<(), Fault> {
        if self.0.made.load(Relaxed) {
            return Ok(());
        }
        let borrowed = self.connection().await?;
        let seed = seed();
        let made = timeout(STATEMENT, borrowed.object().batch_execute(&seed)).await;
        borrowed.answered(made)?;
        self.0.made.store(true, Relaxed);
        Ok(())
    }

    async fn connection(&self) -> Result<Borrowed, Fault> {
        let got = self.0.pool.get().await;
        got.map(|object| Borrowed(Some(object)))
            .map_err(|error| match error {
                PoolError::Timeout(TimeoutType::Wait) => Fault::Shortage,
                PoolError::Timeout(_) => Fault::Late("gave no connection in time".into()),
                PoolError::Backend(error) => refusal(&error),
                error => Fault::Refused(error.to_string()),
            })
    }
}

impl Pooled for Database {
    fn name(&self) -> &'static str {
        POSTGRES
    }

    fn usage(&self) -> Usage {
        let status = self.0.pool.status();
        Usage {
            idle: status.available,
            used: status.size.saturating_sub(status.available),
            most: status.max_size,
            waiting: status.waiting,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            // The catalog's own.
            Fault::Shortage => Self::of("catalog", "all connections of its pool are in use"),
            Fault::NoTable => Self::of(POSTGRES, "has no table of items"),
            Fault::Refused(what) => Self::of(POSTGRES, what),
            Fault::Late(what) => Self {
                late: true,
                ..Self::of(POSTGRES, what)
            },
        }
    }
}

fn pool(config: &Config, most: usize) -> Pool {
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_config(config.clone(), NoTls, recycling))
        .max_size(most)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(CREATE))
        .recycle_timeout(Some(RECYCLE))
        .runtime(Runtime::Tokio1)
        .build()
        .expect("a pool with timeouts has a runtime")
}

/// The table and the twenty items, which cost what they always did.
fn seed() -> String {
    let rows: Vec<_> = crate::trade::assortment()
        .map(|(item, price)| format!("({item}, {price})"))
        .collect();
    let rows = rows.join(", ");
    format!("{MAKE} INSERT INTO items (item, price) VALUES {rows} ON CONFLICT DO NOTHING;")
}

fn refusal(error: &Error) -> Fault {
    match error.code() {
        Some(&SqlState::UNDEFINED_TABLE) => Fault::NoTable,
        Some(&SqlState::QUERY_CANCELED) => Fault::Late(format!("no answer within {STATEMENT:?}")),
        Some(_) => Fault::Refused(
            error
                .as_db_error()
                .map_or_else(|| error.to_string(), |db| db.message().into()),
        ),
        None => Fault::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
