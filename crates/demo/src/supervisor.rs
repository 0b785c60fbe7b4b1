//! `ward demo`: the aggregator, the shop, its customers and the door for those who break things, from start to end.
//!
//! It shows what Ward says of the shop, as any client would hear it: through a watch on the aggregator. It could ask the
//! aggregator beside it in the same process; then the demo would work where nobody else's watch does.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{
    net::{TcpListener, UnixListener},
    sync::mpsc,
    task::JoinSet,
    time::sleep,
};
use ward_aggregator::App;
use ward_chassis::{Clock, Shutdown, logs::LogsError, shutdown::Aborted};
use ward_model::Entity;
use ward_sdk::{
    Credentials,
    watch::{self, Level, Watcher},
};

use crate::{
    control::{self, Asked},
    customers::{Sales, come},
    metrics::Metrics,
    plan::SHOP,
    process::client,
    registry::Registry,
    run_dir::{self, RunDir},
    service::{Logging, begin_telling},
    shop::{OpenError, Shop},
    targets::Targets,
    view::{View, say},
};

/// Most connections to each edge of the aggregator: a hundred times what the demo itself needs.
const CONNECTIONS: usize = 1_024;
/// If the shop is not healthy by then, one says why. It is after some seconds, on a busy machine after ten.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the demo's aggregator is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens for gRPC: `127.0.0.1:7700` unless chosen otherwise; port 0 lets the system choose.
    pub grpc: SocketAddr,
    /// Where it listens for HTTP: `127.0.0.1:7780` unless chosen otherwise.
    pub http: SocketAddr,
    /// A configuration of which it takes what is said about services and alerts, and nothing else.
    pub config: Option<ward_aggregator::Config>,
}

