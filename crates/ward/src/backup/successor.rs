//! The audit log after a restore: a new one, beside the one of the backup and the one that was there.
//!
//! All of it is made under other names, while the log that was there stays in its place: what fails leaves that as it was.
//! It is put in place by two renames, and only between them is there no log. Its first entry names the log of the backup, and
//! the log that was set aside by its last checkpoint, which is the one that witnesses know.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use ward_audit::{Draft, Kind, Source};
use ward_chassis::Clock;

use super::{
    AUDIT, log,
    log::LogHead,
    remove,
    settled::{open, settle},
    sync,
};
use crate::{Failure, progress::Bar};

/// The new log, under another name.
#[derive(Debug)]
pub(super) struct Successor {
    folder: PathBuf,
    part: PathBuf,
    restored: PathBuf,
    /// Where the log that is there goes.
    aside: Option<PathBuf>,
}

impl Successor {
    /// Makes it in the data directory `folder`, with the log `from`, which is to be as `said`.
    pub(super) fn prepare(
        folder: &Path,
        from: &Path,
        said: &LogHead,
        clock: &Clock,
    ) -> Result<Self, Failure> {
        let now = clock.wall().0;
        let named = |suffix: &str| folder.join(format!("{AUDIT}-{suffix}-{now}"));
        let there = fs::symlink_metadata(folder.join(AUDIT)).is_ok();
        let successor = Self {
            folder: folder.to_owned(),
            part: folder.join(format!("{AUDIT}.part")),
            restored: named("restored"),
            aside: there.then(|| named("until")),
        };
        let made = successor
            .copy(from, said)
            .and_then(|()| Ok(successor.begin(said, clock)?));
        match made {
            Ok(()) => Ok(successor),
            Err(error) => {
                successor.discard();
                Err(error)
            }
        }
    }

    fn copy(&self, from: &Path, said: &LogHead) -> Result<(), Failure> {
        log::copy_still(from, &self.restored)?;
        let is = log::check(&self.restored, &Bar::new("audit log"))?;
        match is == *said {
            true => Ok(()),
            false => Err(anyhow!("check {}: it is not what was copied", self.restored.display()).into()),
        }
    }

    /// A log of its own, that begins by naming those it comes from.
    fn begin(&self, said: &LogHead, clock: &Clock) -> anyhow::Result<()> {
        // What a restore left that was killed.
        remove(&self.part).map_err(|_| anyhow!("remove {}", self.part.display()))?;
        let mut draft = Draft::new(Kind::Origin, Source::Operator, "audit", clock.now())
            .with("origin", &said.origin)
            .with("size", said.size.to_string())
            .with("root", &said.root);
        if self.aside.is_some() {
            draft = with_aside(draft, &self.folder.join(AUDIT), clock);
        }
        for (number, kept) in self.kept().enumerate() {
            let name = kept.file_name().unwrap_or_default().to_string_lossy();
            draft = draft.with(&format!("kept_{number}"), name);
        }
        let log = open(&self.part, clock).context("begin the new audit log")?;
        log.append_blocking(draft)
            .context("write the first entry of the new audit log")?;
        log.close().context("close the new audit log")
    }

    /// Puts it in place; gives back where logs from before are kept.
    pub(super) fn put_in_place(&self) -> anyhow::Result<Vec<PathBuf>> {
        let place = self.folder.join(AUDIT);
        if let Some(aside) = &self.aside {
            fs::rename(&place, aside).context("keep the audit log that is there")?;
        }
        if let Err(error) = fs::rename(&self.part, &place) {
            // The first error is the one to tell.
            drop(self.aside.as_ref().map(|aside| fs::rename(aside, &place)));
            return Err(error).context("put the new audit log in place");
        }
        sync(&self.folder).context("put the new audit log in place")?;
        Ok(self.kept().cloned().collect())
    }

    /// Leaves what is there as it was.
    pub(super) fn discard(&self) {
        // Another error is the one to tell.
        drop(fs::remove_dir_all(&self.part));
        drop(fs::remove_dir_all(&self.restored));
    }

    fn kept(&self) -> impl Iterator<Item = &PathBuf> {
        self.aside.iter().chain([&self.restored])
    }
}

/// With the head of the log that is set aside. A damaged one is no reason not to restore: often it is the reason to.
fn with_aside(draft: Draft, there: &Path, clock: &Clock) -> Draft {
    // What cannot be published is in no checkpoint, and the log is kept as it is.
    drop(settle(there, clock));
    match log::published(there) {
        Ok(head) => draft
            .with("aside_origin", &head.origin)
            .with("aside_size", head.size.to_string())
            .with("aside_root", &head.root),
        Err(error) => draft.with("aside_unreadable", format!("{error:#}")),
    }
}
