//! What was seen, for looking at it again: as it is read, and how it goes when it is too old.
//!
//! Read page by page, each a question of its own: whoever takes them slowly, or never comes back, holds up neither others
//! that ask nor the cleaning up of the file, as one long transaction would. What was written stays as it is, so that pages
//! fit together.
//!
//! Where some found no room, all before that is told as not there: rules would judge by it what never was.
//!
//! The last of each subject outlives its time: without it nobody knows how a service was that has not changed since. It goes
//! when the service does.

use std::time::Duration;

use ward_model::{Name, Wall, bounds::SERVICES};

use crate::{
    connection::{Connection, Row, Value},
    fault::{Fault, ReadError},
    reader::Ask,
    roll::{Step, before, number_of, remember},
    store::Store,
    timeline::Window,
    write::Record,
};

/// Records in one page: half a megabyte or so.
const PAGE: i64 = 1_024;
/// Subjects at the beginning: twice what there may be, because services that are gone are among them.
const SUBJECTS: usize = 2 * SERVICES + 1;
/// Records in one step of deleting: a few milliseconds, which whoever waits for a write waits for as well.
const PIECE: i64 = 1_024;
/// What is too old goes by the hour, so that it is not looked for each second.
const HOUR_MS: i64 = 3_600_000;

/// Where a record stands: in time, and among those of one millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    at: i64,
    life: i64,
    seq: i64,
}

/// One page, and where the next begins.
pub(crate) type Page = (Vec<Record>, Option<Key>);

/// What was recorded, as it is read.
#[derive(Debug)]
pub struct Recorded {
    store: Store,
    window: Window,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Beginning,
    Page(Key),
    End,
}

impl Recorded {
    pub(crate) fn new(store: Store, window: Window) -> Self {
        let next = Next::Beginning;
        Self { store, window, next }
    }

    /// From when on it is complete: later than was asked for if some were dropped since. Known once the first were taken.
    pub fn since(&self) -> Wall {
        self.window.since
    }

    /// The next records, some thousand, in order of time; `None` behind the last. First come those from before the beginning,
    /// that say how things were then: the last of each subject, at once.
    ///
    /// # Errors
    ///
    /// The database cannot be asked now. The same may be asked again.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, ReadError> {
        loop {
            let (records, next) = match self.next {
                Next::Beginning => {
                    if let Some(hole) = self.store.ask(Ask::RecordedHole).await? {
                        self.window.since = self.window.since.max(Wall(hole.0 + 1));
                    }
                    let since = self.window.since;
                    let records = self.store.ask(|to| Ask::RecordedBefore(since, to)).await?;
                    (records, Some(Key::first(since)))
                }
                Next::Page(after) => {
                    let until = self.window.until;
                    self.store.ask(|to| Ask::Recorded(after, until, to)).await?
                }
                Next::End => return Ok(None),
            };
            self.next = next.map_or(Next::End, Next::Page);
            if !records.is_empty() {
                return Ok(Some(records));
            }
        }
    }
}

impl Key {
    /// Before all of a moment.
    fn first(at: Wall) -> Self {
        let (at, life, seq) = (at.0, i64::MIN, i64::MIN);
        Self { at, life, seq }
    }
}

const LAST: &str = "SELECT at, life, seq, body FROM recorded WHERE subject = $1 AND at < $2
    ORDER BY at DESC, life DESC, seq DESC LIMIT 1";
const BEHIND: &str =
    "SELECT s.name, r.at, r.life, r.seq, r.body FROM recorded r JOIN subject s ON s.id = r.subject
    WHERE (r.at, r.life, r.seq) > ($1, $2, $3) AND r.at < $4 ORDER BY r.at, r.life, r.seq LIMIT $5";

/// The last record of each subject before `since`, in order of time.
pub(crate) async fn last_before(connection: &mut Connection, since: Wall) -> Result<Vec<Record>, Fault> {
    let names = connection.query("SELECT id, name FROM subject", vec![]).await?;
    let ask = |row: &Row| vec![row.first().cloned().unwrap_or(Value::Null), since.0.into()];
    let asked: Vec<Row> = names.iter().map(ask).collect();
    let answers = connection.query_each(LAST, &asked).await?;
    let mut last = Vec::new();
    for (name, answer) in names.iter().zip(answers) {
        if let ([_, name], Some([at, life, seq, body])) = (name.as_slice(), answer.first().map(Vec::as_slice))
        {
            last.extend(record(name, [at, life, seq], body)?);
        }
    }
    last.sort_unstable_by_key(|(key, _)| *key);
    let rest = last.split_off(last.len().saturating_sub(SUBJECTS));
    Ok(rest.into_iter().map(|(_, record)| record).collect())
}

/// Those behind `after` and before `until`.
pub(crate) async fn page(connection: &mut Connection, after: Key, until: Wall) -> Result<Page, Fault> {
    let Key { at, life, seq } = after;
    let asked = vec![at.into(), life.into(), seq.into(), until.0.into(), PAGE.into()];
    let rows = connection.query(BEHIND, asked).await?;
    let (mut records, mut last) = (Vec::with_capacity(rows.len()), None);
    for row in &rows {
        if let [name, at, life, seq, body] = row.as_slice()
            && let Some((key, record)) = record(name, [at, life, seq], body)?
        {
            last = Some(key);
            records.push(record);
        }
    }
    // A short page is the last.
    let is_full = rows.len() as i64 == PAGE;
    Ok((records, last.filter(|_| is_full)))
}

