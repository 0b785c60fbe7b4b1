//! `ward token`: who may do what without a certificate. Asks no aggregator: it writes to the data directory, and the
//! aggregator that holds it takes that up within a second.
//!
//! A token is shown once, on standard output, and never taken as an argument: those can be read by everybody on the machine.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use ward_access::{Grants, Pattern, Record, Right, StoreError, Token, TokenId, TokenStore};
use ward_chassis::Clock;
use ward_model::Wall;

use crate::{
    Exit, Failure,
    data::DataArgs,
    output::{Format, Out, Table, Times},
    typed,
};

/// What one is good for unless told: long enough to be no nuisance, short enough that one that leaked ends.
const EXPIRES: &str = "90d";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward token new --right report --service checkout --expires 90d > checkout.token
  ward token new --right watch --expires never --note prometheus --out /etc/ward/prometheus.token
  ward token list
  ward token revoke 3f9a0c71d2be

Clients show one with --token-file FILE or WARD_TOKEN_FILE, over TLS only. The aggregator takes changes up
within a second; what a revoked token holds open is ended.")]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make one, and print it
    #[command(after_help = "Rights:
  report      report for the services of --service
  observe     in those reports, say how the services of --subject are
  agent       be the agent of the hosts of --host; nothing asks for it yet
  watch       ask and watch how everything is, /metrics included
  command     start and end maintenance
  administer  forget services and instances")]
    New(NewArgs),
    /// Show those there are
    List(ListArgs),
    /// Make one good for nothing
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct NewArgs {
    /// What its owner may do; several with commas, or repeated
    #[arg(long = "right", value_name = "RIGHT", value_delimiter = ',', required = true, value_parser = right)]
    rights: Vec<Right>,
    /// For which services; `payments-*` for all that begin so
    #[arg(long = "service", value_name = "NAME", value_parser = pattern)]
    services: Vec<Pattern>,
    /// About which other services
    #[arg(long = "subject", value_name = "NAME", value_parser = pattern)]
    subjects: Vec<Pattern>,
    /// Of which hosts
    #[arg(long = "host", value_name = "NAME", value_parser = pattern)]
    hosts: Vec<Pattern>,
    /// For how long, such as 12h or 90d; or `never`
    #[arg(long, value_name = "TIME", default_value = EXPIRES, value_parser = lasting)]
    expires: Lasting,
    /// What it is for, for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Write it to this new file, that nobody else may read, and not to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    at: DataArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    at: DataArgs,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// Which, as `ward token list` shows it
    #[arg(value_parser = id)]
    id: TokenId,
    #[command(flatten)]
    at: DataArgs,
}

/// How long a token is good for; `None` for ever.
#[derive(Clone, Copy, Debug)]
struct Lasting(Option<Duration>);

/// A token as `-o json` shows it: without its hash.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: &'a TokenId,
    rights: &'a Grants,
    created: Wall,
    expires: Option<Wall>,
    expired: bool,
    note: &'a str,
}

fn right(text: &str) -> Result<Right, String> {
    text.parse::<Right>().map_err(|error| error.to_string())
}

fn pattern(text: &str) -> Result<Pattern, String> {
    text.parse::<Pattern>().map_err(|error| error.to_string())
}

fn id(text: &str) -> Result<TokenId, String> {
    text.parse().map_err(|_| {
        "is no id of a token, expected 12 of 0-9 and a-f, as `ward token list` shows them".to_owned()
    })
}

fn lasting(text: &str) -> Result<Lasting, String> {
    match text {
        "never" => Ok(Lasting(None)),
        text => typed::duration(text).map(|duration| Lasting(Some(duration))),
    }
}

pub(crate) fn run(args: TokenArgs, out: &mut Out) -> Result<Exit, Failure> {
    match args.action {
        Action::New(args) => new(args, out)?,
        Action::List(args) => list(&args, out)?,
        Action::Revoke(args) => revoke(&args, out)?,
    }
    Ok(Exit::Good)
}

/// The tokens of that data directory.
fn store(at: &DataArgs) -> Result<TokenStore, Failure> {
    Ok(TokenStore::new(at.settings()?.aggregator.data_dir))
}

