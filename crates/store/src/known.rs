//! What was last known, as it is read after a restart.
//!
//! A row that cannot be read (somebody else wrote it) is left out and counted: one wrong row must not keep a million others
//! from being known.

use std::collections::HashMap;

use tracing::warn;
use ward_model::{InstanceId, Maintenance, Name, Reason, SpanReason, Wall};

use crate::{
    code,
    connection::{Column, Connection, Row},
    fault::Fault,
    session::Declared,
    write::{Kept, KnownInstance, KnownService},
};

/// Instances in one piece: some 300 KiB.
pub(crate) const PIECE: usize = 4_096;

/// All services, by name.
pub(crate) async fn services(connection: &mut Connection) -> Result<Vec<KnownService>, Fault> {
    let sql = "SELECT s.name, k.status, k.reason, k.message, k.since, k.declared
        FROM known_service k JOIN subject s ON s.id = k.subject ORDER BY s.name";
    let rows = connection.query(sql, vec![]).await?;
    Ok(readable("services", rows.iter().map(service)))
}

fn service(row: &Row) -> Option<KnownService> {
    let [name, status, reason, message, since, declared] = row.as_slice() else {
        return None;
    };
    let declared: Declared = serde_json::from_str(declared.text().ok()?).ok()?;
    let reason = match code::read_reason(reason.text().ok()?) {
        SpanReason::Verdict(reason) => reason,
        _ => Reason::default(),
    };
    Some(KnownService {
        name: Name::service(name.text().ok()?).ok()?,
        criticality: declared.criticality,
        min_healthy: declared.min_healthy,
        dependencies: declared.dependencies,
        status: code::read_status(status.int().ok()?),
        reason,
        message: message.text().ok()?.to_owned(),
        since: Wall(since.int().ok()?),
    })
}

/// All windows of maintenance, by the name of the service.
pub(crate) async fn maintenance(connection: &mut Connection) -> Result<Vec<Maintenance>, Fault> {
    let sql = "SELECT s.name, m.said_by, m.why, m.starts, m.ends
        FROM maintenance m JOIN subject s ON s.id = m.subject ORDER BY s.name";
    let rows = connection.query(sql, vec![]).await?;
    Ok(readable("windows of maintenance", rows.iter().map(window)))
}

fn window(row: &Row) -> Option<Maintenance> {
    let [service, by, why, start, end] = row.as_slice() else {
        return None;
    };
    Some(Maintenance {
        service: Name::service(service.text().ok()?).ok()?,
        by: by.text().ok()?.to_owned(),
        why: why.text().ok()?.to_owned(),
        start: Wall(start.int().ok()?),
        end: end.int().ok().map(Wall),
    })
}

/// All that is kept of a kind, by key.
pub(crate) async fn kept(connection: &mut Connection, kind: Kept) -> Result<Vec<(String, String)>, Fault> {
    let sql = "SELECT key, body FROM kept WHERE kind = $1 ORDER BY key";
    let rows = connection.query(sql, vec![code::kept(kind).into()]).await?;
    Ok(readable("things that are kept", rows.iter().map(pair)))
}

fn pair(row: &Row) -> Option<(String, String)> {
    let [key, body] = row.as_slice() else {
        return None;
    };
    Some((key.text().ok()?.to_owned(), body.text().ok()?.to_owned()))
}

/// When another life of the aggregator than `this` was last known to live.
pub(crate) async fn last_alive(connection: &mut Connection, this: i64) -> Result<Option<Wall>, Fault> {
    let sql = "SELECT max(last) FROM life WHERE id <> $1";
    Ok(connection.number(sql, vec![this.into()]).await?.map(Wall))
}

/// Hands all instances to `sink`, in pieces, and says how many.
pub(crate) async fn instances(
    connection: &mut Connection,
    mut sink: impl AsyncFnMut(Vec<KnownInstance>) -> Result<(), Fault>,
) -> Result<usize, Fault> {
    let sql = "SELECT id, name FROM subject WHERE id IN (SELECT DISTINCT service FROM known_instance)";
    let mut names = HashMap::new();
    for row in connection.query(sql, vec![]).await? {
        if let [id, name] = row.as_slice()
            && let Ok(name) = Name::service(name.text()?)
        {
            names.insert(id.int()?, name);
        }
    }
    let mut count = 0;
    let sql = "SELECT service, instance, incarnation, interval_ms, state FROM known_instance";
    let piece = async |rows: Vec<Option<KnownInstance>>| {
        let piece = readable("instances", rows.into_iter());
        count += piece.len();
        sink(piece).await
    };
    connection
        .stream(sql, PIECE, |row| instance(&names, row), piece)
        .await?;
    Ok(count)
}

fn instance(services: &HashMap<i64, Name>, row: &[Column<'_>]) -> Option<KnownInstance> {
    use Column::{Bytes, Int, Text};
    let &[
        Int(service),
        Text(instance),
        Bytes(incarnation),
        Int(interval),
        Int(state),
    ] = row
    else {
        return None;
    };
    let (status, freshness) = code::read_state(state);
    Some(KnownInstance {
        id: InstanceId {
            service: services.get(&service)?.clone(),
            instance: Name::instance(instance).ok()?,
        },
        incarnation: code::read_incarnation(incarnation)?,
        interval_ms: interval.try_into().ok()?,
        status,
        freshness,
    })
}

fn readable<T>(what: &'static str, rows: impl ExactSizeIterator<Item = Option<T>>) -> Vec<T> {
    let all = rows.len();
    let mut some = Vec::with_capacity(all);
    some.extend(rows.flatten());
    if some.len() < all {
        let left_out = all - some.len();
        warn!(
            left_out,
            what, "rows of the database are not as Ward writes them and are left out"
        );
    }
    some
}
