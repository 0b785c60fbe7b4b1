//! Where an aggregator keeps things: for commands that work on its files instead of asking it.

use std::path::PathBuf;

use clap::Args;
use ward_config::{Key, Settings, Source};

use crate::{Failure, config};

/// As the aggregator itself is told.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// The aggregator's data directory [env: WARD_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// The aggregator's configuration, which may name it [env: WARD_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DataArgs {
    /// It is said where, other than by the environment.
    pub(crate) fn is_given(&self) -> bool {
        self.data_dir.is_some() || self.config.is_some()
    }

    /// What an aggregator that is told so goes by.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let data_dir = self.data_dir.iter().map(|dir| (Key::DataDir, dir.clone()));
        let source = Source {
            file: self.config.clone(),
            env: config::variables(),
            flags: data_dir.collect(),
        };
        Ok(source.load()?.settings)
    }
}
