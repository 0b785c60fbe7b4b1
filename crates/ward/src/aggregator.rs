//! `ward aggregator`: what was typed over what the file says, then run until asked to stop.

use anyhow::Context;
use ward_aggregator::{App, Config};
use ward_chassis::{logs, shutdown};

use crate::{
    Exit, Failure,
    cli::{AggregatorArgs, LogFormat},
    output::{Escaped, Out},
};

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
