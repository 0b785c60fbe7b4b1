//! What a backup says about itself: that it is one, of when, and which log is in it.

use std::{fmt, fs, path::Path};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use ward_model::Wall;

use super::log::LogHead;
use crate::{Failure, output::Times};

const FILE: &str = "backup.json";
/// What this Ward writes, and the newest that it reads.
const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u32,
    /// Of which Ward.
    ward: String,
    /// When it was made.
    at: Wall,
    /// Whether there is a database in it.
    pub(super) database: bool,
    /// The audit log in it.
    pub(super) log: Option<LogHead>,
    /// How many tokens, if there is a list.
    pub(super) tokens: Option<usize>,
}

impl Manifest {
    pub(super) fn new(at: Wall, database: bool, log: Option<LogHead>, tokens: Option<usize>) -> Self {
        let ward = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            version: VERSION,
            ward,
            at,
            database,
            log,
            tokens,
        }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let written = serde_json::to_vec_pretty(self).map_err(anyhow::Error::new);
        let written = written.and_then(|text| Ok(fs::write(folder.join(FILE), text)?));
        Ok(written.with_context(|| format!("write {FILE} in {}", folder.display()))?)
    }

    /// Fails for what is no backup, or one of a newer Ward.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(FILE);
        let text =
            fs::read(&file).with_context(|| format!("read {}: is this a backup of Ward?", file.display()))?;
        let manifest: Self = serde_json::from_slice(&text)
            .with_context(|| format!("read {}: it is damaged", file.display()))?;
        if manifest.version > VERSION {
            bail!(
                "read {}: a newer Ward ({}) made it; use that one",
                file.display(),
                manifest.ward
            );
        }
        Ok(manifest)
    }
}

/// What is in it, for people.
impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state of {}", Times::here(self.at).moment(self.at))?;
        if self.database {
            f.write_str(", the database")?;
        }
        if let Some(log) = &self.log {
            write!(f, ", the audit log {} with {} events", log.origin, log.size)?;
        }
        if let Some(tokens) = self.tokens {
            write!(f, ", {tokens} tokens")?;
        }
        f.write_str("; all of it checked")
    }
}
