//! What an honest client sees while others attack: it reports, asks and watches, and nothing may become of it.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, thread, time::Duration};

use anyhow::{Context, bail, ensure};
use tokio::{
    runtime,
    sync::{Notify, mpsc, oneshot},
    time::{self, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use ward_chassis::Clock;
use ward_proto::v1::{
    self, Freshness, GetServiceRequest, GetSystemRequest, ReportRequest, ReportResponse, WatchRequest,
    health_service_client::HealthServiceClient,
};

/// Longer than anything should take even on a busy machine; a failure by itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many requests are acknowledged at once, without waiting for more.
const TOGETHER: u64 = 64;
/// Between two rounds of a heartbeat and a question: within the 100 questions a second that one client may ask.
const PAUSE: Duration = Duration::from_millis(10);
/// What it says it will be heard at: suspect after 3 s of silence.
const INTERVAL_MS: u32 = 1_000;
const NAME: &str = "honest";

type Client = HealthServiceClient<Channel>;

/// A server as a client has to know it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    /// Whom to trust where it speaks TLS.
    ca: Option<PathBuf>,
}

impl Server {
    pub(crate) fn new(addr: SocketAddr, ca: Option<PathBuf>) -> Self {
        Self { addr, ca }
    }
}

impl From<SocketAddr> for Server {
    fn from(addr: SocketAddr) -> Self {
        Self::new(addr, None)
    }
}

/// An honest client on a connection of its own.
#[derive(Debug)]
pub(crate) struct Honest {
    stop: Arc<Notify>,
    experience: oneshot::Receiver<anyhow::Result<Experience>>,
}

/// How it was served.
#[derive(Debug, Default)]
pub(crate) struct Experience {
    pub(crate) beats: Latencies,
    pub(crate) asks: Latencies,
    /// What went wrong first, if something did.
    pub(crate) unserved: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn p99_ms(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let p99 = sorted.get(sorted.len() * 99 / 100).copied();
        p99.unwrap_or_default().as_secs_f64() * 1e3
    }
}

impl Honest {
    /// Returns once it is registered and is watched. A thread of its own, with a runtime of its own, so that it does not
    /// wait for those who attack.
    pub(crate) async fn start(server: Server) -> anyhow::Result<Self> {
        let stop = Arc::new(Notify::new());
        let (ready, registered) = oneshot::channel();
        let (tell, experience) = oneshot::channel();
        let stopped = stop.clone();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let lived = runtime
                .context("start a runtime")
                .and_then(|runtime| runtime.block_on(live(server, ready, stopped)));
            drop(tell.send(lived));
        });
        if registered.await.is_err() {
            experience.await?.context("register")?;
            bail!("it ended before it began");
        }
        Ok(Self { stop, experience })
    }

    pub(crate) async fn finish(self) -> anyhow::Result<Experience> {
        self.stop.notify_one();
        self.experience.await?
    }
}

async fn live(server: Server, ready: oneshot::Sender<()>, stop: Arc<Notify>) -> anyhow::Result<Experience> {
    let client = connect(server).await?;
    let mut reporter = Reporter::register(client.clone()).await?;
    let watched = watch(client.clone()).await?;
    ready.send(()).ok();
    let mut experience = Experience::default();
    let unserved = tokio::select! {
        result = attend(&mut reporter, client.clone(), &mut experience, &stop) => result.err(),
        why = doubted(watched) => Some(why),
    };
    experience.unserved = match unserved {
        Some(why) => Some(format!("{why:#}")),
        None => still_there(client).await.err().map(|why| format!("{why:#}")),
    };
    Ok(experience)
}

