//! `ward aggregator`: what was typed over what the file says, then run until asked to stop.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tokio::task::JoinSet;
use ward_aggregator::{App, Config, SERVICE};
use ward_chassis::{
    logs,
    shutdown::{self, Hangups, Shutdown},
    telemetry,
};
use ward_config::{Key, Source};

use crate::{Exit, Failure, config, log::LogArgs, output::Out};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward aggregator
  ward aggregator --config ward.toml
  ward aggregator --data-dir /var/lib/ward --log-format json
  ward aggregator --log-dir /var/log/ward   lines in files as well, errors apart
  ward aggregator --grpc 0.0.0.0:7700 --server-cert server.pem --server-key server.key --client-ca ca.pem
  ward aggregator --grpc 0.0.0.0:7700 --insecure   no authentication: anybody may report

What is given here wins over the environment, and that over the file. SIGHUP reads both again.
WARD_LOG filters what is logged. Traces are sent over OTLP/gRPC if OTEL_EXPORTER_OTLP_ENDPOINT says where to.
It says `listening grpc=ADDR http=ADDR` on standard error once it listens.")]
pub(crate) struct AggregatorArgs {
    /// Read this file; SIGHUP reads it again [env: WARD_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen here for gRPC [env: WARD_GRPC] [default: 127.0.0.1:7700]
    #[arg(long, value_name = "ADDR")]
    grpc: Option<String>,
    /// Listen here for HTTP [env: WARD_HTTP] [default: 127.0.0.1:7780]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Keep data here [env: WARD_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Listen beyond loopback although nobody is authenticated [env: WARD_INSECURE]
    #[arg(long)]
    insecure: bool,
    /// Speak TLS with this certificate, in PEM with its chain; callers then have to prove who they are [env: WARD_SERVER_CERT]
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    server_cert: Option<String>,
    /// The key of that certificate, in PEM [env: WARD_SERVER_KEY]
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    server_key: Option<String>,
    /// Believe clients whose certificates these authorities signed, in PEM [env: WARD_CLIENT_CA]
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    client_ca: Option<String>,
    /// But for those that are revoked here, in PEM [env: WARD_CLIENT_CRL]
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    client_crl: Option<String>,
    /// Tell clients the details of internal errors [env: WARD_DEBUG]
    #[arg(long)]
    debug: bool,
    /// Tell clients of grpc.health.v1 that what is degraded is serving [env: WARD_DEGRADED_IS_SERVING] [default: true]
    #[arg(long, value_name = "BOOL")]
    degraded_is_serving: Option<String>,
    /// Let web pages of these origins read the HTTP API, separated by commas [env: WARD_CORS_ORIGINS]
    #[arg(long, value_name = "ORIGINS")]
    cors_origins: Option<String>,
    /// Be asked for by these names over HTTP, beside IP addresses and names without a dot; separated by commas [env: WARD_HOSTS]
    #[arg(long, value_name = "HOSTS")]
    hosts: Option<String>,
    /// Tell this Alertmanager of alerts, instead of those of the file; may be given several times [env: WARD_ALERTMANAGERS]
    #[arg(long, value_name = "URL")]
    alertmanager: Vec<String>,
    #[command(flatten)]
    log: LogArgs,
}

pub(crate) async fn run(args: AggregatorArgs, out: &mut Out) -> Result<Exit, Failure> {
    let dir = args.log.dir();
    let lines = logs::Lines {
        format: args.log.format(),
        filter: logs::DEFAULT,
        dir: dir.as_deref(),
    };
    // To the end: what is told last is sent and written when it is dropped.
    let telemetry = telemetry::begin(SERVICE, lines).map_err(anyhow::Error::new)?;
    let config = Config {
        lost: telemetry.lost().clone(),
        ..Config::load(source(args))?
    };
    let shutdown = shutdown::signal().map_err(Failure::runtime)?;
    let mut hangups = shutdown::hangups().map_err(Failure::runtime)?;
    let mut app = App::start(config).await.context("start the aggregator")?;
    // For whoever started it, a person or a program, also where the log is filtered.
    out.note(&format!(
        "listening grpc={} http={}",
        app.grpc_addr(),
        app.http_addr()
    ));
    let failed = attend(&mut app, &shutdown, &mut hangups, App::reload).await;
    app.stop_unless(&shutdown).await.context("stop the aggregator")?;
    if failed {
        return Err(anyhow::anyhow!("the engine failed; its panic is in the log").into());
    }
    Ok(Exit::Good)
}

/// Until it is asked to stop, or has failed: `true`. A reload that hangs holds up neither.
async fn attend<Reload>(
    app: &mut App,
    shutdown: &Shutdown,
    hangups: &mut Hangups,
    reload: impl Fn(&App) -> Reload,
) -> bool
where
    Reload: Future<Output: Send + 'static> + Send + 'static,
{
    // One at a time: whoever asks meanwhile is heard when that is done.
    let mut reloads = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.triggered() => return false,
            () = app.failed() => return true,
            () = hangups.next(), if reloads.is_empty() => {
                reloads.spawn(reload(app));
            }
            // What came of it is logged, and what was in force stays where nothing came of it.
            Some(_) = reloads.join_next() => {}
        }
    }
}

/// What was typed over the environment over the file.
fn source(args: AggregatorArgs) -> Source {
    let set = |flag: bool| flag.then(|| "true".to_owned());
    let alertmanagers = Some(args.alertmanager.join(",")).filter(|urls| !urls.is_empty());
    let typed = [
        (Key::Grpc, args.grpc),
        (Key::Http, args.http),
        (Key::DataDir, args.data_dir),
        (Key::Insecure, set(args.insecure)),
        (Key::ServerCert, args.server_cert),
        (Key::ServerKey, args.server_key),
        (Key::ClientCa, args.client_ca),
        (Key::ClientCrl, args.client_crl),
        (Key::Debug, set(args.debug)),
        (Key::DegradedIsServing, args.degraded_is_serving),
        (Key::CorsOrigins, args.cors_origins),
        (Key::Hosts, args.hosts),
        (Key::Alertmanagers, alertmanagers),
    ];
    let flags = typed.into_iter().filter_map(|(key, text)| Some((key, text?)));
    Source {
        file: args.config,
        env: config::variables(),
        flags: flags.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    use tokio::{sync::Notify, time::timeout};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reload_that_hangs_holds_up_no_stop() {
        const SOON: Duration = Duration::from_secs(20);
        let home = tempfile::tempdir().unwrap();
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config {
            grpc: any,
            http: any,
            ..Config::new(home.path())
        };
        let mut app = App::start(config).await.unwrap();
        let mut hangups = shutdown::hangups().unwrap();
        let (shutdown, begun) = (Shutdown::manual(), Notify::new());
        let hangs = |_: &App| {
            begun.notify_one();
            pending::<()>()
        };
        let stop = async {
            begun.notified().await;
            shutdown.trigger();
        };
        kill(Pid::this(), Signal::SIGHUP).unwrap();
        let both = async { tokio::join!(attend(&mut app, &shutdown, &mut hangups, hangs), stop) };
        let (failed, ()) = timeout(SOON, both).await.unwrap();
        assert!(!failed);
        app.stop().await;
    }
}
