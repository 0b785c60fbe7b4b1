//! What an honest client sees while others attack.

use std::{fmt, net::SocketAddr, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time};
use tonic::transport::{Channel, Endpoint};
use ward_chassis::Clock;
use ward_proto::v1::{GetSystemRequest, health_service_client::HealthServiceClient};

/// Longer than any request should take even on a busy machine; a failure by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client on a connection of its own that asks and asks.
pub(crate) struct Honest {
    stop: watch::Sender<bool>,
    asking: JoinHandle<Experience>,
}

/// How it was served.
pub(crate) struct Experience {
    latencies: Vec<Duration>,
    /// What its first failed request got, if one did.
    pub(crate) failed: Option<String>,
}

impl Honest {
    pub(crate) async fn start(addr: SocketAddr) -> Self {
        let client = connect(addr).await.expect("connected before the attack");
        let (stop, stopped) = watch::channel(false);
        Self {
            stop,
            asking: tokio::spawn(ask(client, stopped)),
        }
    }

    pub(crate) async fn finish(self) -> Experience {
        self.stop.send_replace(true);
        self.asking.await.unwrap()
    }
}

/// One request on a new connection.
pub(crate) async fn ask_once(addr: SocketAddr) -> Result<(), String> {
    let mut client = connect(addr).await?;
    client
        .get_system(GetSystemRequest::default())
        .await
        .map(drop)
        .map_err(|status| format!("{status:?}"))
}

async fn connect(addr: SocketAddr) -> Result<HealthServiceClient<Channel>, String> {
    let endpoint = Endpoint::from_shared(format!("http://{addr}"))
        .unwrap()
        .timeout(PATIENCE);
    let channel = endpoint
        .connect_timeout(PATIENCE)
        .connect()
        .await
        .map_err(|error| format!("{error:?}"))?;
    Ok(HealthServiceClient::new(channel))
}

async fn ask(mut client: HealthServiceClient<Channel>, stopped: watch::Receiver<bool>) -> Experience {
    let clock = Clock::start();
    let mut every = time::interval(Duration::from_millis(5));
    let mut experience = Experience {
        latencies: Vec::new(),
        failed: None,
    };
    // At least one, however short the attack.
    loop {
        every.tick().await;
        let asked = clock.mono();
        match client.get_system(GetSystemRequest::default()).await {
            Ok(_) => experience.latencies.push(clock.mono().since(asked)),
            Err(status) => {
                experience.failed = Some(format!("{status:?}"));
                return experience;
            }
        }
        if *stopped.borrow() {
            return experience;
        }
    }
}

impl fmt::Display for Experience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let p99 = sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default();
        write!(
            f,
            "{} served, p99 {:.1} ms",
            sorted.len(),
            p99.as_secs_f64() * 1e3
        )?;
        match self.failed {
            Some(_) => f.write_str(", then failed"),
            None => Ok(()),
        }
    }
}
