//! Whether PostgreSQL answers, through the service's own pool.
//!
//! The pool is the one that requests go through, so that what they wait for is what is seen: a pool that is used up is
//! told from a server that refuses. A connection beside the pool was not taken: it would be well while nobody else gets
//! one.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use deadpool_postgres::{
    Object, Pool, PoolError, Status as Usage, TimeoutType,
    tokio_postgres::{SimpleQueryMessage, SimpleQueryRow, error::SqlState},
};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use ward_proto::Invalid;

use super::chain;
use crate::{
    check::{Check, Verdict},
    signal::{Signal, SignalHandle},
};

/// PostgreSQL answers a query on a connection from a pool.
///
/// Unhealthy if no connection is to be had within the wait (the message says whether the pool is used up or the server does
/// not take one), if the server refuses, if the query fails, if it takes no writes though asked to
/// ([`writable`](Self::writable)), or if the check's timeout passes first. The message says how much of the pool is in
/// use. A connection that did not answer in time is closed and not given back.
///
/// ```
/// use std::time::Duration;
/// use deadpool_postgres::Pool;
/// use ward_sdk::{Check, checks::Postgres};
///
/// fn database(pool: &Pool) -> Check {
///     Postgres::new("database", pool.clone())
///         .writable()
///         .signal("database_pool_ratio")
///         .check()
///         .timeout(Duration::from_secs(2))
///         .subject("orders-db")
/// }
/// ```
#[derive(Clone)]
pub struct Postgres {
    name: String,
    pool: Pool,
    query: String,
    writable: bool,
    wait: Duration,
    signal: Option<String>,
}

/// A pool's own output has settings of the connection in it.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("name", &self.name)
            .field("writable", &self.writable)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    const WAIT: Duration = Duration::from_secs(1);
    const TIMEOUT: Duration = Duration::from_secs(3);

    /// A check called `name` through `pool`. Its timeout is 3 s unless said.
    pub fn new(name: impl Into<String>, pool: Pool) -> Self {
        Self {
            name: name.into(),
            pool,
            query: "SELECT 1".into(),
            writable: false,
            wait: Self::WAIT,
            signal: None,
        }
    }

    /// Another query than `SELECT 1`: one that fails if the service could not work. Its rows are read and dropped.
    #[must_use]
    pub fn query(self, sql: impl Into<String>) -> Self {
        Self {
            query: sql.into(),
            ..self
        }
    }

    /// The server takes writes: it is not in recovery (a standby), and transactions are not read-only. Writes nothing.
    #[must_use]
    pub fn writable(self) -> Self {
        Self {
            writable: true,
            ..self
        }
    }

    /// How long it waits for a connection, 1 s unless said. Should be less than the check's timeout.
    #[must_use]
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Also sets a signal of this name: how much of the pool is in use, 0 to 1, this check's own connection not counted.
    #[must_use]
    pub fn signal(self, name: impl Into<String>) -> Self {
        Self {
            signal: Some(name.into()),
            ..self
        }
    }

    /// The check.
    pub fn check(self) -> Check {
        if self.query.trim().is_empty() {
            return Check::mistaken(self.name, Invalid::new("query", "must not be empty"));
        }
        let signal = self.signal.map(Signal::new);
        let probe = Arc::new(Probe {
            pool: self.pool,
            query: self.query,
            writable: self.writable,
            wait: self.wait,
            handle: signal.as_ref().map(Signal::handle),
        });
        let check = Check::new(self.name, move || Arc::clone(&probe).look()).timeout(Self::TIMEOUT);
        signal.into_iter().fold(check, Check::sets)
    }
}

struct Probe {
    pool: Pool,
    query: String,
    writable: bool,
    wait: Duration,
    handle: Option<SignalHandle>,
}

/// A connection that is given back only if it has answered. One with an answer outstanding would make the next user wait
/// for it, on a server that may not come back.
struct Borrowed(Option<Object>);

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

