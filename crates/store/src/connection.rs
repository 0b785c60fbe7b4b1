//! One connection, to whichever database it is: four calls, values in and values out.
//!
//! All that is written and read by the store is said once, over this; the two files below it know nothing of what is
//! kept. A library that speaks to both (sqlx) was not taken: it would bring its own SQLite, whose version is not ours to
//! choose, and its own pool.

use crate::{fault::Fault, postgres, sqlite};

/// What goes into a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// What goes into the parameters of a statement, or comes out of a row.
pub(crate) type Row = Vec<Value>;

/// What stands in a column of a row that is only looked at: there may be a million of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// A connection that is open, as far as is known.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(sqlite::Connection),
    Postgres(postgres::Connection),
}

impl Connection {
    /// Begins what [`commit`](Self::commit) ends. What fails in between leaves nothing behind if the connection is dropped.
    pub(crate) async fn begin(&mut self) -> Result<(), Fault> {
        match self {
            Self::Sqlite(connection) => connection.begin(),
            Self::Postgres(connection) => connection.run("BEGIN").await,
        }
    }

    /// Begins to read one moment of it; ended as what [`begin`](Self::begin) begins.
    pub(crate) async fn begin_reading(&mut self) -> Result<(), Fault> {
        match self {
            Self::Sqlite(connection) => connection.run("BEGIN"),
            Self::Postgres(connection) => {
                connection
                    .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    .await
            }
        }
    }

    /// From here on each call may take as long as it does: one that moves all there is.
    pub(crate) async fn take_time(&mut self) -> Result<(), Fault> {
        match self {
            // It has no limit.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(connection) => connection.take_time().await,
        }
    }

    /// New names get ids behind those that were written with theirs.
    pub(crate) async fn next_ids(&mut self) -> Result<(), Fault> {
        match self {
            // It takes the next by itself.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(connection) => {
                let sql = "SELECT setval(pg_get_serial_sequence('subject', 'id'), max(id)) FROM subject HAVING max(id) > 0";
                connection.run(sql).await
            }
        }
    }

    pub(crate) async fn commit(&mut self) -> Result<(), Fault> {
        match self {
            Self::Sqlite(connection) => connection.run("COMMIT"),
            Self::Postgres(connection) => connection.run("COMMIT").await,
        }
    }

    /// Ends it so that nothing was done.
    pub(crate) async fn rollback(&mut self) -> Result<(), Fault> {
        match self {
            Self::Sqlite(connection) => connection.run("ROLLBACK"),
            Self::Postgres(connection) => connection.run("ROLLBACK").await,
        }
    }

    /// Not known to be gone: a file that was replaced would be read on.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Sqlite(connection) => connection.is_there().is_ok(),
            Self::Postgres(_) => true,
        }
    }

    /// Does `sql` with each of `rows`.
    pub(crate) async fn execute(&mut self, sql: &'static str, rows: &[Row]) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        match self {
            Self::Sqlite(connection) => connection.execute(sql, rows),
            Self::Postgres(connection) => connection.execute(sql, rows).await,
        }
    }

    /// The answers to `sql` with each of `rows`.
    pub(crate) async fn query_each(
        &mut self,
        sql: &'static str,
        rows: &[Row],
    ) -> Result<Vec<Vec<Row>>, Fault> {
        match self {
            Self::Sqlite(connection) => connection.query(sql, rows),
            Self::Postgres(connection) => connection.query(sql, rows).await,
        }
    }

    /// The answer to `sql` with `row`.
    pub(crate) async fn query(&mut self, sql: &'static str, row: Row) -> Result<Vec<Row>, Fault> {
        let answers = self.query_each(sql, &[row]).await?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }

    /// The first number of the answer to `sql` with `row`, if there is one.
    pub(crate) async fn number(&mut self, sql: &'static str, row: Row) -> Result<Option<i64>, Fault> {
        let rows = self.query(sql, row).await?;
        match rows.first().and_then(|row| row.first()) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.int().map(Some),
        }
    }

    /// Hands what `read` makes of the rows of `sql`, which has no parameters, to `each`, `many` at a time.
    pub(crate) async fn stream<T>(
        &mut self,
        sql: &'static str,
        many: usize,
        read: impl Fn(&[Column<'_>]) -> T,
        each: impl AsyncFnMut(Vec<T>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self {
            Self::Sqlite(connection) => connection.stream(sql, many, read, each).await,
            Self::Postgres(connection) => connection.stream(sql, many, read, each).await,
        }
    }
}

impl Value {
    /// The number in a column that holds no other; another schema than ours is a fault and no panic.
    pub(crate) fn int(&self) -> Result<i64, Fault> {
        match self {
            Self::Int(number) => Ok(*number),
            other => Err(other.foreign()),
        }
    }

    pub(crate) fn text(&self) -> Result<&str, Fault> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.foreign()),
        }
    }

    fn foreign(&self) -> Fault {
        let what = match self {
            Self::Null => "nothing",
            Self::Int(_) => "a number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
        };
        Fault::Away(format!(
            "a column holds {what} where Ward keeps something else: not Ward's tables"
        ))
    }
}

impl From<Column<'_>> for Value {
    fn from(column: Column<'_>) -> Self {
        match column {
            Column::Null => Self::Null,
            Column::Int(number) => Self::Int(number),
            Column::Text(text) => Self::Text(text.to_owned()),
            Column::Bytes(bytes) => Self::Bytes(bytes.to_owned()),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Int)
    }
}

/// PostgreSQL keeps no NUL in a text. It would refuse all that is written with it, again and again.
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.replace('\0', "\u{fffd}"))
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}
