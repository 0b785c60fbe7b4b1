//! `ward audit list`, `tail` and `export`: events, for people and for programs.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::Context;
use clap::{Args, builder::PossibleValuesParser};
use jiff::Timestamp;
use ward_audit::{Event, Filter, Kind, LOOKED_AT, Reader, Source};
use ward_chassis::Clock;
use ward_model::Wall;
use ward_tlog::TILE_WIDTH;

use super::{
    ask::{self, AskArgs},
    place::PlaceArgs,
};
use crate::{
    Exit, Failure,
    client::Server,
    output::{Escaped, Format, Out, Reader as Somebody, Table, Times},
    typed,
};

/// How often a log is looked at for more.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward audit list
  ward audit list --type breaker_trip --subject payments --since 7d
  ward audit list --since 2026-11-30T08:00:00Z --limit 1000 -o json")]
pub(super) struct ListArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// How many at most
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    /// For people or for programs, a line for each
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// How many of those there are
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    limit: usize,
    /// Go on with those to come, until stopped
    #[arg(short, long)]
    follow: bool,
    /// For people or for programs, a line for each
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Each line is an event as it stands in the log, byte for byte: SHA-256 of a zero byte and the line \
                        without its end is the hash that the next one names."
)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// Only what happened so
    #[arg(long = "type", value_name = "TYPE", value_parser = kind_parser())]
    kind: Option<String>,
    /// Only what was decided by this
    #[arg(long, value_name = "SOURCE", value_parser = source_parser())]
    source: Option<String>,
    /// Only about this: a service, with its instances, or one of them as service/instance, or `system`
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Only from then on: how long ago, such as 2h or 30d, or a time such as 2026-11-30T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
}

/// A moment, or how long ago one was.
#[derive(Clone, Copy, Debug)]
enum Since {
    Ago(Duration),
    At(Wall),
}

fn kind_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(Kind::ALL.iter().map(|kind| kind.as_str()))
}

fn source_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(Source::ALL.iter().map(|source| source.as_str()))
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(Since::At(Wall(moment.as_millisecond())));
    }
    let expected =
        |_| "expected how long ago, such as 2h or 30d, or a time such as 2026-11-30T08:00:00Z".to_owned();
    typed::duration(text).map(Since::Ago).map_err(expected)
}

impl WhichArgs {
    /// As a log is asked.
    pub(crate) fn filter(&self, now: Wall) -> Filter {
        let ago = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Filter {
            kind: self.kind.as_ref().and_then(|kind| kind.parse().ok()),
            source: self.source.as_ref().and_then(|source| source.parse().ok()),
            subject: self.subject.clone(),
            since: self.since.map(|since| match since {
                Since::At(moment) => moment,
                Since::Ago(duration) => Wall(now.0.saturating_sub(ago(duration))),
            }),
            ..Filter::default()
        }
    }
}

/// Where events come from: files, if it is said where, else an aggregator, if one is named.
fn asked(place: &PlaceArgs, ask: &AskArgs) -> Option<Server> {
    ask.server().filter(|_| !place.is_named())
}

pub(super) async fn list(args: &ListArgs, out: &mut Out) -> Result<Exit, Failure> {
    let now = Clock::start().wall();
    let filter = args.which.filter(now);
    let events = match asked(&args.place, &args.ask) {
        Some(server) => ask::newest(&server, &filter, args.limit).await?,
        None => newest(&args.place.reader()?, &filter, args.limit)?,
    };
    if args.output == Format::Json {
        for event in &events {
            if out.json_line(event)? == Somebody::Gone {
                break;
            }
        }
        return Ok(Exit::Good);
    }
    if events.is_empty() {
        out.note("there are no such events in the audit log");
        return Ok(Exit::Good);
    }
    let times = Times::here(now);
    let mut table = Table::new(out.width(), ["INDEX", "TIME", "TYPE", "SUBJECT", "BY", "WHAT"]);
    for event in &events {
        table.row(row(event, &times).map(|cell| (cell, None)));
    }
    out.data(&table.text())?;
    Ok(Exit::Good)
}

