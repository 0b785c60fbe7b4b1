//! `ward restore`: a backup in place of what is there, while nobody uses it.
//!
//! What is in the backup is verified before anything is touched. The audit log that was there and the one of the backup are
//! both kept, under names of their own, and a new log begins: it names both, so that who verifies it knows where it comes
//! from. To go on with the old log instead would be a log that was rolled back, which is what it is there to show.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use clap::Args;
use ward_access::TokenStore;
use ward_chassis::{Clock, data_dir::DataDir};
use ward_store::Place;

use super::{
    AUDIT, DATABASE, DataArgs, TOKENS, blocking, log, manifest::Manifest, place, successor::Successor,
};
use crate::{Exit, Failure, output::Out, progress::Bar};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward restore /backups/ward-2026-11-30
  ward restore --force /backups/ward-2026-11-30      over what is there

The aggregator must be stopped. The audit log begins anew and names the log of the backup, which is kept beside it;
a log that was there is kept as well. Clients that watched say that the log is another one: that is so.
Alerts of the backup, and what it owes to their receivers, are left out, so that nobody is woken for what is over: what
still holds fires anew, and receivers hear nothing of the end of what fired then.")]
pub(crate) struct RestoreArgs {
    /// A directory that `ward backup` made
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// Write over what is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    at: DataArgs,
}

/// What is done, once all is known to be well.
struct Plan {
    from: PathBuf,
    manifest: Manifest,
    place: Place,
    /// Held while it is done.
    data_dir: DataDir,
    clock: Clock,
}

pub(crate) async fn run(args: RestoreArgs, out: &mut Out) -> Result<Exit, Failure> {
    let settings = args.at.settings()?;
    let place = place(&settings)?;
    let (plan, logs) = blocking(move || {
        let plan = Plan::new(args.from, place, &settings.aggregator.data_dir, args.force)?;
        let logs = plan.put_back()?;
        Ok((plan, logs))
    })
    .await?;
    out.note(&format!(
        "{} has {}",
        plan.data_dir.path().display(),
        plan.manifest
    ));
    for kept in &logs {
        out.note(&format!("an audit log from before is kept in {}", kept.display()));
    }
    Ok(Exit::Good)
}

impl Plan {
    /// Everything that can be known to be wrong is told here, before anything is touched.
    fn new(from: PathBuf, place: Place, data_dir: &Path, force: bool) -> Result<Self, Failure> {
        let manifest = Manifest::read(&from)?;
        if let Some(said) = &manifest.log {
            let is = log::check(&from.join(AUDIT), &Bar::new("check the audit log"))?;
            if is != *said {
                return Err(anyhow!(
                    "check {}: its audit log is not the one it was made with",
                    from.display()
                )
                .into());
            }
        }
        if manifest.tokens.is_some() {
            TokenStore::new(&from).load().map_err(anyhow::Error::new)?;
        }
        if !force && let Some(there) = in_the_way(&manifest, &place, data_dir)? {
            return Err(Failure::Usage(format!(
                "{there} is there already: say --force to write over it (an audit log is kept), or name another directory with \
                 --data-dir"
            )));
        }
        let clock = Clock::start();
        let data_dir = DataDir::lock(data_dir, &clock).map_err(anyhow::Error::new)?;
        Ok(Self {
            from,
            manifest,
            place,
            data_dir,
            clock,
        })
    }

    /// All of it; gives back where logs from before are kept. The new log is made first, and takes its place last.
    fn put_back(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.data_dir.path();
        let made = self
            .manifest
            .log
            .as_ref()
            .map(|said| Successor::prepare(folder, &self.from.join(AUDIT), said, &self.clock));
        let successor = made.transpose()?;
        let put = self.put_others_back(folder).and_then(|()| match &successor {
            Some(successor) => Ok(successor.put_in_place()?),
            None => Ok(Vec::new()),
        });
        if let (Err(_), Some(successor)) = (&put, &successor) {
            successor.discard();
        }
        put
    }

    fn put_others_back(&self, folder: &Path) -> Result<(), Failure> {
        if self.manifest.database {
            let bar = Bar::new("database");
            let restored = ward_store::restore(&self.from.join(DATABASE), &self.place, |is| {
                bar.at(is.done, is.all)
            });
            restored.map_err(anyhow::Error::new)?;
        }
        if self.manifest.tokens.is_some() {
            // Moved into place, as whoever writes it does: an aggregator that starts meanwhile reads the one or the other.
            let part = folder.join(format!("{TOKENS}.part"));
            fs::copy(self.from.join(TOKENS), &part)
                .and_then(|_| fs::File::open(&part)?.sync_all())
                .and_then(|()| fs::rename(&part, folder.join(TOKENS)))
                .with_context(|| format!("restore {TOKENS}"))?;
        }
        Ok(())
    }
}

/// What `--force` has to be said for.
fn in_the_way(manifest: &Manifest, place: &Place, data_dir: &Path) -> Result<Option<String>, Failure> {
    let there = [DATABASE, AUDIT, TOKENS].map(|part| data_dir.join(part));
    if let Some(there) = there.iter().find(|path| path.exists()) {
        return Ok(Some(there.display().to_string()));
    }
    if !manifest.database || !ward_store::holds_anything(place).map_err(anyhow::Error::new)? {
        return Ok(None);
    }
    Ok(Some(match place {
        Place::Sqlite(path) => path.display().to_string(),
        Place::Postgres(_) => "what Ward keeps in the PostgreSQL of [store]".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use ward_model::Wall;

    use super::*;

    /// PostgreSQL is elsewhere as well.
    #[test]
    fn a_database_that_is_not_in_the_data_directory_is_not_overwritten_unasked() {
        let home = tempfile::tempdir().unwrap();
        let (from, data) = (home.path().join("kept"), home.path().join("data"));
        let place = Place::Sqlite(home.path().join("elsewhere.db"));
        fs::create_dir(&from).unwrap();
        Manifest::new(Wall(0), true, None, None).write(&from).unwrap();
        let plan = |force| Plan::new(from.clone(), place.clone(), &data, force);
        assert!(plan(false).is_ok(), "nothing is there");
        fs::write(home.path().join("elsewhere.db"), "").unwrap();
        let Err(Failure::Usage(refused)) = plan(false) else {
            panic!("it would be overwritten");
        };
        assert!(
            refused.contains("elsewhere.db is there already: say --force"),
            "{refused}"
        );
        assert!(plan(true).is_ok());
    }
}
