//! What `ward watch` keeps of audit logs between two runs, and how it says that one was rewritten.
//!
//! One file a server, of heads as checkpoints have them: origin, size and root, an empty line between two logs, the one shown
//! last at the end. People can read it, and it can be laid beside that of somebody else. A file that cannot be read is no
//! reason to begin anew: that would be how to make a witness forget.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use tempfile::NamedTempFile;
use ward_model::AuditHead;
use ward_sdk::watch::{Finding, HEADS};
use ward_tlog::{Checkpoint, Hash, Head};

use super::chain;
use crate::{
    Failure,
    client::Server,
    output::{Escaped, Out},
};

/// Far more than as many heads take as are held.
const FILE_BYTES: u64 = 16 * 1024;

/// Where to keep it.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Nowhere.
    None,
    /// There.
    File(PathBuf),
}

impl From<PathBuf> for Place {
    fn from(typed: PathBuf) -> Self {
        match typed.as_os_str() == OsStr::new("none") {
            true => Self::None,
            false => Self::File(typed),
        }
    }
}

/// The file, and whether it can be written.
#[derive(Debug)]
pub(super) struct Memory {
    file: Option<PathBuf>,
    /// That it cannot be written has been said.
    complained: bool,
}

impl Memory {
    /// With what was held when it was written.
    pub(super) fn open(place: Option<&Place>, server: &Server) -> Result<(Self, Vec<AuditHead>), Failure> {
        let file = match place {
            Some(Place::None) => None,
            Some(Place::File(file)) => Some(file.clone()),
            None => default_file(server),
        };
        let held = file.as_deref().map(read).transpose()?.unwrap_or_default();
        let complained = false;
        Ok((Self { file, complained }, held))
    }

    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Writes down what is held now. If it cannot, that is said once: watching goes on.
    pub(super) fn keep(&mut self, heads: &[AuditHead], out: &mut Out) {
        let Some(file) = &self.file else { return };
        if let Err(error) = write(file, heads)
            && !self.complained
        {
            self.complained = true;
            out.note(&format!(
                "-- what is seen of the audit log cannot be kept in {} ({error}): name another file with --witness",
                Escaped(&file.to_string_lossy())
            ));
        }
    }
}

/// What people are told of a finding; `None` if it is no news to them.
pub(crate) fn words(finding: &Finding) -> Option<String> {
    match finding {
        Finding::Held(_) => None,
        Finding::Another { before, now } => Some(format!(
            "the aggregator has another audit log than before, as after a restored backup: {}; before it was {}",
            shown(now),
            shown(before)
        )),
        Finding::Rewritten {
            held,
            shown: now,
            why,
        } => Some(format!(
            "the audit log was rewritten: {why}; seen before: {}; shown now: {}",
            shown(held),
            shown(now)
        )),
        Finding::Unverified { why, .. } => Some(format!(
            "whether the audit log still begins as it did cannot be verified now: {}; trying again",
            Escaped(&chain(why))
        )),
    }
}

/// The whole of it, for where it cannot be overlooked.
pub(super) fn accusation(finding: &Finding, file: Option<&Path>) -> String {
    let Finding::Rewritten {
        held,
        shown: now,
        why,
    } = finding
    else {
        return String::new();
    };
    let kept = file.map_or_else(String::new, |file| {
        format!(" in {}", Escaped(&file.to_string_lossy()))
    });
    format!(
        "THE AUDIT LOG WAS REWRITTEN, or others are shown another one than you\n  \
         seen before  {}\n  \
         shown now    {}\n  \
         what failed  {why}\n  \
         what to do   keep what was seen{kept}, and compare it with what others who watch have seen;\n               \
         trust nothing that this aggregator tells of its past",
        shown(held),
        shown(now),
    )
}

fn shown(head: &AuditHead) -> String {
    let AuditHead { origin, size, root } = head;
    let events = if *size == 1 { "event" } else { "events" };
    format!("{}, {size} {events}, root {}", Escaped(origin), Hash(*root))
}

/// `None` for a user without a home.
fn default_file(server: &Server) -> Option<PathBuf> {
    let state = etcetera::choose_base_strategy().ok()?.state_dir()?;
    let server = server.to_string();
    let place = server.strip_prefix("https://").unwrap_or(&server);
    let harmless = |c: char| {
        if c.is_ascii_alphanumeric() || "-.".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = place.chars().map(harmless).collect();
    Some(state.join("ward").join("witness").join(name))
}

fn read(file: &Path) -> Result<Vec<AuditHead>, Failure> {
    let mut text = String::new();
    match File::open(file) {
        Ok(opened) => opened.take(FILE_BYTES).read_to_string(&mut text).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(anyhow::Error::new)
    .and_then(|()| parse(&text))
    .with_context(|| {
        format!(
            "read what was seen of the audit log in {file:?}: move it away to begin anew, or name another with --witness"
        )
    })
    .map_err(Failure::Other)
}

fn parse(text: &str) -> anyhow::Result<Vec<AuditHead>> {
    let blocks = text.split("\n\n").filter(|block| !block.is_empty());
    let heads = blocks.take(HEADS + 1).map(|block| {
        let Checkpoint { origin, head } = Checkpoint::from_text(block)?;
        let root = head.root.0;
        let size = head.size;
        Ok(AuditHead { origin, size, root })
    });
    let heads: Vec<_> = heads.collect::<anyhow::Result<_>>()?;
    anyhow::ensure!(heads.len() <= HEADS, "there are more than {HEADS} logs in it");
    Ok(heads)
}

/// The old file or the new one, whole, whatever happens meanwhile.
fn write(file: &Path, heads: &[AuditHead]) -> io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if fs::metadata(folder).is_err() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let texts: Vec<_> = heads.iter().map(text).collect();
    let mut new = NamedTempFile::new_in(folder)?;
    new.write_all(texts.join("\n").as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

fn text(head: &AuditHead) -> String {
    let AuditHead { origin, size, root } = head.clone();
    let root = Hash(root);
    let head = Head { size, root };
    Checkpoint { origin, head }.text()
}

#[cfg(test)]
mod tests;
