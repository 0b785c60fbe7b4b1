//! The audit log in a backup: its published part, as everybody may read it, copied beside its writer.
//!
//! Files of the log never change; partial ones are replaced by wider ones as it grows. So tiles are copied first and the
//! checkpoint last, and what that has and the copy has not is copied again, until the copy is whole: verified as a stranger
//! would, against its own checkpoint.

use std::{fs, io, path::Path};

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use ward_audit::{
    Reader,
    verify::{Report, verify},
};

use crate::{Failure, progress::Bar};

/// How often what has grown meanwhile is copied again: each takes less time than the one before.
const TRIES: usize = 8;
/// What everybody may have. Not `key`, which signs, nor what only its writer uses.
const PUBLIC: [&str; 3] = ["tile", "key.pub", "format"];
pub(super) const CHECKPOINT: &str = "checkpoint";

/// Which log, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogHead {
    pub(super) origin: String,
    pub(super) size: u64,
    /// In hexadecimal.
    pub(super) root: String,
}

/// Copies the log in `from` to the new directory `to`, and verifies it there.
pub(super) fn copy(from: &Path, to: &Path, bar: &Bar) -> Result<LogHead, Failure> {
    let copied = |what: &str| {
        let path = from.join(what);
        let done = copy_tree(&path, &to.join(what));
        done.with_context(|| format!("copy {}", path.display()))
    };
    fs::create_dir(to).with_context(|| format!("make {}", to.display()))?;
    let mut report = Report::default();
    for _ in 0..TRIES {
        for what in PUBLIC {
            copied(what)?;
        }
        fs::remove_file(to.join(CHECKPOINT))
            .or_else(absent)
            .context("copy the checkpoint again")?;
        copied(CHECKPOINT)?;
        // What the checkpoint has grown by.
        copied("tile")?;
        report = verify(to, None, None, &mut |done, all| bar.at(done, all));
        if report.is_whole() {
            sync_tree(to).with_context(|| format!("write {}", to.display()))?;
            return head(&report);
        }
    }
    Err(damaged(from, &report))
}

/// Verifies a log that somebody may have touched.
pub(super) fn check(log: &Path, bar: &Bar) -> Result<LogHead, Failure> {
    let report = verify(log, None, None, &mut |done, all| bar.at(done, all));
    match report.is_whole() {
        true => head(&report),
        false => Err(damaged(log, &report)),
    }
}

/// The head of the checkpoint that the log is published under, of a log that may be damaged otherwise.
pub(super) fn published(log: &Path) -> anyhow::Result<LogHead> {
    let (checkpoint, _) = Reader::open(log)?.checkpoint()?;
    Ok(LogHead {
        origin: checkpoint.origin,
        size: checkpoint.head.size,
        root: checkpoint.head.root.to_string(),
    })
}

fn head(report: &Report) -> Result<LogHead, Failure> {
    let (Some(origin), Some(head)) = (&report.origin, report.head) else {
        return Err(anyhow!("a log without a checkpoint was found whole").into());
    };
    Ok(LogHead {
        origin: origin.clone(),
        size: head.size,
        root: head.root.to_string(),
    })
}

fn damaged(log: &Path, report: &Report) -> Failure {
    let findings = report
        .integrity
        .findings()
        .iter()
        .chain(report.completeness.findings());
    let first = findings
        .map(|finding| format!("{} {}", finding.path.display(), finding.what))
        .next();
    let first = first.unwrap_or_else(|| "it has no checkpoint".to_owned());
    anyhow!(
        "copy the audit log {}: it is damaged ({first}); see all with `ward audit verify`",
        log.display()
    )
    .into()
}

/// Copies what is not there yet; what goes away meanwhile was replaced by something else, which comes.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(from) {
        Ok(file) => file.file_type(),
        Err(error) => return absent(error),
    };
    if kind.is_dir() {
        match fs::create_dir(to) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let entries = match fs::read_dir(from) {
            Ok(entries) => entries,
            Err(error) => return absent(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            copy_tree(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    if !kind.is_file() || fs::symlink_metadata(to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map(drop).or_else(absent)
}

fn absent(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

fn sync_tree(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_tree(&entry?.path())?;
        }
    }
    fs::File::open(path)?.sync_all()
}

/// The same, for a log that nobody writes.
pub(super) fn copy_still(from: &Path, to: &Path) -> Result<(), Failure> {
    let copied = copy_tree(from, to).and_then(|()| sync_tree(to));
    Ok(copied.with_context(|| format!("copy {} to {}", from.display(), to.display()))?)
}
