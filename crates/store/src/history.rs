//! What was, read from the database: transitions as far as they are kept, days beyond that.

use ward_model::{Day, History, HistoryDay, Name, Status, Uptime, Wall};

use crate::{
    code,
    connection::{Connection, Row},
    fault::Fault,
    session::ThisLife,
    timeline::{self, Life, Mark, Window},
};

/// Lives that are looked at: one an hour for more than a year. Of more, the newest.
const LIVES: i64 = 10_000;

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// `None` for the system.
    pub(crate) subject: Option<Name>,
    pub(crate) window: Window,
    /// Transitions at most.
    pub(crate) limit: usize,
    /// Whoever asks lives: until now somebody watches.
    pub(crate) life: ThisLife,
    pub(crate) now: Wall,
    /// The first moment of the first day that is kept: before it a last transition may be left, and no life.
    pub(crate) kept: Wall,
}

/// Reads it, as of one moment: between two of its statements a day may take the place of its transitions.
pub(crate) async fn read(connection: &mut Connection, question: Question) -> Result<History, Fault> {
    connection.begin_reading().await?;
    let told = at_once(connection, question).await?;
    connection.commit().await?;
    Ok(told)
}

async fn at_once(connection: &mut Connection, question: Question) -> Result<History, Fault> {
    let until = question.window.until.min(question.now);
    let name = question.subject.as_ref().map_or("", Name::as_str);
    let id = connection
        .number("SELECT id FROM subject WHERE name = $1", vec![name.into()])
        .await?;
    // No table has this one.
    let id = id.unwrap_or(-1);
    let first = first(connection, id).await?.unwrap_or(until);
    // Before the first that is kept nothing is known, and nobody asks for a year of that.
    let since = question.window.since.max(first).max(question.kept).min(until);
    let last_day = connection
        .number("SELECT max(day) FROM day WHERE subject = $1", vec![id.into()])
        .await?;
    let raw_since = last_day.map_or(since, |day| Day(day).next().start().max(since).min(until));
    let raw = Window {
        since: raw_since,
        until,
    };
    let (marks, shortened) = marks(connection, id, raw, question.limit).await?;
    let raw_since = match marks.first() {
        Some(first) if shortened => first.at.max(raw_since),
        _ => raw_since,
    };
    let raw = Window {
        since: raw_since,
        until,
    };
    let lives = lives(connection, raw, Some((question.life, question.now))).await?;
    let mut spans = timeline::spans(&marks, &lives, raw);
    let mut days = match shortened || since >= raw_since {
        true => Vec::new(),
        false => kept_days(connection, id, Day::of(since), Day::of(Wall(raw_since.0 - 1))).await?,
    };
    let since = days.first().map_or(raw_since, |first| first.day.start());
    days.extend(timeline::days(&spans, until));
    if until == question.now
        && let Some(last) = spans.last_mut()
    {
        last.to = None;
    }
    Ok(History {
        since,
        until,
        spans,
        uptime: timeline::uptime(&days),
        days,
        shortened,
    })
}

/// The first moment of a subject of which anything is kept.
async fn first(connection: &mut Connection, id: i64) -> Result<Option<Wall>, Fault> {
    let day = connection
        .number("SELECT min(day) FROM day WHERE subject = $1", vec![id.into()])
        .await?;
    if let Some(day) = day {
        return Ok(Some(Day(day).start()));
    }
    let at = connection.number(
        "SELECT min(at) FROM transition WHERE subject = $1",
        vec![id.into()],
    );
    Ok(at.await?.map(Wall))
}

