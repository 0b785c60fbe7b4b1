//! PostgreSQL: how it is reached, what may be wrong with it, and how it is spoken to.
//!
//! Every call ends within [`CALL`], but for those of backups, and a connection that has not answered in time is closed and
//! not given back: whatever it still owes would be waited for by the next. Many rows go out together and are answered
//! together, so that a server far away costs one round trip and not one for each.
//!
//! TLS is what the address asks for (`sslmode`); what a server shows is always checked, against what the system trusts
//! (`SSL_CERT_FILE`): libpq's `require`, which takes any certificate, keeps nobody out who can answer in its place.

use std::{pin::pin, sync::Arc, time::Duration};

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use futures_util::{StreamExt as _, TryStreamExt as _, future::try_join_all};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use tokio_postgres::{
    Config, Error,
    config::SslMode,
    error::SqlState,
    types::{IsNull, ToSql, Type, to_sql_checked},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    connection::{Column, Row, Value},
    fault::{Fault, OpenError, chain},
    schema::{STEPS, VERSION},
};

/// How long one call may take: a transaction of 4,096 rows on a server that is busy.
pub(crate) const CALL: Duration = Duration::from_secs(10);
/// How long a new connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Rows on their way at once: some 100 KiB.
const TOGETHER: usize = 512;
/// The lock that the one writer holds, and another that whoever changes tables holds: "Ward" in ASCII, and the next.
const WRITES: i64 = 0x5761_7264;
const MIGRATES: i64 = WRITES + 1;

/// What the server itself gives up, should this side not be there to do so.
const SESSION: &str = "
    SET search_path = ward;
    SET statement_timeout = '10s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '20s';
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3;
";

/// Where the server is, and how it is reached. Each thread has one of its own.
#[derive(Clone)]
pub(crate) struct Server {
    pool: Pool,
}

/// A pool's own output has the address in it.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// A connection that is given back only by whoever is done with it.
#[derive(Debug)]
pub(crate) struct Connection {
    object: Option<Object>,
    /// How long a call may take.
    limit: Duration,
}

/// For backups, which a person waits for and can end. A server that is gone is still told, by the connection.
const UNLIMITED: Duration = Duration::MAX;

/// Closed and not given back: it is dropped when something went wrong, or when all ends.
impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

impl Server {
    /// Reads the address; connects to nobody.
    pub(crate) fn new(address: &SecretString) -> Result<Self, OpenError> {
        let mut config: Config = address.expose_secret().parse().map_err(|_| OpenError::Address)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(OpenError::Address);
        }
        config.connect_timeout(CONNECT).tcp_user_timeout(CALL);
        if config.get_application_name().is_none() {
            config.application_name("ward");
        }
        let manager = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match config.get_ssl_mode() {
            SslMode::Disable => Manager::from_config(config, tokio_postgres::NoTls, manager),
            _ => Manager::from_config(config, MakeRustlsConnect::new(trust()?), manager),
        };
        let pool = Pool::builder(manager)
            .max_size(1)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(CONNECT),
                create: Some(CONNECT),
                recycle: Some(CONNECT),
            })
            .build();
        Ok(Self {
            pool: pool.map_err(|error| OpenError::Tls(error.to_string()))?,
        })
    }

    /// Connects, for whatever is there, made by whichever version.
    pub(crate) async fn connect(&self) -> Result<Connection, Fault> {
        let mut connection = Connection {
            object: Some(self.pool.get().await.map_err(refusal)?),
            limit: CALL,
        };
        connection.run(SESSION).await?;
        connection.keeps_any_text().await?;
        Ok(connection)
    }

    /// Connects for reading, if the tables are those that this Ward knows.
    pub(crate) async fn read(&self) -> Result<Connection, Fault> {
        let mut connection = self.connect().await?;
        match connection.found().await? {
            Some(found) if found > VERSION => Err(newer(found)),
            Some(VERSION) => Ok(connection),
            _ => Err(Fault::Away(
                "Ward's tables are not made yet, or not up to date: the aggregator sees to it when it writes to the database".into(),
            )),
        }
    }

    /// Connects for writing, as the only one who does; brings the tables up to date.
    pub(crate) async fn write(&self) -> Result<Connection, Fault> {
        let mut connection = self.connect().await?;
        let locked = connection.answer("SELECT pg_try_advisory_lock($1)::int::bigint", WRITES);
        if locked.await? != Some(1) {
            return Err(Fault::Away(
                "another aggregator writes to this database; give each a database of its own".into(),
            ));
        }
        connection.migrate().await?;
        Ok(connection)
    }
}

