//! `ward demo`: the shop runs in `ward-demo`; here is only what was typed.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use secrecy::SecretString;
use tokio::task::spawn_blocking;
use ward_aggregator::Config;
use ward_chassis::shutdown;
use ward_config::Source;
use ward_demo::{
    Authority, ControlError, CustomersOptions, How, Logging, Options, Place, Refusal, ServeOptions,
    ServiceError, ServiceOptions,
};
use ward_sdk::Address;

use crate::{
    Exit, Failure,
    client::DEFAULT_SERVER,
    log::LogArgs,
    output::{Escaped, Out},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward demo                              until Ctrl-C
  ward demo --grpc 127.0.0.1:0 --http 127.0.0.1:0
  ward demo --config ward.toml           with its rules and receivers of alerts
  ward demo break payments --how crash   in a second terminal
  ward demo mend payments
  ward demo serve catalog --listen 0.0.0.0:8080
                                         one service of the shop by itself, in a container
  ward demo customers --listen 0.0.0.0:8080 --storefront storefront:8080")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DemoArgs {
    /// Where the aggregator listens for gRPC; port 0 for any
    #[arg(long, value_name = "ADDR", value_parser = loopback, default_value = "127.0.0.1:7700")]
    pub(crate) grpc: SocketAddr,
    /// Where the aggregator listens for HTTP; port 0 for any
    #[arg(long, value_name = "ADDR", value_parser = loopback, default_value = "127.0.0.1:7780")]
    pub(crate) http: SocketAddr,
    /// A ward.toml of which `services` and `alerting` are taken; where data is kept, TLS and rights are the demo's own
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) action: Option<DemoAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoAction {
    /// Make a service of a running demo ill
    Break {
        /// Which
        name: String,
        /// In which way
        #[arg(long, value_parser = how())]
        how: How,
        #[command(flatten)]
        which: WhichDemo,
    },
    /// Make it well again
    Mend {
        /// Which
        name: String,
        #[command(flatten)]
        which: WhichDemo,
    },
    /// Run one service of the shop by itself, as in a container
    #[command(after_help = "Environment:
  WARD_SERVER, WARD_TLS_CA, WARD_TOKEN_FILE   where and how it reports
  DATABASE_URL   catalog keeps the catalogue in this PostgreSQL, known to Ward as postgres
  REDIS_URL      cart keeps the carts in this Redis, known to Ward as redis
  DATABASE_URL_FILE, REDIS_URL_FILE   the files that have them

On SIGTERM it says goodbye to Ward and ends what it has begun, within ten seconds.")]
    Serve {
        /// Which: catalog-db, cart-cache, bank, recommendations, catalog, cart, payments or storefront
        name: String,
        /// Where it listens: its trade, /livez, /readyz and /metrics
        #[arg(long, value_name = "ADDR")]
        listen: SocketAddr,
        /// Where one that it needs listens; NAME:8080 unless said. The host is looked up for each connection
        #[arg(long = "upstream", value_name = "NAME=HOST:PORT")]
        upstreams: Vec<Place>,
        /// Which instance of the service it is, where there is more than one
        #[arg(long, value_name = "NAME", default_value = "1")]
        instance: String,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Buy things in a shop, twenty a second
    Customers {
        /// Where /livez, /readyz and /metrics are
        #[arg(long, value_name = "ADDR")]
        listen: SocketAddr,
        /// Where the storefront listens. The host is looked up for each connection
        #[arg(long, value_name = "HOST:PORT", default_value = "storefront:8080")]
        storefront: Authority,
        #[command(flatten)]
        log: LogArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WhichDemo {
    /// The address of the demo's aggregator; the demo started last when left out
    #[arg(long, value_name = "ADDR", env = "WARD_SERVER")]
    pub(crate) server: Option<Address>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoServiceArgs {
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) server: String,
    #[arg(long)]
    pub(crate) registry: PathBuf,
}

pub(crate) async fn run(args: DemoArgs, out: &mut Out) -> Result<Exit, Failure> {
    let (name, done) = match args.action {
        None => {
            let shutdown = shutdown::signal().map_err(Failure::runtime)?;
            let options = Options {
                grpc: args.grpc,
                http: args.http,
                config: args.config.map(read).transpose()?,
            };
            ward_demo::run(options, shutdown).await.context("run the demo")?;
            return Ok(Exit::Good);
        }
        Some(DemoAction::Serve {
            name,
            listen,
            upstreams,
            instance,
            log,
        }) => {
            let options = ServeOptions {
                name,
                listen,
                upstreams,
                instance,
                database: secret("DATABASE_URL")?,
                redis: secret("REDIS_URL")?,
                logging: logging(&log),
            };
            let shutdown = shutdown::signal().map_err(Failure::runtime)?;
            return served(ward_demo::serve(options, shutdown).await);
        }
        Some(DemoAction::Customers {
            listen,
            storefront,
            log,
        }) => {
            let options = CustomersOptions {
                listen,
                storefront,
                logging: logging(&log),
            };
            let shutdown = shutdown::signal().map_err(Failure::runtime)?;
            return served(ward_demo::customers(options, shutdown).await);
        }
        Some(DemoAction::Break { name, how, which }) => {
            let server = which.server.map(|server| server.authority().to_owned());
            let breaking = name.clone();
            let asked = spawn_blocking(move || ward_demo::break_service(&breaking, how, server.as_deref()));
            (name, asked.await)
        }
        Some(DemoAction::Mend { name, which }) => {
            let server = which.server.map(|server| server.authority().to_owned());
            let mending = name.clone();
            let asked = spawn_blocking(move || ward_demo::mend_service(&mending, server.as_deref()));
            (name, asked.await)
        }
    };
    let grpc = done.context("ask the demo")?.map_err(failure)?;
    // Where the client commands look by themselves goes without saying.
    let server = match grpc.to_string() == DEFAULT_SERVER {
        true => String::new(),
        false => format!(" --server {grpc}"),
    };
    out.note(&format!(
        "done: watch what follows with `ward watch{server}`, and why with `ward explain {name}{server}`"
    ));
    Ok(Exit::Good)
}

fn logging(log: &LogArgs) -> Logging {
    Logging {
        format: log.format(),
        dir: log.dir(),
    }
}

fn served(done: Result<(), ServiceError>) -> Result<Exit, Failure> {
    match done {
        Ok(()) => Ok(Exit::Good),
        Err(
            error @ (ServiceError::Unknown(_) | ServiceError::NotNeeded { .. } | ServiceError::Url { .. }),
        ) => Err(Failure::Usage(Escaped(&error.to_string()).to_string())),
        Err(error) => Err(anyhow::Error::new(error).context("serve in the shop").into()),
    }
}

/// A secret, perhaps: not an argument, which everybody on a machine may read. In the variable, or in the file that one with
/// `_FILE` behind its name names. Set to nothing it says nothing.
fn secret(name: &str) -> Result<Option<SecretString>, Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(file) = set(&format!("{name}_FILE")) else {
        return Ok(set(name).map(Into::into));
    };
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("read the file of {name}_FILE, {file}"))?;
    Ok(Some(text.trim_end().to_owned().into()))
}

/// What the file says, and nothing else: the environment is for a real aggregator.
fn read(file: PathBuf) -> Result<Config, Failure> {
    let source = Source {
        file: Some(file),
        env: Default::default(),
        flags: Default::default(),
    };
    Ok(Config::load(source)?)
}

/// One process of the shop.
pub(crate) async fn service(args: DemoServiceArgs) -> Result<Exit, Failure> {
    let DemoServiceArgs {
        name,
        server,
        registry,
    } = args;
    ward_demo::service(ServiceOptions {
        name,
        server,
        registry,
    })
    .await
    .context("serve in the demo's shop")?;
    Ok(Exit::Good)
}

fn failure(error: ControlError) -> Failure {
    match error {
        ControlError::NoDemo | ControlError::NotThere(..) | ControlError::Unreachable(..) => {
            Failure::NoDemo(format!("{:#}", anyhow::Error::new(error)))
        }
        ControlError::Refused(Refusal::Unknown(_) | Refusal::Broken(..) | Refusal::Whole(_)) => {
            Failure::Usage(Escaped(&error.to_string()).to_string())
        }
        error @ ControlError::Refused(_) => Failure::Other(anyhow::anyhow!("{error}")),
    }
}

/// The demo has no `--insecure`: it is for looking, on one machine.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let addr: SocketAddr = text.parse().map_err(|error| format!("{error}"))?;
    if addr.ip().to_canonical().is_loopback() {
        return Ok(addr);
    }
    Err("the demo listens on this machine alone, at 127.0.0.1 or [::1]".into())
}

fn how() -> impl TypedValueParser<Value = How> {
    PossibleValuesParser::new(How::ALL.map(How::as_str))
        .map(|text| text.parse().expect("one of the possible values"))
}