/// The transitions in `window`, in their order, with the last before it; of more than `limit` the newest, and that there
/// were more.
pub(crate) async fn marks(
    connection: &mut Connection,
    id: i64,
    window: Window,
    limit: usize,
) -> Result<(Vec<Mark>, bool), Fault> {
    let sql = "SELECT at, status, reason, message, maintenance FROM transition
        WHERE subject = $1 AND at >= $2 AND at < $3 ORDER BY at DESC, epoch DESC, revision DESC LIMIT $4";
    let Window { since, until } = window;
    let most = i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1;
    let asked = vec![id.into(), since.0.into(), until.0.into(), most.into()];
    let mut rows = connection.query(sql, asked).await?;
    let shortened = rows.len() > limit;
    rows.truncate(limit);
    if !shortened {
        let asked = vec![id.into(), i64::MIN.into(), since.0.into(), 1.into()];
        rows.extend(connection.query(sql, asked).await?);
    }
    rows.reverse();
    let marks = rows.iter().map(mark).collect::<Result<_, _>>()?;
    Ok((marks, shortened))
}

fn mark(row: &Row) -> Result<Mark, Fault> {
    let [at, status, reason, message, maintenance] = row.as_slice() else {
        return Err(Fault::Away(
            "a row has not the columns that were asked for".into(),
        ));
    };
    Ok(Mark {
        at: Wall(at.int()?),
        status: code::read_status(status.int()?),
        reason: code::read_reason(reason.text()?),
        message: message.text()?.to_owned(),
        maintenance: maintenance.int()? != 0,
    })
}

/// The lives that touch `window`, the last before it and the first behind it, by their start; `this` lives until the given
/// moment.
pub(crate) async fn lives(
    connection: &mut Connection,
    window: Window,
    this: Option<(ThisLife, Wall)>,
) -> Result<Vec<Life>, Fault> {
    let sql = "SELECT started, last FROM life WHERE id <> $1
        AND started <= (SELECT coalesce(min(started), $2) FROM life WHERE started >= $2)
        AND last >= (SELECT coalesce(max(last), $3) FROM life WHERE last < $4) ORDER BY started DESC LIMIT $5";
    let id = this.map_or(0, |(this, _)| this.id);
    let Window { since, until } = window;
    let asked = vec![
        id.into(),
        until.0.into(),
        i64::MIN.into(),
        since.0.into(),
        LIVES.into(),
    ];
    let mut lives = Vec::new();
    for row in connection.query(sql, asked).await? {
        if let [started, last] = row.as_slice() {
            let (started, last) = (Wall(started.int()?), Wall(last.int()?));
            lives.push(Life { started, last });
        }
    }
    lives.reverse();
    if let Some((this, last)) = this {
        let started = this.started;
        lives.push(Life { started, last });
        lives.sort_by_key(|life| life.started);
    }
    Ok(lives)
}

/// Each day from `first` to `last`; one of which nothing is kept is unknown.
async fn kept_days(
    connection: &mut Connection,
    id: i64,
    first: Day,
    last: Day,
) -> Result<Vec<HistoryDay>, Fault> {
    let sql = "SELECT day, healthy_ms, degraded_ms, unhealthy_ms, unknown_ms, maintenance_ms FROM day
        WHERE subject = $1 AND day >= $2 AND day <= $3 ORDER BY day";
    let rows = connection
        .query(sql, vec![id.into(), first.0.into(), last.0.into()])
        .await?;
    let mut kept = rows
        .iter()
        .map(day)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .peekable();
    let unknown = Uptime::of(Status::Unknown, false, Day::MS.unsigned_abs());
    let days = (first.0..=last.0).map(Day).map(|day| {
        let there = kept.next_if(|kept| kept.day == day);
        there.unwrap_or(HistoryDay { day, uptime: unknown })
    });
    Ok(days.collect())
}

fn day(row: &Row) -> Result<HistoryDay, Fault> {
    let numbers = row
        .iter()
        .map(|value| value.int())
        .collect::<Result<Vec<_>, _>>()?;
    let [day, healthy, degraded, unhealthy, unknown, maintenance] = numbers[..] else {
        return Err(Fault::Away(
            "a row has not the columns that were asked for".into(),
        ));
    };
    let ms = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(HistoryDay {
        day: Day(day),
        uptime: Uptime {
            healthy_ms: ms(healthy),
            degraded_ms: ms(degraded),
            unhealthy_ms: ms(unhealthy),
            unknown_ms: ms(unknown),
            maintenance_ms: ms(maintenance),
        },
    })
}