fn newest(reader: &Reader, filter: &Filter, limit: usize) -> Result<Vec<Event>, Failure> {
    let size = reader.size().context("read the audit log")?;
    let end = filter.before.map_or(size, |before| before.min(size));
    let look = |before, limit| {
        let before = Some(before);
        let filter = Filter {
            before,
            ..filter.clone()
        };
        reader.newest(&filter, limit).context("ask the audit log")
    };
    // Where everything is older, as the reader itself takes it: one event means nothing, as clocks are set back.
    let passed = |end: u64| -> anyhow::Result<bool> {
        let Some(since) = filter.since else {
            return Ok(false);
        };
        let last = reader.range(end.saturating_sub(TILE_WIDTH), TILE_WIDTH as usize);
        let last = last.context("read the audit log")?;
        Ok(last.iter().all(|event| event.time < since))
    };
    Ok(page_on(end, limit, look, passed)?)
}

/// Asks until there are enough, all is `passed`, or the log begins: one question looks at no more than [`LOOKED_AT`] events.
fn page_on(
    mut end: u64,
    limit: usize,
    mut look: impl FnMut(u64, usize) -> anyhow::Result<Vec<Event>>,
    passed: impl Fn(u64) -> anyhow::Result<bool>,
) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    loop {
        let page = look(end, limit - events.len())?;
        end = end.saturating_sub(LOOKED_AT);
        // It may have looked at some before.
        end = page.last().map_or(end, |last| end.min(last.index));
        events.extend(page);
        if end == 0 || events.len() >= limit || passed(end)? {
            return Ok(events);
        }
    }
}

fn row(event: &Event, times: &Times) -> [String; 6] {
    [
        event.index.to_string(),
        times.moment(event.time),
        event.kind.to_string(),
        event.subject.clone(),
        format!("{} ({})", event.actor, event.source),
        what(event),
    ]
}

/// Phase and evidence, on one line: from what to what first.
fn what(event: &Event) -> String {
    let mut parts = Vec::new();
    match (event.phase, event.intent) {
        (ward_audit::Phase::Intent, _) => parts.push("intent".to_owned()),
        (_, Some(intent)) => parts.push(format!("outcome of {intent}")),
        _ => {}
    }
    if let (Some(from), Some(to)) = (event.evidence.get("from"), event.evidence.get("to")) {
        parts.push(format!("{from} -> {to}"));
    }
    let rest = event
        .evidence
        .iter()
        .filter(|(key, _)| !matches!(*key, "from" | "to"));
    parts.extend(rest.map(|(key, value)| format!("{key}={value}")));
    parts.join(", ")
}

pub(super) async fn tail(args: &TailArgs, out: &mut Out) -> Result<Exit, Failure> {
    let now = Clock::start().wall();
    let (filter, times) = (args.which.filter(now), Times::here(now));
    let tell = |event: &Event| match args.output {
        Format::Json => out.json_line(event),
        Format::Text => {
            let [index, time, kind, subject, by, what] = row(event, &times);
            let line = format!("{index}  {time}  {kind}  {subject}  by {by}  {what}");
            out.data(&format!("{}\n", Escaped(&line)))
        }
    };
    match asked(&args.place, &args.ask) {
        Some(server) => tail_of(&server, &filter, args, tell).await,
        None => tail_in(&args.place.reader()?, &filter, args, tell).await,
    }
}

/// Tells an event, and whether somebody still reads.
trait Tell: FnMut(&Event) -> Result<Somebody, Failure> {}

impl<T: FnMut(&Event) -> Result<Somebody, Failure>> Tell for T {}

