//! Where the log is.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use ward_aggregator::AUDIT_DIR;
use ward_audit::Reader;

use crate::{Failure, data::DataArgs};

#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// The directory of the log, such as a copy of it; else that in the data directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
}

impl PlaceArgs {
    /// It is said where files are.
    pub(super) fn is_named(&self) -> bool {
        self.dir.is_some() || self.data.is_given()
    }

    /// The directory of the log.
    pub(super) fn dir(&self) -> Result<PathBuf, Failure> {
        self.dir.clone().map_or_else(|| dir_in(&self.data), Ok)
    }

    pub(super) fn reader(&self) -> Result<Reader, Failure> {
        let dir = self.dir()?;
        let reader = Reader::open(&dir);
        let what = || {
            format!(
                "read the audit log in {dir:?} (another one is named with --dir or --data-dir, a running aggregator's with \
                 --server; `ward audit verify` looks at a damaged one)"
            )
        };
        Ok(reader.with_context(what)?)
    }
}

/// The log in the data directory.
pub(super) fn dir_in(data: &DataArgs) -> Result<PathBuf, Failure> {
    Ok(data.settings()?.aggregator.data_dir.join(AUDIT_DIR))
}
