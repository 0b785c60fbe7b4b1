//! Down-sampling: transitions past their time become figures of days, and days past theirs go.
//!
//! One step is one transaction over a few names of one day, so that writes never wait long for it. A day is made of the
//! transitions themselves, by the same function that answers questions, before they go; the last one of each name stays,
//! because it says how the next day began. What was recorded goes in its own way, which stands beside how it is read.

use std::time::Duration;

use ward_model::{Day, Wall};

use crate::{
    connection::{Connection, Row},
    fault::Fault,
    history, recorded,
    timeline::{self, Window},
};

/// Names in one step: a day of each is a few rows in most.
const NAMES: i64 = 64;

/// How long what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Each transition. At least a day.
    pub transitions: Duration,
    /// Figures of each day. No shorter than transitions.
    pub days: Duration,
    /// Each record; the last of a service or the system for as long as there is nothing newer.
    pub recorded: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3_600);
        Self {
            transitions: days(90),
            days: days(400),
            // A week to look back on, and the day that it takes to get to it.
            recorded: days(8),
        }
    }
}

impl Retention {
    /// The first day of which transitions are kept.
    fn raw(self, now: Wall) -> Day {
        let keep = self.transitions.max(Duration::from_secs(24 * 3_600));
        Day::of(before(now, keep))
    }

    /// The first day that is kept.
    pub(crate) fn all(self, now: Wall) -> Day {
        Day::of(before(now, self.days.max(self.transitions)))
    }
}

pub(crate) fn before(now: Wall, time: Duration) -> Wall {
    let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Wall(now.0.saturating_sub(ms))
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to do.
    More,
    /// A day was done, and names of which nothing is kept may be gone.
    Day,
    /// Nothing to do.
    Done,
}

/// Does one step.
pub(crate) async fn step(connection: &mut Connection, keep: Retention, now: Wall) -> Result<Step, Fault> {
    match recorded::step(connection, keep.recorded, now).await? {
        Step::Done => days(connection, keep, now).await,
        step => Ok(step),
    }
}

/// A number that was remembered.
pub(crate) async fn number_of(connection: &mut Connection, key: &str) -> Result<Option<i64>, Fault> {
    let sql = "SELECT value FROM meta WHERE key = $1";
    connection.number(sql, vec![key.into()]).await
}

/// Remembers numbers.
pub(crate) async fn remember(connection: &mut Connection, numbers: &[(&str, i64)]) -> Result<(), Fault> {
    let sql = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    let row = |(key, value): &(&str, i64)| vec![(*key).into(), (*value).into()];
    let rows: Vec<Row> = numbers.iter().map(row).collect();
    connection.execute(sql, &rows).await
}

async fn days(connection: &mut Connection, keep: Retention, now: Wall) -> Result<Step, Fault> {
    let day = match number_of(connection, "rolled_day").await? {
        Some(day) => Day(day),
        None => match connection.number("SELECT min(started) FROM life", vec![]).await? {
            Some(started) => Day::of(Wall(started)),
            None => return Ok(Step::Done),
        },
    };
    if day >= keep.raw(now) {
        return Ok(Step::Done);
    }
    let after = number_of(connection, "rolled_name").await?.unwrap_or(-1);
    connection.begin().await?;
    let sql = "SELECT id FROM subject WHERE id > $1 ORDER BY id LIMIT $2";
    let names = connection.query(sql, vec![after.into(), NAMES.into()]).await?;
    let mut last = None;
    for name in &names {
        let id = name.first().map_or(Ok(-1), |id| id.int())?;
        name_of_day(connection, id, day).await?;
        last = Some(id);
    }
    let done = match last {
        Some(last) => {
            rolled(connection, day, last).await?;
            Step::More
        }
        None => {
            rolled(connection, day.next(), -1).await?;
            forget(connection, keep.all(now)).await?;
            Step::Day
        }
    };
    connection.commit().await?;
    Ok(done)
}

async fn rolled(connection: &mut Connection, day: Day, name: i64) -> Result<(), Fault> {
    remember(connection, &[("rolled_day", day.0), ("rolled_name", name)]).await
}

/// The figures of one name in one day, in place of its transitions.
async fn name_of_day(connection: &mut Connection, id: i64, day: Day) -> Result<(), Fault> {
    let window = Window {
        since: day.start(),
        until: day.next().start(),
    };
    let (marks, _) = history::marks(connection, id, window, usize::MAX).await?;
    if marks.is_empty() {
        return Ok(());
    }
    let lives = history::lives(connection, window, None).await?;
    let spans = timeline::spans(&marks, &lives, window);
    let uptime = timeline::uptime(&timeline::days(&spans, window.until));
    let row = [
        uptime.healthy_ms,
        uptime.degraded_ms,
        uptime.unhealthy_ms,
        uptime.unknown_ms,
        uptime.maintenance_ms,
    ];
    let row = [id, day.0]
        .into_iter()
        .chain(row.map(u64::cast_signed))
        .map(Into::into)
        .collect();
    let sql =
        "INSERT INTO day (subject, day, healthy_ms, degraded_ms, unhealthy_ms, unknown_ms, maintenance_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (subject, day) DO NOTHING";
    connection.execute(sql, &[row]).await?;
    let sql = "DELETE FROM transition WHERE subject = $1 AND at <
        (SELECT max(at) FROM transition WHERE subject = $1 AND at < $2)";
    connection
        .execute(sql, &[vec![id.into(), window.until.0.into()]])
        .await
}

/// The end of something forgotten says nothing once all before it is gone; until then it keeps that from going on.
const ENDS: &str = "DELETE FROM transition WHERE at < $1 AND reason = 'Forgotten'
        AND NOT EXISTS (SELECT 1 FROM day d WHERE d.subject = transition.subject AND (d.unknown_ms < 86400000))
        AND NOT EXISTS (SELECT 1 FROM transition t WHERE t.subject = transition.subject AND t.at <> transition.at)";

/// Drops what is older than all that is kept, and names that nothing is kept of.
async fn forget(connection: &mut Connection, first: Day) -> Result<(), Fault> {
    connection
        .execute("DELETE FROM day WHERE day < $1", &[vec![first.0.into()]])
        .await?;
    let lives = "DELETE FROM life WHERE last < $1 AND last < (SELECT max(last) FROM life)";
    connection.execute(lives, &[vec![first.start().0.into()]]).await?;
    connection.execute(ENDS, &[vec![first.start().0.into()]]).await?;
    let names =
        "DELETE FROM subject WHERE NOT EXISTS (SELECT 1 FROM transition t WHERE t.subject = subject.id)
        AND NOT EXISTS (SELECT 1 FROM day d WHERE d.subject = subject.id)
        AND NOT EXISTS (SELECT 1 FROM known_service k WHERE k.subject = subject.id)
        AND NOT EXISTS (SELECT 1 FROM known_instance i WHERE i.service = subject.id)
        AND NOT EXISTS (SELECT 1 FROM maintenance m WHERE m.subject = subject.id)
        AND NOT EXISTS (SELECT 1 FROM recorded r WHERE r.subject = subject.id)";
    connection.execute(names, &[vec![]]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_found_without_reading_all_transitions() {
        let folder = tempfile::tempdir().unwrap();
        let file = crate::sqlite::Connection::write(&folder.path().join("ward.db")).unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {ENDS}");
        let mut plan = file.raw().prepare(&plan).unwrap();
        let steps = plan.query_map([0], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).collect();
        let all = steps.iter().find(|step| step.starts_with("SCAN"));
        assert!(
            all.is_none() && steps[0].contains("transition_forgotten"),
            "{steps:?}"
        );
    }
}