async fn tail_of(
    server: &Server,
    filter: &Filter,
    args: &TailArgs,
    mut tell: impl Tell,
) -> Result<Exit, Failure> {
    let last = ask::newest(server, filter, args.limit).await?;
    let next = last.first().map(|event| event.index + 1);
    for event in last.iter().rev() {
        if tell(event)? == Somebody::Gone {
            return Ok(Exit::Good);
        }
    }
    if args.follow {
        let mut coming = ask::follow(server, filter, next).await?;
        while let Some(event) = coming.next().await? {
            if tell(&event)? == Somebody::Gone {
                break;
            }
        }
    }
    Ok(Exit::Good)
}

async fn tail_in(
    reader: &Reader,
    filter: &Filter,
    args: &TailArgs,
    mut tell: impl Tell,
) -> Result<Exit, Failure> {
    let mut next = reader.size().context("read the audit log")?;
    let before = Filter {
        before: Some(next),
        ..filter.clone()
    };
    for event in newest(reader, &before, args.limit)?.iter().rev() {
        if tell(event)? == Somebody::Gone {
            return Ok(Exit::Good);
        }
    }
    if !args.follow {
        return Ok(Exit::Good);
    }
    loop {
        let events = reader.range(next, 1024).context("read the audit log")?;
        for event in &events {
            next = event.index + 1;
            if filter.passes(event) && tell(event)? == Somebody::Gone {
                return Ok(Exit::Good);
            }
        }
        if events.is_empty() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

pub(super) fn export(args: &ExportArgs, _: &mut Out) -> Result<Exit, Failure> {
    let reader = args.place.reader()?;
    let filter = args.which.filter(Clock::start().wall());
    // Not by `Out`: what it does to make text harmless would change the bytes; these are harmless as they are.
    let mut lines = io::BufWriter::new(io::stdout().lock());
    let mut failed = None;
    reader
        .each(0, &mut |index, entry| {
            let passes = filter == Filter::default() || filter.passes(&reader.event_of(index, entry)?);
            let written = if passes {
                lines.write_all(entry).and_then(|()| lines.write_all(b"\n"))
            } else {
                Ok(())
            };
            failed = written.err();
            Ok(failed.is_none())
        })
        .context("read the audit log")?;
    match failed.map_or_else(|| lines.flush(), Err) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(anyhow::Error::new(error)
            .context("write to standard output")
            .into()),
        _ => Ok(Exit::Good),
    }
}

#[cfg(test)]
mod tests {
    use ward_audit::Draft;
    use ward_model::{Mono, Now};
    use ward_tlog::Hash;

    use super::*;

    fn event(index: u64) -> Event {
        let now = Now {
            mono: Mono(0),
            wall: Wall(0),
        };
        Draft::new(Kind::Restart, Source::Liveness, "bank", now).placed(index, Hash([0; 32]), "")
    }

    /// A log with these, as a reader shows it, which looks at some more than it has to.
    fn found(rare: &[u64], size: u64, limit: usize, passed: u64) -> Vec<u64> {
        let look = |before: u64, limit: usize| {
            let oldest = before.saturating_sub(LOOKED_AT) / 256 * 256;
            let there = rare.iter().rev().filter(|at| (oldest..before).contains(*at));
            Ok(there.take(limit).map(|at| event(*at)).collect())
        };
        let events = page_on(size, limit, look, |end| Ok(end <= passed)).unwrap();
        events.iter().map(|event| event.index).collect()
    }

    #[test]
    fn what_is_rare_is_found_in_a_large_log() {
        let size = 3 * LOOKED_AT + 100;
        let rare = [7, LOOKED_AT - 1, LOOKED_AT + 10, 2 * LOOKED_AT + 90, size - 1];
        let mut all = rare.to_vec();
        all.reverse();
        assert_eq!(found(&rare, size, 50, 0), all, "each once");
        assert_eq!(found(&rare, size, 4, 0), all[..4]);
        assert_eq!(found(&[7], size, 50, 0), [7]);
        assert!(found(&[7], size, 50, 2 * LOOKED_AT).is_empty());
        assert!(found(&[], 0, 50, 0).is_empty());
        assert!(found(&rare, size, 0, 0).is_empty());
    }
}
