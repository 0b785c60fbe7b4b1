//! How the log of a process looks and where it goes, for commands that serve. What is logged is said by `WARD_LOG` alone.

use std::{env, path::PathBuf};

use clap::{Args, ValueEnum};
use ward_chassis::logs;

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// How log lines look
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Write log lines into files here as well, as JSON: one a day, 14 of at most 32 MiB, and errors apart [env: WARD_LOG_DIR]
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One object a line
    Json,
}

impl LogArgs {
    pub(crate) fn format(&self) -> logs::Format {
        match self.log_format {
            LogFormat::Text => logs::Format::Compact,
            LogFormat::Json => logs::Format::Json,
        }
    }

    /// It is no part of the configuration: what is wrong with that is in the log.
    pub(crate) fn dir(&self) -> Option<PathBuf> {
        let set = || env::var_os("WARD_LOG_DIR").filter(|dir| !dir.is_empty());
        self.log_dir.clone().or_else(|| set().map(PathBuf::from))
    }
}
