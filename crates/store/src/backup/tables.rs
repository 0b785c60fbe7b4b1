//! Which tables there are, and how all that is in them gets from one database to another.

use super::Progress;
use crate::{
    connection::{Column, Connection, Row},
    fault::Fault,
};

/// Rows on their way from one database to another.
const ROWS: usize = 4_096;

/// A table, and how it is read, emptied and written.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) any: &'static str,
    count: &'static str,
    select: &'static str,
    delete: &'static str,
    insert: &'static str,
}

macro_rules! tables {
    ($($name:literal ($columns:literal) ($values:literal)),+ $(,)?) => {
        &[$(Table {
            name: $name,
            any: concat!("SELECT 1::bigint FROM ", $name, " LIMIT 1"),
            count: concat!("SELECT count(*) FROM ", $name),
            select: concat!("SELECT ", $columns, " FROM ", $name),
            delete: concat!("DELETE FROM ", $name),
            insert: concat!("INSERT INTO ", $name, " (", $columns, ") VALUES (", $values, ")"),
        }),+]
    };
}

/// All that are kept.
pub(super) const TABLES: &[Table] = tables![
    "meta"("key, value")("$1, $2"),
    "subject"("id, name")("$1, $2"),
    "life"("id, started, last, batches")("$1, $2, $3, $4"),
    "transition"("subject, at, epoch, revision, status, reason, message, maintenance")(
        "$1, $2, $3, $4, $5, $6, $7, $8"
    ),
    "day"("subject, day, healthy_ms, degraded_ms, unhealthy_ms, unknown_ms, maintenance_ms")(
        "$1, $2, $3, $4, $5, $6, $7"
    ),
    "known_service"("subject, status, reason, message, since, declared")("$1, $2, $3, $4, $5, $6"),
    "known_instance"("service, instance, incarnation, interval_ms, state")("$1, $2, $3, $4, $5"),
    "maintenance"("subject, said_by, why, starts, ends")("$1, $2, $3, $4, $5"),
    "kept"("kind, key, body")("$1, $2, $3"),
    "recorded"("at, life, seq, subject, body")("$1, $2, $3, $4, $5"),
];

/// In one transaction on either side.
pub(super) async fn move_all(
    source: &mut Connection,
    target: &mut Connection,
    progress: &mut impl FnMut(Progress),
) -> Result<(), Fault> {
    source.take_time().await?;
    target.take_time().await?;
    source.begin_reading().await?;
    target.begin().await?;
    let mut all = 0;
    for table in TABLES {
        all += source
            .number(table.count, vec![])
            .await?
            .unwrap_or(0)
            .unsigned_abs();
    }
    let mut done = 0;
    for table in TABLES {
        target.execute(table.delete, &[vec![]]).await?;
        let read = |row: &[Column<'_>]| row.iter().map(|column| (*column).into()).collect::<Row>();
        let piece = async |rows: Vec<Row>| {
            target.execute(table.insert, &rows).await?;
            done += rows.len() as u64;
            progress(Progress { done, all });
            Ok(())
        };
        source.stream(table.select, ROWS, read, piece).await?;
    }
    if done != all {
        return Err(Fault::Away(format!("{done} rows were read of {all}")));
    }
    target.next_ids().await?;
    target.commit().await
}