pub(crate) async fn connect(server: impl Into<Server>) -> anyhow::Result<Client> {
    let Server { addr, ca } = server.into();
    let scheme = if ca.is_some() { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{addr}"))?.connect_timeout(PATIENCE);
    if let Some(ca) = ca {
        let ca = Certificate::from_pem(fs::read(ca).context("read whom to trust")?);
        let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
        endpoint = endpoint.tls_config(tls)?;
    }
    Ok(HealthServiceClient::new(endpoint.connect().await?))
}

/// One question on a new connection.
pub(crate) async fn ask_once(server: impl Into<Server>) -> anyhow::Result<()> {
    let mut client = timeout(PATIENCE, connect(server)).await??;
    timeout(PATIENCE, client.get_system(GetSystemRequest::default())).await??;
    Ok(())
}

/// Beats and asks by turns, at least once, until told to stop.
async fn attend(
    reporter: &mut Reporter,
    mut client: Client,
    experience: &mut Experience,
    stop: &Notify,
) -> anyhow::Result<()> {
    let clock = Clock::start();
    loop {
        let began = clock.mono();
        timeout(PATIENCE, reporter.beat())
            .await
            .context("beats were not acknowledged in time")??;
        experience.beats.0.push(clock.mono().since(began));
        let began = clock.mono();
        timeout(PATIENCE, client.get_system(GetSystemRequest::default()))
            .await
            .context("a question was not answered in time")?
            .context("a question was refused")?;
        experience.asks.0.push(clock.mono().since(began));
        tokio::select! {
            () = stop.notified() => return Ok(()),
            () = time::sleep(PAUSE) => {}
        }
    }
}

/// A stream of reports for one instance.
struct Reporter {
    requests: mpsc::Sender<ReportRequest>,
    answers: Streaming<ReportResponse>,
    handle: u32,
    sent: u64,
}

impl Reporter {
    async fn register(mut client: Client) -> anyhow::Result<Self> {
        let (requests, sent) = mpsc::channel(TOGETHER as usize);
        let hello = v1::Hello {
            service: NAME.into(),
            instance: NAME.into(),
            incarnation: "one".into(),
            interval_ms: INTERVAL_MS,
            ..v1::Hello::default()
        };
        let first = ReportRequest {
            hellos: vec![hello],
            ..ReportRequest::default()
        };
        requests.send(first).await?;
        let mut answers = client.report(ReceiverStream::new(sent)).await?.into_inner();
        let answer = answers.message().await?.context("no answer to a hello")?;
        let registration = answer.registrations.first().context("a hello was not taken")?;
        let handle = registration.handle;
        Ok(Self {
            requests,
            answers,
            handle,
            sent: 1,
        })
    }

    /// Sends as many beats as are acknowledged at once, each in a request of its own, and waits for that.
    async fn beat(&mut self) -> anyhow::Result<()> {
        for _ in 0..TOGETHER {
            let beat = ReportRequest {
                beats: vec![self.handle],
                ..ReportRequest::default()
            };
            self.requests
                .send(beat)
                .await
                .context("the report stream has ended")?;
        }
        self.sent += TOGETHER;
        loop {
            let answer = self.answers.message().await.context("the report stream failed")?;
            let answer = answer.context("the report stream was ended")?;
            ensure!(answer.rejections.is_empty(), "beats were refused: {answer:?}");
            // Up to 63 of the last may wait for more, or for a second.
            if answer.acknowledged + TOGETHER > self.sent {
                return Ok(());
            }
        }
    }
}

async fn watch(mut client: Client) -> anyhow::Result<Streaming<v1::WatchResponse>> {
    let request = WatchRequest {
        names: vec![NAME.into()],
        level: v1::WatchLevel::Instance.into(),
        ..WatchRequest::default()
    };
    Ok(client.watch(request).await?.into_inner())
}

/// Resolves when the server says anything else of the instance than that it is there.
async fn doubted(mut watched: Streaming<v1::WatchResponse>) -> anyhow::Error {
    use v1::{entity::State, watch_response::Event};
    loop {
        let told = match watched.message().await {
            Ok(Some(told)) => told,
            Ok(None) => return anyhow::anyhow!("its watch was ended"),
            Err(status) => return anyhow::Error::new(status).context("its watch failed"),
        };
        let Some(Event::Delta(delta)) = told.event else {
            continue;
        };
        for entity in delta.entities {
            match entity.state {
                Some(State::Instance(state)) if state.freshness() != Freshness::Fresh => {
                    return anyhow::anyhow!("it was taken to be {:?}", state.freshness());
                }
                Some(State::Removed(_)) => return anyhow::anyhow!("it was forgotten"),
                _ => {}
            }
        }
    }
}

async fn still_there(mut client: Client) -> anyhow::Result<()> {
    let request = GetServiceRequest { name: NAME.into() };
    let answer = timeout(PATIENCE, client.get_service(request))
        .await??
        .into_inner();
    let states: Vec<_> = answer
        .instances
        .iter()
        .map(v1::InstanceState::freshness)
        .collect();
    ensure!(
        states == [Freshness::Fresh],
        "in the end it was taken to be {states:?}"
    );
    Ok(())
}
