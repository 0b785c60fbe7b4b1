//! An aggregator as `ward aggregator` starts it, but for its bounds.

use clap::Args;
use ward_aggregator::{App, ClientLimits, Config};

use super::until_over;

/// How it differs from the defaults.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Convict all at once: without the guards of an observer that doubts itself
    #[arg(long)]
    unguarded: bool,
    /// Where HTTP is to listen
    #[arg(long, default_value = "127.0.0.1:0")]
    http: std::net::SocketAddr,
}

/// What of Ward's bounds is raised, for people.
pub(crate) const RAISED: &str = "connections an address 2,048 -> 16,384, streams a connection 128 -> 16,384, what one client may have open and decided (watchers 16, updates 100 a second \
    beside those that come with beats) -> anything; \
    in B4 in memory instances 1,000,000 -> 1,100,000, and no guards of the observer in B4";

pub(super) async fn serve(options: &Options) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut config = Config::new(directory.path());
    config.grpc.set_port(0);
    config.http = options.http;
    config.engine.guards = !options.unguarded;
    config.limits.connections_per_address = config.limits.connections;
    config.limits.streams_per_connection = Some(16_384);
    config.client_limits = ClientLimits::unguarded();
    let app = App::start(config).await?;
    until_over(app.grpc_addr()).await?;
    app.stop().await;
    Ok(())
}
