//! `ward aggregator`: what was typed over what the file says, then run until asked to stop.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use ward_aggregator::{App, Config};
use ward_chassis::{logs, shutdown};

use crate::{
    Exit, Failure,
    output::{Escaped, Out},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward aggregator
  ward aggregator --data-dir /var/lib/ward --log-format json
  ward aggregator --grpc 0.0.0.0:7700 --insecure   no authentication: anybody may report

It says `listening grpc=ADDR http=ADDR` on standard error once it listens.")]
pub(crate) struct AggregatorArgs {
    /// Read this file; what is also given here wins
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen here for gRPC [default: 127.0.0.1:7700]
    #[arg(long, value_name = "ADDR")]
    pub(crate) grpc: Option<SocketAddr>,
    /// Listen here for HTTP [default: 127.0.0.1:7780]
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// Keep data here
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Listen beyond loopback although nobody is authenticated
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Tell clients the details of internal errors
    #[arg(long)]
    pub(crate) debug: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One object a line
    Json,
}

pub(crate) async fn run(args: AggregatorArgs, out: &mut Out) -> Result<Exit, Failure> {
    let format = match args.log_format {
        LogFormat::Text => logs::Format::Compact,
        LogFormat::Json => logs::Format::Json,
    };
    logs::init(format, "info").map_err(anyhow::Error::new)?;
    let config = config(args)?;
    let shutdown = shutdown::signal().map_err(Failure::runtime)?;
    let mut app = App::start(config).await.context("start the aggregator")?;
    // For whoever started it, a person or a program, also where the log is filtered.
    out.note(&format!(
        "listening grpc={} http={}",
        app.grpc_addr(),
        app.http_addr()
    ));
    let failed = tokio::select! {
        () = shutdown.triggered() => false,
        () = app.failed() => true,
    };
    app.stop_unless(&shutdown).await.context("stop the aggregator")?;
    if failed {
        return Err(anyhow::anyhow!("the engine failed; its panic is in the log").into());
    }
    Ok(Exit::Good)
}

fn config(args: AggregatorArgs) -> Result<Config, Failure> {
    let mut config = match &args.config {
        Some(path) => {
            Config::from_file(path).map_err(|error| Failure::Usage(lines(&anyhow::Error::new(error))))?
        }
        None => Config::default(),
    };
    config.grpc = args.grpc.unwrap_or(config.grpc);
    config.http = args.http.unwrap_or(config.http);
    config.data_dir = args.data_dir.unwrap_or(config.data_dir);
    config.insecure |= args.insecure;
    config.debug |= args.debug;
    Ok(config)
}

/// An error that shows lines of a file keeps them apart; what is in them is escaped.
fn lines(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.lines()
        .map(|line| Escaped(line).to_string())
        .collect::<Vec<_>>()
        .join("\n")
}