fn trust() -> Result<ClientConfig, OpenError> {
    let mut roots = RootCertStore::empty();
    // What cannot be read is not trusted; without any, a server that asks for none of them can still be reached.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Tls(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

impl Connection {
    fn object(&self) -> Result<&Object, Fault> {
        self.object
            .as_ref()
            .ok_or_else(|| Fault::Away("the connection is closed".into()))
    }

    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), Fault> {
        let object = self.object()?;
        self.in_time(object.batch_execute(sql)).await
    }

    pub(crate) async fn execute(&mut self, sql: &str, rows: &[Row]) -> Result<(), Fault> {
        let object = self.object()?;
        let statement = self.in_time(object.prepare_cached(sql)).await?;
        for rows in rows.chunks(TOGETHER) {
            let sent = rows.iter().map(|row| object.execute_raw(&statement, row));
            self.in_time(try_join_all(sent)).await?;
        }
        Ok(())
    }

    pub(crate) async fn query(&mut self, sql: &str, rows: &[Row]) -> Result<Vec<Vec<Row>>, Fault> {
        let object = self.object()?;
        let statement = &self.in_time(object.prepare_cached(sql)).await?;
        let ask = |row| async move {
            let answers = object.query_raw(statement, row).await?;
            answers.map(|row| values(&row?)).try_collect::<Vec<Row>>().await
        };
        let mut answers = Vec::with_capacity(rows.len());
        for rows in rows.chunks(TOGETHER) {
            answers.extend(self.in_time(try_join_all(rows.iter().map(ask))).await?);
        }
        Ok(answers)
    }

    pub(crate) async fn stream<T>(
        &mut self,
        sql: &str,
        many: usize,
        read: impl Fn(&[Column<'_>]) -> T,
        mut each: impl AsyncFnMut(Vec<T>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let object = self.object()?;
        let statement = self.in_time(object.prepare_cached(sql)).await?;
        let none: [&Value; 0] = [];
        let mut rows = pin!(self.in_time(object.query_raw(&statement, none)).await?);
        let mut some = Vec::with_capacity(many);
        while let Some(row) = self.in_time(rows.try_next()).await? {
            let columns = 0..row.len();
            let seen = columns.map(|at| column(&row, at)).collect::<Result<Vec<_>, _>>();
            some.push(read(&seen.map_err(|error| failure(&error))?));
            if some.len() == many {
                each(std::mem::replace(&mut some, Vec::with_capacity(many))).await?;
            }
        }
        match some.is_empty() {
            true => Ok(()),
            false => each(some).await,
        }
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
        match timeout(self.limit, call).await {
            Ok(done) => done.map_err(|error| failure(&error)),
            Err(_) => Err(Fault::Away(format!(
                "the server did not answer within {} s; see whether it is hung or overloaded",
                self.limit.as_secs()
            ))),
        }
    }

    /// From here on no call has a limit, on either side.
    pub(crate) async fn take_time(&mut self) -> Result<(), Fault> {
        let none = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";
        self.run(none).await?;
        self.limit = UNLIMITED;
        Ok(())
    }

    async fn answer(&mut self, sql: &str, number: i64) -> Result<Option<i64>, Fault> {
        let answers = self.query(sql, &[vec![number.into()]]).await?;
        let first = answers.into_iter().flatten().flatten().next();
        first
            .filter(|value| *value != Value::Null)
            .map(|value| value.int())
            .transpose()
    }

    async fn migrate(&mut self) -> Result<(), Fault> {
        self.run("BEGIN").await?;
        // A `ward` that is older or newer may be starting as well.
        let lock = "SELECT 1::bigint FROM pg_advisory_xact_lock($1)";
        self.query(lock, &[vec![MIGRATES.into()]]).await?;
        let found = self.version().await?;
        if found > VERSION {
            return Err(newer(found));
        }
        for (step, version) in STEPS.iter().zip(1_i64..).filter(|(_, version)| *version > found) {
            self.run(step.postgres).await?;
            self.execute("UPDATE version SET version = $1", &[vec![version.into()]])
                .await?;
        }
        self.run("COMMIT").await
    }

    /// 0 in a database that is new.
    async fn version(&mut self) -> Result<i64, Fault> {
        if let Some(found) = self.found().await? {
            return Ok(found);
        }
        let make = "CREATE SCHEMA ward; CREATE TABLE version (version BIGINT NOT NULL); INSERT INTO version VALUES (0);";
        self.run(make).await.map(|()| 0)
    }

    /// The version of the tables, if they are there. A schema `ward` that somebody else made is not touched.
    async fn found(&mut self) -> Result<Option<i64>, Fault> {
        let there = "SELECT (to_regnamespace('ward') IS NOT NULL)::int::bigint + (to_regclass('ward.version') IS NOT NULL)::int::bigint WHERE $1::bigint = 0";
        match self.answer(there, 0).await? {
            Some(2) => {
                let version = self
                    .answer("SELECT version FROM version WHERE $1::bigint = 0", 0)
                    .await?;
                let empty = || Fault::Away("its table ward.version is empty: not Ward's tables".into());
                version.map(Some).ok_or_else(empty)
            }
            Some(1) => Err(Fault::Away(
                "it has a schema `ward` that is not Ward's; rename that, or name another database".into(),
            )),
            _ => Ok(None),
        }
    }

    /// In another encoding there are messages that it would refuse, one row after the other.
    async fn keeps_any_text(&mut self) -> Result<(), Fault> {
        let answers = self
            .query("SELECT current_setting('server_encoding')", &[vec![]])
            .await?;
        match answers.into_iter().flatten().flatten().next() {
            Some(Value::Text(encoding)) if encoding == "UTF8" => Ok(()),
            Some(Value::Text(encoding)) => Err(Fault::Away(format!(
                "the database keeps text as {encoding}, which has not every character; make one with \
                 `createdb --encoding=UTF8 --template=template0` and name that"
            ))),
            _ => Err(Fault::Away("the server does not say how it keeps text".into())),
        }
    }
}

fn newer(found: i64) -> Fault {
    Fault::Away(format!(
        "its schema is version {found} and this Ward knows versions up to {VERSION}; run the newer Ward"
    ))
}

fn column(row: &tokio_postgres::Row, at: usize) -> Result<Column<'_>, Error> {
    Ok(match *row.columns()[at].type_() {
        Type::INT8 => row
            .try_get::<_, Option<i64>>(at)?
            .map_or(Column::Null, Column::Int),
        Type::TEXT => row
            .try_get::<_, Option<&str>>(at)?
            .map_or(Column::Null, Column::Text),
        Type::BYTEA => row
            .try_get::<_, Option<&[u8]>>(at)?
            .map_or(Column::Null, Column::Bytes),
        _ => Column::Null,
    })
}

fn values(row: &tokio_postgres::Row) -> Result<Row, Error> {
    (0..row.len()).map(|at| Ok(column(row, at)?.into())).collect()
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut tokio_postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => number.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::TEXT | Type::BYTEA)
    }

    to_sql_checked!();
}

