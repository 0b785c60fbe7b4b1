//! An engine in a process of its own, so that what it takes of memory can be seen.
//!
//! In the process of the harness the allocator would hand out what earlier items gave back, and an engine seem to need
//! less than it does.

use std::io::Write;

use clap::Args;

use crate::{fleet::Fleet, machine};

const SERVICES: usize = 1_000;

/// How many there are to be.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    #[arg(long)]
    instances: usize,
}

/// Says on standard output by how many bytes an instance the process grew.
pub(super) fn fill(options: &Options) -> anyhow::Result<()> {
    let before = machine::memory_of(std::process::id())?;
    let fleet = Fleet::of_services(SERVICES, options.instances)?;
    let after = machine::memory_of(std::process::id())?;
    drop(fleet);
    let grown = after.saturating_sub(before) as f64 / options.instances as f64;
    writeln!(std::io::stdout(), "{grown}")?;
    Ok(())
}
