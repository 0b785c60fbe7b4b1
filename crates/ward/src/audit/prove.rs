//! `ward audit prove`: a proof that an event is in the log, in a file that can go with a report of what happened.

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::Args;

use super::place::PlaceArgs;
use crate::{Exit, Failure, output::Out};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward audit prove 1234 -o 1234.tlog-proof

The proof is a `.tlog-proof` as C2SP has it, and rests on the newest checkpoint of the log.
Whoever has it, the event as `ward audit export` writes it and the key in `key.pub` can check it
without the log.")]
pub(super) struct ProveArgs {
    /// Which event, as `ward audit list` numbers them
    index: u64,
    /// Write it to this file, and not to standard output
    #[arg(short = 'o', long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) fn run(args: &ProveArgs, out: &mut Out) -> Result<Exit, Failure> {
    let reader = args.place.reader()?;
    let proof = reader.proof(args.index);
    let text = proof
        .with_context(|| format!("prove event {}", args.index))?
        .encode();
    match &args.out {
        Some(path) => fs::write(path, text).with_context(|| format!("write the proof to {path:?}"))?,
        None => drop(out.data(&text)?),
    }
    Ok(Exit::Good)
}