/// Why the demo could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its directory.
    #[error("make a directory for the demo in {0}")]
    Directory(PathBuf, #[source] io::Error),
    /// Its aggregator.
    #[error("start the aggregator")]
    Aggregator(#[source] ward_aggregator::StartError),
    /// Its aggregator ended by itself.
    #[error("the aggregator failed: its panic is in the log above")]
    Failed,
    /// The end of the aggregator was cut short, by a second signal.
    #[error(transparent)]
    Aborted(#[from] Aborted),
    /// The socket for breaking and mending.
    #[error("listen on {0}")]
    Control(PathBuf, #[source] io::Error),
    /// Its log.
    #[error("begin logging")]
    Logs(#[from] LogsError),
    /// Where the customers' metrics are, and the file that says so.
    #[error("show the shop's metrics to a prometheus")]
    Metrics(#[source] io::Error),
    /// The customers' client.
    #[error("make an http client")]
    Client(#[source] reqwest::Error),
    /// A member of the shop.
    #[error("open the shop")]
    Open(#[from] OpenError),
    /// The watch.
    #[error("watch the aggregator")]
    Watch(#[source] watch::Error),
}

/// Runs the demo until `shutdown`, and leaves nothing behind: no process, no socket, no file.
///
/// Should this process be killed instead, its members end with it; its directory is removed by the next demo.
pub async fn run(options: Options, shutdown: Shutdown) -> Result<(), Error> {
    let telemetry = begin_telling(ward_aggregator::SERVICE, "warn", &Logging::default())?;
    let clock = Clock::start();
    let home = run_dir::home(std::env::var_os("XDG_RUNTIME_DIR").as_deref());
    let dir = RunDir::create(&home).map_err(|error| Error::Directory(home, error))?;
    let mut config = config(&options, &dir);
    if let Some(telemetry) = &telemetry {
        config.lost = telemetry.lost().clone();
    }
    let mut app = App::start(config).await.map_err(Error::Aggregator)?;
    let addresses = Addresses {
        grpc: app.grpc_addr(),
        http: app.http_addr(),
    };
    let done = tokio::select! {
        done = keep_shop(addresses, &dir, &clock, &shutdown) => done,
        () = app.failed() => Err(Error::Failed),
        () = shutdown.aborted() => Ok(()),
    };
    app.stop_unless(&shutdown).await?;
    done
}

/// Of a configuration only what is decided by it: the rest of a file that is in use elsewhere would have the demo write into
/// that one's database, or ask its shop for certificates.
fn config(options: &Options, dir: &RunDir) -> ward_aggregator::Config {
    let mut config = ward_aggregator::Config::new(dir.data());
    if let Some(told) = options.config.clone() {
        (config.services, config.alerting) = (told.services, told.alerting);
    }
    config.grpc = options.grpc;
    config.http = options.http;
    // The shop and some terminals, all from one address; the default asks for more open files than many shells allow.
    config.limits.connections = CONNECTIONS;
    config.limits.connections_per_address = CONNECTIONS;
    config
}

/// Where the aggregator listens.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    grpc: SocketAddr,
    http: SocketAddr,
}

async fn keep_shop(at: Addresses, dir: &RunDir, clock: &Clock, shutdown: &Shutdown) -> Result<(), Error> {
    let mut shop = tokio::select! {
        shop = Shop::open(dir, at.grpc) => shop?,
        () = shutdown.triggered() => return Ok(()),
    };
    let mut around = JoinSet::new();
    let sales = Sales::new(clock.clone(), Metrics::default());
    let (registry, customers) = (Registry::new(&dir.registry()), client().map_err(Error::Client)?);
    around.spawn(come(registry.clone(), customers, sales.clone()));
    let targets = show_metrics(&sales, dir, registry, &mut around).await;
    around.spawn(targets.map_err(Error::Metrics)?.keep());
    // One request at a time comes through the door.
    let (asking, mut asked) = mpsc::channel(1);
    around.spawn(control::listen(door(at, dir)?, asking));
    let watcher = Watcher::builder(at.grpc.to_string())
        .no_witness()
        // The demo's own aggregator asks for none, whatever the environment has for others.
        .credentials(Credentials::default())
        .level(Level::Instance)
        .start();
    let view = View {
        clock: clock.clone(),
        sales,
        grpc: at.grpc,
        http: at.http,
        logs: dir.logs(),
        targets: dir.targets(),
        open: false,
        last: None,
    };
    tokio::select! {
        () = attend(&mut shop, &mut asked, watcher.map_err(Error::Watch)?, view) => {}
        () = shutdown.triggered() => {}
    }
    say("closing the shop");
    around.shutdown().await;
    shop.close().await;
    Ok(())
}

/// The customers' metrics on a port of their own, and the file that says where everybody's are.
async fn show_metrics(
    sales: &Sales,
    dir: &RunDir,
    registry: Registry,
    around: &mut JoinSet<()>,
) -> io::Result<Targets> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut targets = Targets::new(dir.targets(), registry, listener.local_addr()?);
    targets.write().await?;
    let serving = axum::serve(listener, sales.routes()).into_future();
    around.spawn(async move {
        if let Err(error) = serving.await {
            tracing::warn!(%error, "the customers' metrics are no longer shown");
        }
    });
    Ok(targets)
}

fn door(at: Addresses, dir: &RunDir) -> Result<UnixListener, Error> {
    let path = dir.control();
    let listener = UnixListener::bind(&path).and_then(|listener| {
        dir.publish(at.grpc)?;
        Ok(listener)
    });
    listener.map_err(|error| Error::Control(path, error))
}

/// Everything that happens while the shop is there.
async fn attend(shop: &mut Shop, asked: &mut mpsc::Receiver<Asked>, mut watcher: Watcher, mut view: View) {
    let patience = sleep(PATIENCE);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            event = watcher.next() => view.hear(event, all_healthy(&watcher)),
            fell = shop.fell() => view.fell(&fell),
            Some((request, answer)) = asked.recv() => {
                let done = shop.obey(&request).await;
                if done.is_ok() {
                    view.done(&request);
                }
                // Who asked may have gone away; what was asked is done.
                answer.send(done).ok();
            }
            () = &mut patience, if !view.open && !patience.is_elapsed() => view.explain_delay(),
        }
    }
}

/// Everyone in the shop is known and well: a system of the first two that came up would be healthy too.
fn all_healthy(watcher: &Watcher) -> bool {
    let well = |entity: &&Entity| matches!(entity, Entity::Service(_)) && !entity.status().is_bad();
    watcher.state().values().filter(well).count() == SHOP.len()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ward_chassis::TlsFiles;

    use super::*;

    /// The file of a real aggregator names its database, its certificates and its data.
    #[test]
    fn of_a_configuration_services_and_alerts_are_taken_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        // Made by it, for this user alone.
        let dir = RunDir::create(&home.path().join("demo")).unwrap();
        let mut told = ward_aggregator::Config::new("/var/lib/ward");
        told.store.url_file = Some("/etc/ward/database".into());
        told.tls = Some(TlsFiles {
            cert: "/etc/ward/cert.pem".into(),
            key: "/etc/ward/key.pem".into(),
            client_ca: None,
            crl: None,
        });
        (told.insecure, told.hosts) = (true, vec!["*".to_owned()]);
        told.alerting.labels.insert("cluster".into(), "eu-1".into());
        let listen = "127.0.0.1:0".parse().unwrap();
        let options = |config| Options {
            grpc: listen,
            http: listen,
            config,
        };
        let is = config(&options(Some(told.clone())), &dir);
        let mut expected = config(&options(None), &dir);
        assert_ne!(is.alerting, expected.alerting);
        // A counter, which equals itself alone.
        (expected.alerting, expected.lost) = (told.alerting, is.lost.clone());
        assert_eq!(is, expected);
        assert!(is.data_dir.starts_with(home.path()) && is.data_dir != Path::new("/var/lib/ward"));
    }
}