impl Probe {
    async fn look(self: Arc<Self>) -> Verdict {
        let usage = self.pool.status();
        let in_use = usage.size.saturating_sub(usage.available);
        if let Some(handle) = &self.handle {
            handle.set(in_use as f64 / usage.max_size.max(1) as f64);
        }
        match self.ask().await {
            Ok(()) => Verdict::new(
                ward_model::Status::Healthy,
                format!("{in_use} of {} connections in use", usage.max_size),
            ),
            Err(fault) => Verdict::unhealthy(fault),
        }
    }

    async fn ask(&self) -> Result<(), String> {
        let mut borrowed = Borrowed(Some(self.connection().await?));
        let told = match &borrowed.0 {
            Some(object) => self.question(object).await,
            None => Ok(()),
        };
        // It has answered, be it with an error: the pool itself looks whether it is still open.
        drop(borrowed.0.take());
        told
    }

    async fn question(&self, object: &Object) -> Result<(), String> {
        first_row(object, &self.query)
            .await
            .map_err(|error| failure(&error))?;
        if self.writable {
            let sql = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')";
            let row = first_row(object, sql).await.map_err(|error| failure(&error))?;
            let says = |column, value| row.as_ref().is_some_and(|row| row.get(column) == Some(value));
            if says(0, "t") {
                return Err(
                    "the server is in recovery and takes no writes: a standby, or not done yet".into(),
                );
            }
            if !says(1, "off") {
                return Err("transactions are read-only (default_transaction_read_only)".into());
            }
        }
        Ok(())
    }

    async fn connection(&self) -> Result<Object, String> {
        let mut getting = pin!(self.pool.get());
        match timeout(self.wait, &mut getting).await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(error)) => Err(refusal(&error, self.pool.status())),
            // Asked before the wait is given up, so that it counts.
            Err(_) => Err(late(self.pool.status(), self.wait)),
        }
    }
}

/// The first row, if there is one; the rest is read, so that an error behind it is seen, and not kept.
async fn first_row(
    object: &Object,
    sql: &str,
) -> Result<Option<SimpleQueryRow>, deadpool_postgres::tokio_postgres::Error> {
    let mut messages = pin!(object.simple_query_raw(sql).await?);
    let mut first = None;
    while let Some(message) = messages.next().await {
        match message? {
            SimpleQueryMessage::Row(row) if first.is_none() => first = Some(row),
            _ => {}
        }
    }
    Ok(first)
}

fn late(usage: Usage, wait: Duration) -> String {
    let Usage {
        max_size,
        size,
        waiting,
        ..
    } = usage;
    if size >= max_size && waiting > 0 {
        format!(
            "the pool is used up: {size} of {max_size} connections in use for {wait:?}, {waiting} wait for one"
        )
    } else {
        format!("the server gave no connection within {wait:?}")
    }
}

fn refusal(error: &PoolError, usage: Usage) -> String {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            let Usage { max_size, size, .. } = usage;
            format!("the pool is used up: {size} of {max_size} connections in use")
        }
        PoolError::Timeout(TimeoutType::Create) => "the server gave no connection in the pool's time".into(),
        PoolError::Timeout(TimeoutType::Recycle) => "a connection did not answer in the pool's time".into(),
        PoolError::Closed => "the pool is closed".into(),
        PoolError::NoRuntimeSpecified => {
            "the pool has timeouts and no runtime: build it with .runtime(Runtime::Tokio1)".into()
        }
        PoolError::Backend(error) => failure(error),
        PoolError::PostCreateHook(_) => format!("a connection was not made: {}", chain(error)),
    }
}

fn failure(error: &deadpool_postgres::tokio_postgres::Error) -> String {
    let what = match error.code() {
        Some(&SqlState::TOO_MANY_CONNECTIONS) => "the server has no connection left (max_connections)",
        Some(&SqlState::CANNOT_CONNECT_NOW) => "the server is starting, stopping or recovering",
        Some(&SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN) => "the server is stopping",
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            "the server refuses the user"
        }
        Some(&SqlState::DISK_FULL) => "the server's disk is full",
        _ => return chain(error),
    };
    format!("{what}: {}", chain(error))
}