fn refusal(error: PoolError) -> Fault {
    match error {
        PoolError::Backend(error) => failure(&error),
        PoolError::Timeout(_) => Fault::Away(format!(
            "the server gave no connection within {} s; see whether it runs, and what is between",
            CONNECT.as_secs()
        )),
        error => Fault::Away(chain(&error)),
    }
}

fn failure(error: &Error) -> Fault {
    let Some(code) = error.code() else {
        return Fault::Away(format!("the server cannot be reached: {}", chain(error)));
    };
    let what = match *code {
        // The data is wrong (class 22), breaks a constraint (23), or is past what the server can keep (54).
        ref code if ["22", "23", "54"].contains(&&code.code()[..2]) => {
            return Fault::Refused(chain(error));
        }
        SqlState::TOO_MANY_CONNECTIONS => "the server has no connection left (max_connections)",
        SqlState::CANNOT_CONNECT_NOW => "the server is starting, stopping or recovering",
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => "the server is stopping",
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "the server refuses the user; correct [store] url"
        }
        SqlState::INVALID_CATALOG_NAME => "there is no such database; make it with createdb",
        SqlState::INSUFFICIENT_PRIVILEGE => "the user may not; make it the owner of the database",
        SqlState::DISK_FULL => "the server's disk is full; make room",
        SqlState::READ_ONLY_SQL_TRANSACTION => "the server takes no writes: a standby, or set read-only",
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN => {
            "its tables are not Ward's any more; restore them, or drop the schema `ward`"
        }
        _ => "the server failed",
    };
    Fault::Away(format!("{what}: {}", chain(error)))
}
