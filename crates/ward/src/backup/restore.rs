//! `ward restore`: a backup in place of what is there, while nobody uses it.
//!
//! What is in the backup is verified before anything is touched. The audit log that was there and the one of the backup are
//! both kept, under names of their own, and a new log begins: it names both, so that who verifies it knows where it comes
//! from. To go on with the old log instead would be a log that was rolled back, which is what it is there to show.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::Args;
use tokio::time::timeout;
use ward_access::TokenStore;
use ward_audit::{Draft, Kind, Log, Options, Source, Start, boot_id};
use ward_chassis::{Clock, data_dir::DataDir};
use ward_model::Epoch;
use ward_store::Place;

use super::{
    AUDIT, DATABASE, DataArgs, TOKENS, blocking, log, log::LogHead, manifest::Manifest, place, progress::Bar,
};
use crate::{Exit, Failure, output::Out};

/// How long the first entry of the new log may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward restore /backups/ward-2026-11-30
  ward restore --force /backups/ward-2026-11-30      over what is there

The aggregator must be stopped. The audit log begins anew and names the log of the backup, which is kept beside it;
a log that was there is kept as well. Clients that watched say that the log is another one: that is so.")]
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
    if let Some(of_backup) = &plan.manifest.log {
        plan.begin_log(of_backup, &logs).await?;
    }
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
        let there = [DATABASE, AUDIT, TOKENS].map(|part| data_dir.join(part));
        if let Some(there) = there.iter().find(|path| path.exists())
            && !force
        {
            return Err(Failure::Usage(format!(
                "{} is there already: say --force to write over it (an audit log is kept), or name another directory with \
                 --data-dir",
                there.display()
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

    /// All but the new log; gives back where logs from before are kept.
    fn put_back(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.data_dir.path();
        if self.manifest.database {
            let bar = Bar::new("database");
            let restored = ward_store::restore(&self.from.join(DATABASE), &self.place, |is| {
                bar.at(is.done, is.all)
            });
            restored.map_err(anyhow::Error::new)?;
        }
        let mut kept = Vec::new();
        if let Some(log) = &self.manifest.log {
            let now = self.clock.wall().0;
            if folder.join(AUDIT).exists() {
                let aside = folder.join(format!("{AUDIT}-until-{now}"));
                fs::rename(folder.join(AUDIT), &aside).context("keep the audit log that is there")?;
                kept.push(aside);
            }
            let restored = folder.join(format!("{AUDIT}-restored-{now}"));
            log::copy_still(&self.from.join(AUDIT), &restored)?;
            let is = log::check(&restored, &Bar::new("audit log"))?;
            if is != *log {
                return Err(anyhow!("check {}: it is not what was copied", restored.display()).into());
            }
            kept.push(restored);
        }
        if self.manifest.tokens.is_some() {
            // Moved into place, as whoever writes it does: an aggregator that starts meanwhile reads the one or the other.
            let part = folder.join(format!("{TOKENS}.part"));
            fs::copy(self.from.join(TOKENS), &part)
                .and_then(|_| fs::File::open(&part)?.sync_all())
                .and_then(|()| fs::rename(&part, folder.join(TOKENS)))
                .with_context(|| format!("restore {TOKENS}"))?;
        }
        Ok(kept)
    }

    /// A log under a name of its own, that begins by naming the one it comes from.
    async fn begin_log(&self, before: &LogHead, kept: &[PathBuf]) -> Result<(), Failure> {
        let start = Start {
            clock: self.clock.clone(),
            boot_id: boot_id(),
            epoch: Epoch::default(),
        };
        let opened = Log::open(&self.data_dir.path().join(AUDIT), Options::default(), start);
        let (log, _) = opened
            .map_err(anyhow::Error::new)
            .context("begin the new audit log")?;
        let mut draft = Draft::new(Kind::Origin, Source::Operator, "audit", self.clock.now())
            .with("origin", &before.origin)
            .with("size", before.size.to_string())
            .with("root", &before.root);
        for (number, kept) in kept.iter().enumerate() {
            let name = kept.file_name().unwrap_or_default().to_string_lossy();
            draft = draft.with(&format!("kept_{number}"), name);
        }
        let written = timeout(PATIENCE, log.append(draft)).await;
        let written = written.map_err(|_| anyhow!("the disk did not answer within {PATIENCE:?}"))?;
        written
            .map_err(anyhow::Error::new)
            .context("write the first entry of the new audit log")?;
        let closing = tokio::task::spawn_blocking(move || log.close()).await;
        let closed = closing.map_err(anyhow::Error::new)?.map_err(anyhow::Error::new);
        Ok(closed.context("close the new audit log")?)
    }
}