impl NewArgs {
    /// What it grants. A right that needs to know about whom is of no use without.
    fn grants(&self) -> Result<Grants, Failure> {
        let has = |right| self.rights.contains(&right);
        let about = [
            (Right::Report, "--service", &self.services),
            (Right::Observe, "--subject", &self.subjects),
            (Right::Agent, "--host", &self.hosts),
        ];
        for (right, flag, named) in about {
            if has(right) && named.is_empty() {
                let message = format!("--right {right} needs {flag}: name one, or '*' for all");
                return Err(Failure::Usage(message));
            }
            if !has(right) && !named.is_empty() {
                return Err(Failure::Usage(format!(
                    "{flag} is of no use without --right {right}"
                )));
            }
        }
        Ok(Grants {
            report: self.services.clone(),
            observe: self.subjects.clone(),
            agent: self.hosts.clone(),
            watch: has(Right::Watch),
            command: has(Right::Command),
            administer: has(Right::Administer),
        })
    }
}

fn new(args: NewArgs, out: &mut Out) -> Result<(), Failure> {
    let grants = args.grants()?;
    let summary = grants.summary();
    let store = store(&args.at)?;
    let now = Clock::start().wall();
    let until = args.expires.0.map(|lasts| {
        let ms = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        Wall(now.0.saturating_add(ms))
    });
    let token = Token::new(rand::random(), rand::random());
    let kept = store.add(&token, grants, (now, until), &args.note);
    kept.map_err(failed)?;
    let written = match &args.out {
        Some(file) => write(file, &token.reveal()),
        None => out.data(&format!("{}\n", token.reveal())).map(drop),
    };
    if let Err(failure) = written {
        // Nobody has it.
        store.revoke(token.id()).map_err(failed)?;
        return Err(failure);
    }
    let lasts = until.map_or("for ever".to_owned(), |until| format!("until {}", moment(until)));
    out.note(&format!("token {} is good {lasts}, for: {summary}", token.id()));
    match args.out {
        Some(file) => out.note(&format!("it is in {}", file.display())),
        None => out.note("it is not shown again; keep it in a file that nobody else may read"),
    }
    Ok(())
}

fn write(file: &PathBuf, token: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    let mut opened = match opened {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("{} is there already: name a new file", file.display());
            return Err(Failure::Usage(message));
        }
        opened => opened.with_context(|| format!("write {}", file.display()))?,
    };
    opened
        .write_all(format!("{token}\n").as_bytes())
        .with_context(|| format!("write {}", file.display()))?;
    Ok(())
}

fn list(args: &ListArgs, out: &mut Out) -> Result<(), Failure> {
    let tokens = store(&args.at)?.load().map_err(failed)?;
    let now = Clock::start().wall();
    if let Format::Json = args.output {
        let shown: Vec<_> = tokens.iter().map(|record| shown(record, now)).collect();
        out.json(&shown)?;
        return Ok(());
    }
    if tokens.is_empty() {
        out.note("there are no tokens: `ward token new --right watch` makes one");
        return Ok(());
    }
    let mut table = Table::new(out.width(), ["ID", "RIGHTS", "EXPIRES", "NOTE"]);
    for record in &tokens {
        let expires = match record.expires {
            _ if !record.is_live(now) => "has expired".to_owned(),
            Some(expires) => moment(expires),
            None => "never".to_owned(),
        };
        let cells = [
            record.id.to_string(),
            record.grants.summary(),
            expires,
            record.note.clone(),
        ];
        table.row(cells.map(|cell| (cell, None)));
    }
    out.data(&table.text())?;
    Ok(())
}

fn shown(record: &Record, now: Wall) -> Shown<'_> {
    Shown {
        id: &record.id,
        rights: &record.grants,
        created: record.created,
        expires: record.expires,
        expired: !record.is_live(now),
        note: &record.note,
    }
}

fn revoke(args: &RevokeArgs, out: &mut Out) -> Result<(), Failure> {
    let revoked = store(&args.at)?.revoke(&args.id).map_err(failed)?;
    out.note(&format!(
        "token {} is good for nothing now; it was for: {}",
        revoked.id,
        revoked.grants.summary()
    ));
    Ok(())
}

fn moment(wall: Wall) -> String {
    Times::here(wall).moment(wall)
}

/// What a person can mend is theirs; the rest is the system's.
fn failed(error: StoreError) -> Failure {
    match error {
        StoreError::NotFound(_) | StoreError::Note => Failure::Usage(error.to_string()),
        error => Failure::Other(anyhow::Error::new(error)),
    }
}
