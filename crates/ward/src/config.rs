//! `ward config`: a configuration checked, shown, described to editors, begun. Asks no aggregator.

use std::{env, fs, io::Write, path::PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use ward_config::{Entry, Source, VARIABLE_OF_FILE, sample, schema};

use crate::{
    Exit, Failure,
    output::{Escaped, Format, Out},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward config init ward.toml
  ward config check ward.toml && pkill -HUP -f 'ward aggregator'
  ward config show --config ward.toml      what is in force, and where each value came from
  ward config schema > ward.schema.json    for editors")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say all that is wrong in a file
    #[command(after_help = "Ends with 0 if nothing is wrong, 64 if something is.")]
    Check {
        /// Which [env: WARD_CONFIG]
        file: Option<PathBuf>,
    },
    /// Print the JSON Schema of the file
    Schema,
    /// Write a commented sample
    Init {
        /// Where to; standard output when left out, or `-`
        file: Option<PathBuf>,
        /// Write over what is there
        #[arg(long)]
        force: bool,
    },
    /// Show what would be in force, and where each value comes from
    #[command(after_help = "It reads what `ward aggregator` with the same file and environment would.")]
    Show {
        /// The file [env: WARD_CONFIG]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// For people or for programs
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: Format,
    },
}

/// What is in force, as JSON.
#[derive(Debug, Serialize)]
struct Shown {
    hash: String,
    settings: Vec<Entry>,
}

pub(crate) fn run(args: ConfigArgs, out: &mut Out) -> Result<Exit, Failure> {
    match args.action {
        Action::Check { file } => check(file, out)?,
        Action::Schema => drop(out.data(&schema())?),
        Action::Init { file, force } => init(file, force, out)?,
        Action::Show { config, output } => show(config, output, out)?,
    }
    Ok(Exit::Good)
}

/// The variables of this process that may be Ward's. What is no UTF-8 shows as such, and is refused where it is used.
pub(crate) fn variables() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let all = env::vars_os().map(|(name, value)| (text(name), text(value)));
    all.filter(|(name, _)| name.starts_with("WARD_")).collect()
}

fn check(file: Option<PathBuf>, out: &mut Out) -> Result<(), Failure> {
    let named = variables()
        .into_iter()
        .filter(|(name, _)| name == VARIABLE_OF_FILE);
    let source = Source {
        file,
        env: named.collect(),
        flags: Vec::new(),
    };
    let Some(file) = source.file() else {
        return Err(Failure::Usage(format!(
            "name a file to check, here or in {VARIABLE_OF_FILE}"
        )));
    };
    let services = source.load()?.settings.services.len();
    let file = file.to_string_lossy();
    let services = match services {
        0 => "says nothing about services".to_owned(),
        1 => "about 1 service".to_owned(),
        count => format!("about {count} services"),
    };
    out.data(&format!("{}: nothing is wrong, {services}\n", Escaped(&file)))?;
    Ok(())
}

fn show(file: Option<PathBuf>, format: Format, out: &mut Out) -> Result<(), Failure> {
    let source = Source {
        file,
        env: variables(),
        flags: Vec::new(),
    };
    let loaded = source.load()?;
    loaded
        .warnings
        .iter()
        .for_each(|warning| out.note(&format!("warning: {warning}")));
    match format {
        Format::Text => out.data(&format!(
            "# SHA-256 {}\n\n{}",
            loaded.hash,
            loaded.settings.show(&loaded.origins)
        ))?,
        Format::Json => out.json(&Shown {
            settings: loaded.settings.entries(&loaded.origins),
            hash: loaded.hash,
        })?,
    };
    Ok(())
}

fn init(file: Option<PathBuf>, force: bool, out: &mut Out) -> Result<(), Failure> {
    let Some(file) = file.filter(|file| file.as_os_str() != "-") else {
        out.data(sample())?;
        return Ok(());
    };
    let shown = Escaped(&file.to_string_lossy()).to_string();
    let mut options = fs::OpenOptions::new();
    options
        .write(true)
        .truncate(force)
        .create(force)
        .create_new(!force);
    let mut opened = match options.open(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let message = format!("{shown} is there already: --force writes over it");
            return Err(Failure::Usage(message));
        }
        opened => opened.with_context(|| format!("write {}", file.display()))?,
    };
    opened
        .write_all(sample().as_bytes())
        .with_context(|| format!("write {}", file.display()))?;
    out.note(&format!(
        "{shown} is written; say in it what is to be, and `ward config check` it"
    ));
    Ok(())
}
