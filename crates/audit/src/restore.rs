//! A log that goes on as another one.
//!
//! A log that was restored from a backup is an older one than somebody may have seen, and to go on with it would look like a
//! rewritten log, which it is. So it is put beside, as it is, and a new log with a new name and a new key begins with an event,
//! `origin`, that names the old one and its head. The same goes for a log that is damaged.
//!
//! The new log is made under another name first: whenever this ends early, calling it again goes on from there.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use ward_tlog::Checkpoint;

use crate::{
    AppendError, Draft, Kind, Log, OpenError, Options, Source, Start,
    files::{Disk, FileError, Files},
    layout::{CHECKPOINT, FORMAT},
    tiles::Published,
};

/// What a new log is called until the old one is out of its way.
const NEW: &str = "-new";
/// Most logs that are beside one: so many times somebody restored one that was named alike.
const BESIDE: u32 = 1000;

/// A log that goes on as another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The name of the new log.
    pub origin: String,
    /// What the old one had signed last; `None` if that cannot be read.
    pub old: Option<Checkpoint>,
    /// Where the old one is.
    pub kept: PathBuf,
}

/// Why it does not.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// There is none.
    #[error("begin a new audit log in the place of {0:?}: there is no log")]
    None(PathBuf),
    /// Somebody writes to it.
    #[error("begin a new audit log in the place of {0:?}: a process writes to it; stop that one first")]
    Held(PathBuf),
    /// The new one cannot be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Or not be written to.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Puts the log in `dir` beside, as `<dir>-<its name>`, and begins a new one there that names it. `actor` is who has it done,
/// `why` is for people.
///
/// # Errors
///
/// If there is no log, somebody writes to it, or the system refuses.
pub fn renew(dir: &Path, start: Start, actor: &str, why: &str) -> Result<Renewed, RenewError> {
    let mut new = dir.as_os_str().to_owned();
    new.push(NEW);
    let new = PathBuf::from(new);
    if !dir.join(FORMAT).exists() && !dir.join(CHECKPOINT).exists() {
        return Err(RenewError::None(dir.to_owned()));
    }
    let old = Disk::new(dir);
    let refused = |doing| {
        move |source| FileError {
            doing,
            path: dir.to_owned(),
            source,
        }
    };
    let lock = old.lock().map_err(refused("lock"))?;
    let lock = lock.ok_or_else(|| RenewError::Held(dir.to_owned()))?;
    let checkpoint = last_signed(&old);
    let kept = beside(dir, checkpoint.as_ref());
    let origin = begin(&new, start, checkpoint.as_ref(), &kept, actor, why)?;
    let swap = || -> io::Result<()> {
        fs::rename(dir, &kept)?;
        fs::rename(&new, dir)?;
        dir.parent()
            .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    swap().map_err(refused("begin a new log in the place of"))?;
    drop(lock);
    Ok(Renewed {
        origin,
        old: checkpoint,
        kept,
    })
}

/// What the old log has signed, if it has: believed as far as its own key goes, else as it says.
fn last_signed(old: &Disk) -> Option<Checkpoint> {
    let text = Published(old).checkpoint_text().ok()?;
    Checkpoint::parse_unverified(&text).ok()
}

/// A place that nothing is in.
fn beside(dir: &Path, old: Option<&Checkpoint>) -> PathBuf {
    let name = old.map_or("unknown", |old| old.origin.as_str());
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let named = |n: u32| {
        let mut path = dir.as_os_str().to_owned();
        path.push(format!("-{name}"));
        if n > 1 {
            path.push(format!("-{n}"));
        }
        PathBuf::from(path)
    };
    (1..BESIDE)
        .map(named)
        .find(|path| !path.exists())
        .unwrap_or_else(|| named(BESIDE))
}

/// The new log, with its first event.
fn begin(
    new: &Path,
    start: Start,
    old: Option<&Checkpoint>,
    kept: &Path,
    actor: &str,
    why: &str,
) -> Result<String, RenewError> {
    if new.exists() {
        // One that was not finished: nobody has seen it.
        fs::remove_dir_all(new).map_err(|source| FileError {
            doing: "remove",
            path: new.to_owned(),
            source,
        })?;
    }
    let now = start.clock.now();
    let (log, _) = Log::open(new, Options::default(), start)?;
    let mut draft = Draft::new(Kind::Origin, Source::Audit, "aggregator", now)
        .by(actor)
        .with("message", why)
        .with("kept", kept.file_name().unwrap_or_default().to_string_lossy());
    if let Some(old) = old {
        draft = draft
            .with("old_origin", old.origin.as_str())
            .with("old_size", old.head.size.to_string())
            .with("old_root", old.head.root.to_string());
    }
    let written = log.append_blocking(draft);
    let origin = log.origin().to_owned();
    log.close()?;
    written?;
    Ok(origin)
}