/// `None` of a name that is none: somebody else's row. A subject need not be a service: what is about all of them has a name
/// that no service can have.
fn record(name: &Value, [at, life, seq]: [&Value; 3], body: &Value) -> Result<Option<(Key, Record)>, Fault> {
    let key = Key {
        at: at.int()?,
        life: life.int()?,
        seq: seq.int()?,
    };
    let subject = match name.text()? {
        "" => None,
        name => match Name::new(name) {
            Ok(name) => Some(name),
            Err(_) => return Ok(None),
        },
    };
    let (at, body) = (Wall(key.at), body.text()?.to_owned());
    Ok(Some((key, Record { at, subject, body })))
}

/// Deletes some of what is older than `keep`, if there is any: up to some moment all but the last of each subject.
pub(crate) async fn step(connection: &mut Connection, keep: Duration, now: Wall) -> Result<Step, Fault> {
    let end = before(now, keep).0.div_euclid(HOUR_MS) * HOUR_MS;
    let done = number_of(connection, DONE).await?.unwrap_or(i64::MIN);
    if done >= end {
        return Ok(Step::Done);
    }
    let piece = connection.number(END, vec![done.into(), end.into(), PIECE.into()]);
    // The whole of that millisecond, so that the next step begins with another.
    let to = piece.await?.map_or(end, |at| at + 1);
    connection.begin().await?;
    let newest = connection.query(NEWEST, vec![done.into(), to.into()]).await?;
    connection.execute(OLDER, &newest).await?;
    if to == end {
        connection.execute(OF_NOBODY, &[vec![end.into()]]).await?;
    }
    remember(connection, &[(DONE, to)]).await?;
    connection.commit().await?;
    Ok(Step::More)
}

/// The end of a piece.
const END: &str = "SELECT at FROM recorded WHERE at >= $1 AND at < $2 ORDER BY at LIMIT 1 OFFSET $3";
/// The newest of each subject in a piece.
const NEWEST: &str = "SELECT subject, max(at) FROM recorded WHERE at >= $1 AND at < $2 GROUP BY subject";
const OLDER: &str = "DELETE FROM recorded WHERE subject = $1 AND at < $2";

/// The end of the last hole: what was seen then was dropped, and what was seen behind it was not.
pub(crate) const HOLE: &str = "recorded_hole";

/// The end of the last hole, if there is one.
pub(crate) async fn hole(connection: &mut Connection) -> Result<Option<Wall>, Fault> {
    Ok(number_of(connection, HOLE).await?.map(Wall))
}

/// The moment before which no more than the last of each subject is kept.
const DONE: &str = "recorded_done";

/// The last of services that are no more.
const OF_NOBODY: &str = "DELETE FROM recorded WHERE at < $1
    AND NOT EXISTS (SELECT 1 FROM known_service k WHERE k.subject = recorded.subject)
    AND NOT EXISTS (SELECT 1 FROM subject s WHERE s.id = recorded.subject AND s.name = '')";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        batch::{Batch, KeptRecord},
        session::{Session, ThisLife},
        sqlite,
    };

    #[test]
    fn nothing_reads_all_records() {
        let folder = tempfile::tempdir().unwrap();
        let file = sqlite::Connection::write(&folder.path().join("ward.db")).unwrap();
        for (sql, parameters) in [
            (LAST, 2),
            (BEHIND, 5),
            (END, 3),
            (NEWEST, 2),
            (OLDER, 2),
            (OF_NOBODY, 1),
        ] {
            let mut plan = file.raw().prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = plan
                .query_map(rusqlite::params_from_iter(0..parameters), |row| row.get(3))
                .unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            let all = steps
                .iter()
                .any(|step| step.contains("SCAN") || step.contains("ORDER BY"));
            assert!(!all && !steps.is_empty(), "{sql}: {steps:?}");
        }
    }

    #[tokio::test]
    async fn a_batch_that_is_written_twice_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = sqlite::Connection::write(&folder.path().join("ward.db")).unwrap();
        let life = ThisLife {
            id: -7,
            started: Wall(0),
        };
        let connection = Connection::Sqlite(file);
        let (mut session, _) = Session::begin(connection, life, 0).await.unwrap();
        let record = |seq| KeptRecord {
            at: Wall(5),
            seq,
            subject: None,
            body: "seen".into(),
        };
        let batch = Batch {
            records: vec![record(0), record(1)],
            ..Batch::default()
        };
        session.write(&batch).await.unwrap();
        session.write(&batch).await.unwrap();
        let count = session.connection.number("SELECT count(*) FROM recorded", vec![]);
        assert_eq!(count.await.unwrap(), Some(2));
        assert_eq!(hole(&mut session.connection).await.unwrap(), None);
        let batch = Batch {
            hole: Some(Wall(7)),
            ..Batch::default()
        };
        session.write(&batch).await.unwrap();
        assert_eq!(hole(&mut session.connection).await.unwrap(), Some(Wall(7)));
    }
}
