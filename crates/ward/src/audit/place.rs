//! Where the log is.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use ward_audit::Reader;
use ward_config::{Key, Source};

use crate::{Failure, config};

/// In the data directory.
const AUDIT: &str = "audit";

#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// The directory of the log, such as a copy of it; else that in the data directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
}

/// Where the data directory is.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// The aggregator's data directory [env: WARD_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// The aggregator's configuration, which may name it [env: WARD_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl PlaceArgs {
    /// It is said where files are.
    pub(super) fn is_named(&self) -> bool {
        self.dir.is_some() || self.data.data_dir.is_some() || self.data.config.is_some()
    }

    /// The directory of the log.
    pub(super) fn dir(&self) -> Result<PathBuf, Failure> {
        self.dir.clone().map_or_else(|| self.data.dir(), Ok)
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

impl DataArgs {
    /// The log in the data directory.
    pub(super) fn dir(&self) -> Result<PathBuf, Failure> {
        let source = Source {
            file: self.config.clone(),
            env: config::variables(),
            flags: self
                .data_dir
                .iter()
                .map(|dir| (Key::DataDir, dir.clone()))
                .collect(),
        };
        let data_dir = source.load()?.settings.aggregator.data_dir;
        Ok(data_dir.join(AUDIT))
    }
}
