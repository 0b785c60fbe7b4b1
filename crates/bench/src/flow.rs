//! A stream of requests that runs as fast as it is answered, or as a schedule lets it.
//!
//! Requests are encoded beforehand and handed out by the stream itself when the transport asks, so that one core of
//! client keeps one core of server busy. How many may be sent is bounded twice: by what was allowed, and by a window of
//! requests without an answer, or a client that is faster than its server would fill memory and measure that. A channel
//! a stream with a task that fills it was not taken: its wake-ups would cost the client more than the requests do.

use std::{
    convert::Infallible,
    marker::PhantomData,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use anyhow::{Context as _, bail};
use http::uri::PathAndQuery;
use prost::{
    Message,
    bytes::{BufMut, Bytes},
};
use tokio_stream::Stream;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, EncodeBuf, Encoder},
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstDecoder;

/// How long all answers may take once nothing more is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// One stream as its sender sees it.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Most requests without an answer.
    window: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What is sent, over and over.
    requests: Arc<[Bytes]>,
    next: usize,
    sent: u64,
    answered: u64,
    /// How many may have been sent.
    allowed: u64,
    /// The transport, when it waits for a request.
    waker: Option<Waker>,
    failed: Option<String>,
}

impl Flow {
    /// Connects, opens a stream and sends `first`. `take` looks at each answer and says how many requests are answered
    /// by now, the first one included.
    pub(crate) async fn open<A>(
        addr: SocketAddr,
        path: &'static str,
        first: Bytes,
        window: u64,
        take: impl FnMut(A) -> anyhow::Result<u64> + Send + 'static,
    ) -> anyhow::Result<Arc<Self>>
    where
        A: Message + Default + 'static,
    {
        let channel = connect(addr).await?;
        let flow = Arc::new(Self {
            window,
            state: Mutex::new(State {
                requests: [first].into(),
                next: 0,
                sent: 0,
                answered: 0,
                allowed: 1,
                waker: None,
                failed: None,
            }),
        });
        let running = flow.clone();
        tokio::spawn(async move {
            let Err(error) = converse(&running, channel, path, take).await;
            running.state().failed = Some(format!("{error:#}"));
        });
        Ok(flow)
    }

    /// Lets `more` requests go, when the window has room for them.
    pub(crate) fn allow(&self, more: u64) {
        let mut state = self.state();
        state.allowed = state.allowed.saturating_add(more);
        state.wake();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in there is half done when somebody panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A channel over one connection.
pub(crate) async fn connect(addr: SocketAddr) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{addr}"))?.tcp_nodelay(true);
    endpoint
        .connect()
        .await
        .with_context(|| format!("connect to {addr}"))
}

/// Reads answers for as long as there are any; that they end is an error.
async fn converse<A>(
    flow: &Arc<Flow>,
    channel: Channel,
    path: &'static str,
    mut take: impl FnMut(A) -> anyhow::Result<u64>,
) -> anyhow::Result<Infallible>
where
    A: Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    // A server of Go's sends no headers before its first answer, so this may wait for that: the first request is there.
    let requests = Request::new(Requests(flow.clone()));
    let codec = Encoded(PhantomData);
    let answers = grpc
        .streaming(requests, PathAndQuery::from_static(path), codec)
        .await?;
    let mut answers = answers.into_inner();
    while let Some(answer) = answers.message().await? {
        let answered = take(answer)?;
        let mut state = flow.state();
        if answered > state.sent {
            bail!("{answered} requests were acknowledged, {} were sent", state.sent);
        }
        state.answered = answered;
        state.wake();
    }
    bail!("the server ended a stream")
}

/// What the transport asks for requests.
struct Requests(Arc<Flow>);

impl Stream for Requests {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.0.state();
        if state.sent >= state.allowed.min(state.answered + self.0.window) {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let request = state.requests[state.next].clone();
        state.next = (state.next + 1) % state.requests.len();
        state.sent += 1;
        Poll::Ready(Some(request))
    }
}

/// Requests that are encoded already; answers of type `A`.
struct Encoded<A>(PhantomData<A>);

impl<A: Message + Default + 'static> Codec for Encoded<A> {
    type Encode = Bytes;
    type Decode = A;
    type Encoder = Copied;
    type Decoder = ProstDecoder<A>;

    fn encoder(&mut self) -> Copied {
        Copied
    }

    fn decoder(&mut self) -> ProstDecoder<A> {
        ProstDecoder::default()
    }
}

struct Copied;

impl Encoder for Copied {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

/// Many streams to one server.
#[derive(Debug)]
pub(crate) struct Flows(pub(crate) Vec<Arc<Flow>>);

impl Flows {
    /// Requests that were sent, those that opened a stream included.
    pub(crate) fn sent(&self) -> u64 {
        self.0.iter().map(|flow| flow.state().sent).sum()
    }

    /// Requests that were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.0.iter().map(|flow| flow.state().answered).sum()
    }

    /// What each stream sends from now on, by its place.
    pub(crate) fn play(&self, requests: impl Fn(usize) -> Arc<[Bytes]>) {
        for (place, flow) in self.0.iter().enumerate() {
            let mut state = flow.state();
            state.requests = requests(place);
            state.next = 0;
        }
    }

    /// As fast as they are answered.
    pub(crate) fn release(&self) {
        self.0.iter().for_each(|flow| flow.allow(u64::MAX));
    }

    /// Nothing more is sent.
    pub(crate) fn hold(&self) {
        for flow in &self.0 {
            let mut state = flow.state();
            state.allowed = state.sent;
        }
    }

    /// Waits until all that was sent is answered. A server that answers `each` so many requests is sent what it waits
    /// for.
    pub(crate) async fn settle(&self, each: u64) -> anyhow::Result<()> {
        let step = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        let mut before = self.answered();
        while !self.is_settled()? {
            tokio::time::sleep(step).await;
            waited += step;
            let now = self.answered();
            if waited > PATIENCE {
                bail!("{} requests were sent, only {now} are acknowledged", self.sent());
            }
            if now == before {
                self.top_up(each);
            }
            before = now;
        }
        Ok(())
    }

    /// Everything was answered; an error if a stream has failed.
    pub(crate) fn is_settled(&self) -> anyhow::Result<bool> {
        let mut settled = true;
        for flow in &self.0 {
            let state = flow.state();
            if let Some(error) = &state.failed {
                bail!("a stream failed: {error}");
            }
            settled &= state.answered == state.allowed;
        }
        Ok(settled)
    }

    fn top_up(&self, each: u64) {
        for flow in &self.0 {
            let missing = {
                let state = flow.state();
                let owed = state.allowed - state.answered;
                (each - owed % each) % each
            };
            flow.allow(missing);
        }
    }
}
