//! `ward backup` and `ward restore`: all that an aggregator keeps, in one directory, and back.
//!
//! A directory, because each part of it is of use by itself: a database that SQLite opens, a log that any verifier of
//! C2SP reads, a list of tokens. It is taken while the aggregator runs and asks it nothing: every part of the data
//! directory can be read beside its writer. It is checked before it gets its name.
//!
//! The key of the audit log stays where it is. A log that was restored is not the log that it was, because it may lack
//! what was written since: it is kept beside a new one, whose first entry names it.

mod log;
mod manifest;
mod restore;
mod settled;
mod successor;

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use tokio::task::spawn_blocking;
use ward_access::TokenStore;
use ward_aggregator::{AUDIT_DIR as AUDIT, DATABASE_FILE as DATABASE, store_place};
use ward_chassis::Clock;
use ward_config::Settings;
use ward_store::Place;

use crate::{Exit, Failure, data::DataArgs, output::Out, progress::Bar};
use manifest::Manifest;

pub(crate) use restore::{RestoreArgs, run as restore};

/// The parts of a data directory, and of a backup, are the database, the log, and this.
const TOKENS: &str = "tokens.json";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward backup /backups/ward-$(date +%F)
  ward backup --force /backups/ward-latest

It is taken while the aggregator runs, and checked before it is done; for the newest events of the audit log it
waits some seconds. The audit log's private key is not in it.
Beside history, last known state and tokens it holds no password of yours; keep it as you keep those.")]
pub(crate) struct BackupArgs {
    /// The directory that is made
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Write over a backup that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    at: DataArgs,
}

/// Where the store of these settings is.
fn place(settings: &Settings) -> Result<Place, Failure> {
    let place = store_place(&settings.store, &settings.aggregator.data_dir);
    Ok(place.context("read [store] url_file")?)
}

pub(crate) async fn run(args: BackupArgs, out: &mut Out) -> Result<Exit, Failure> {
    let settings = args.at.settings()?;
    let (place, data_dir) = (place(&settings)?, settings.aggregator.data_dir);
    let BackupArgs { to, force, .. } = args;
    let made = blocking(move || make(&to, force, &place, &data_dir)).await?;
    out.note(&made);
    Ok(Exit::Good)
}

/// Files and databases are waited for on a thread of their own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = spawn_blocking(work).await;
    done.context("work on a thread of its own")
        .map_err(Failure::from)?
}

/// Makes it beside its place, and moves it there when it is whole.
fn make(to: &Path, force: bool, place: &Place, data_dir: &Path) -> Result<String, Failure> {
    may_be_replaced(to, force)?;
    let part = beside(to, ".part");
    remove(&part)?;
    let done = fill(&part, place, data_dir).and_then(|manifest| {
        replace(&part, to)?;
        Ok(format!("{} holds {manifest}", to.display()))
    });
    if done.is_err() {
        // The first error is the one to tell.
        drop(fs::remove_dir_all(&part));
    }
    done
}

fn fill(part: &Path, place: &Place, data_dir: &Path) -> Result<Manifest, Failure> {
    let there = match place {
        Place::Sqlite(path) => path.exists(),
        Place::Postgres(_) => true,
    };
    if !there && !data_dir.join(AUDIT).exists() {
        return Err(Failure::Usage(format!(
            "there is nothing to keep in {}: name the aggregator's data directory with --data-dir",
            data_dir.display()
        )));
    }
    let made = DirBuilder::new().mode(0o700).create(part);
    made.with_context(|| format!("make {}", part.display()))?;
    if there {
        let bar = Bar::new("database");
        let copied = ward_store::backup(place, &part.join(DATABASE), |is| bar.at(is.done, is.all));
        copied.map_err(anyhow::Error::new)?;
    }
    let log = match data_dir.join(AUDIT) {
        audit if audit.exists() => {
            settled::settle(&audit, &Clock::start())?;
            Some(log::copy(&audit, &part.join(AUDIT), &Bar::new("audit log"))?)
        }
        _ => None,
    };
    let tokens = copy_tokens(data_dir, part)?;
    let manifest = Manifest::new(Clock::start().wall(), there, log, tokens);
    manifest.write(part)?;
    Ok(manifest)
}

/// The list of tokens is changed by moving a new one over it: whichever is read is whole.
fn copy_tokens(from: &Path, to: &Path) -> Result<Option<usize>, Failure> {
    if !from.join(TOKENS).exists() {
        return Ok(None);
    }
    let copied = fs::copy(from.join(TOKENS), to.join(TOKENS));
    copied.with_context(|| format!("copy {TOKENS} to {}", to.display()))?;
    let read = TokenStore::new(to).load().map_err(anyhow::Error::new)?;
    Ok(Some(read.len()))
}

/// Nothing is there, or a backup that may be written over.
fn may_be_replaced(to: &Path, force: bool) -> Result<(), Failure> {
    if fs::symlink_metadata(to).is_err() {
        return Ok(());
    }
    let to_show = to.display();
    match force {
        false => Err(Failure::Usage(format!(
            "{to_show} is there already: name a new directory, or say --force to write over a backup"
        ))),
        true if Manifest::read(to).is_ok() => Ok(()),
        true => Err(Failure::Usage(format!(
            "{to_show} is no backup of Ward, and --force writes over nothing else: name another directory"
        ))),
    }
}

/// Moves `part` to `to`, and what was there out of the way first.
fn replace(part: &Path, to: &Path) -> Result<(), Failure> {
    let old = beside(to, ".old");
    let moving = || -> anyhow::Result<()> {
        sync(part)?;
        if fs::symlink_metadata(to).is_ok() {
            if fs::symlink_metadata(&old).is_ok() {
                bail!("{} is in the way: look at it, and remove it", old.display());
            }
            fs::rename(to, &old)?;
        }
        fs::rename(part, to)?;
        sync(
            to.parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
        )?;
        Ok(())
    };
    moving().with_context(|| format!("move the backup to {}", to.display()))?;
    remove(&old)
}

fn sync(folder: &Path) -> std::io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(anyhow::Error::new(error)
            .context(format!("remove {}", folder.display()))
            .into()),
        _ => Ok(()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    // Without what ends in a slash.
    let mut name = path.components().as_path().as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
