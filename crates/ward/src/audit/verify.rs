//! `ward audit verify`: whether the log is what it was.
//!
//! The answers are told apart, since they mean different things: a damaged log is a broken disk more often than a forger, a
//! log that is whole and not the one of a checkpoint that was kept is neither.

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use ward_audit::verify::{Anchoring, Finding, Report, Verdict, verify};
use ward_tlog::Verifier;

use super::place::dir_in;
use crate::{
    Exit, Failure,
    data::DataArgs,
    output::{Format, Out},
};

/// Something in it is damaged or missing.
const DAMAGED: Exit = Exit::As(1);
/// It is not the log of the checkpoint that was kept.
const ANOTHER: Exit = Exit::As(2);
/// Most findings that are shown to people.
const SHOWN: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward audit verify
  ward audit verify --checkpoint kept --key \"$(cat key.pub)\"
  ward audit verify /mnt/backup/audit -o json

Three questions are answered: integrity, is every event the one that was written; completeness,
is none missing; anchoring, is it the log that it was. The last needs a checkpoint that you kept
elsewhere, a copy of the file `checkpoint` of the log: whoever has the key of a log can cut it
and sign what is left.

Ends with 0 if nothing is wrong (without --checkpoint: unanchored), 1 if something is damaged or
missing, 2 if it is whole and not the log of --checkpoint (cut, rolled back, rewritten, or
another one), 64 for a mistake in the command, 70 if it could not be looked at.")]
pub(super) struct VerifyArgs {
    /// The directory of the log; else that in the data directory
    dir: Option<PathBuf>,
    /// A checkpoint of the log that you have kept
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The public key of the log, name+id+key; else that in `key.pub`, which proves less
    #[arg(long, value_name = "VKEY", value_parser = key)]
    key: Option<Verifier>,
    #[command(flatten)]
    data: DataArgs,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

fn key(text: &str) -> Result<Verifier, String> {
    text.parse::<Verifier>().map_err(|error| error.to_string())
}

/// A report as `-o json` shows it.
#[derive(Debug, Serialize)]
struct Shown {
    origin: Option<String>,
    size: Option<u64>,
    root: Option<String>,
    verified: u64,
    unsigned: u64,
    integrity: Vec<ShownFinding>,
    completeness: Vec<ShownFinding>,
    anchoring: &'static str,
    sound: bool,
}

#[derive(Debug, Serialize)]
struct ShownFinding {
    path: String,
    index: Option<u64>,
    what: String,
}

pub(super) fn run(args: &VerifyArgs, out: &mut Out) -> Result<Exit, Failure> {
    let dir = args.dir.clone().map_or_else(|| dir_in(&args.data), Ok)?;
    if !dir.is_dir() {
        return Err(anyhow::anyhow!("verify the audit log in {dir:?}: there is no such directory").into());
    }
    let read =
        |path: &PathBuf| fs::read_to_string(path).with_context(|| format!("read the checkpoint {path:?}"));
    let held = args.checkpoint.as_ref().map(read).transpose()?;
    let bar = ProgressBar::new(0).with_style(style());
    let report = verify(&dir, args.key.as_ref(), held.as_deref(), &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    match args.output {
        Format::Json => drop(out.json(&Shown::of(&report))?),
        Format::Text => drop(out.data(&text(&report))?),
    }
    Ok(match (report.is_whole(), report.is_sound()) {
        (false, _) => DAMAGED,
        (true, false) => ANOTHER,
        (true, true) => Exit::Good,
    })
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} events, {per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    lines.push(format!(
        "log           {}",
        report
            .origin
            .as_deref()
            .unwrap_or("unknown: no checkpoint to believe")
    ));
    if let Some(head) = report.head {
        let behind = match report.unsigned {
            0 => String::new(),
            count => format!(", and {count} behind them that are not signed yet"),
        };
        lines.push(format!("events        {} signed{behind}", head.size));
        lines.push(format!("root          {}", head.root));
    }
    lines.push(format!(
        "integrity     {}",
        verdict(&report.integrity, "sound: every event is as it was written")
    ));
    lines.push(format!(
        "completeness  {}",
        verdict(&report.completeness, "sound: none is missing")
    ));
    lines.push(format!("anchoring     {}", anchoring(&report.anchoring)));
    if report.torn > 0 {
        let bytes = report.torn;
        lines.push(format!(
            "torn          {bytes} bytes at the end that were being written when a process ended: no harm"
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn verdict(verdict: &Verdict, sound: &str) -> String {
    let findings = verdict.findings();
    if findings.is_empty() {
        return sound.to_owned();
    }
    let line = |finding: &Finding| {
        let at = finding
            .index
            .map(|index| format!(", event {index}"))
            .unwrap_or_default();
        format!("\n  {}{at}: {}", finding.path.display(), finding.what)
    };
    let more = match findings.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n  and {more} more: -o json shows them"),
    };
    format!(
        "BROKEN{}{more}",
        findings.iter().take(SHOWN).map(line).collect::<String>()
    )
}

fn anchoring(anchoring: &Anchoring) -> String {
    match anchoring {
        Anchoring::Unanchored => {
            "unanchored: no checkpoint was given to hold it to; if it was cut and signed anew, this does \
                                  not show"
                .to_owned()
        }
        Anchoring::Anchored { held } => {
            format!(
                "anchored: it begins with the {} events of the checkpoint that was kept",
                held.size
            )
        }
        Anchoring::Cut { held, size } => {
            format!(
                "CUT OR ROLLED BACK: it had {} events when the checkpoint was kept, and has {size}",
                held.size
            )
        }
        Anchoring::Rewritten { held, root } => format!(
            "REWRITTEN: its first {} events had the root {} when the checkpoint was kept, and have {root} now",
            held.size, held.root
        ),
        Anchoring::OtherLog { origin } => format!("ANOTHER LOG: the checkpoint is of {origin:?}"),
        Anchoring::Unsigned { why } => format!("NOT TO TELL: {why}"),
        Anchoring::Unknown => "unknown: too much of the log is damaged".to_owned(),
    }
}

impl Shown {
    fn of(report: &Report) -> Self {
        let findings = |verdict: &Verdict| {
            let shown = |finding: &Finding| ShownFinding {
                path: finding.path.display().to_string(),
                index: finding.index,
                what: finding.what.clone(),
            };
            verdict.findings().iter().map(shown).collect()
        };
        Self {
            origin: report.origin.clone(),
            size: report.head.map(|head| head.size),
            root: report.head.map(|head| head.root.to_string()),
            verified: report.verified,
            unsigned: report.unsigned,
            integrity: findings(&report.integrity),
            completeness: findings(&report.completeness),
            anchoring: match report.anchoring {
                Anchoring::Unanchored => "unanchored",
                Anchoring::Anchored { .. } => "anchored",
                Anchoring::Cut { .. } => "cut",
                Anchoring::Rewritten { .. } => "rewritten",
                Anchoring::OtherLog { .. } => "other_log",
                Anchoring::Unsigned { .. } => "unsigned",
                Anchoring::Unknown => "unknown",
            },
            sound: report.is_sound(),
        }
    }
}
