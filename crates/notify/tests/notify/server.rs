//! An HTTP server that does as a test says, and remembers what it was asked.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rustls::ServerConfig;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// What does not come within this does not come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn is_alerts(&self) -> bool {
        self.method == "POST" && self.path == "/api/v2/alerts"
    }

    /// The alerts of a request to an Alertmanager.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        self.json().as_array().unwrap().clone()
    }
}

/// What it does about a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Json(u16, String),
    Headers(u16, Vec<(&'static str, String)>),
    /// Says nothing, and keeps the connection.
    Hang,
    /// Ends the connection.
    Close,
    /// Something that is no HTTP.
    Garbage,
    /// The head of an answer, of a longer body than comes.
    Torn(u16),
    /// Half of a status line.
    TornHead,
}

impl Reply {
    pub(crate) fn ok() -> Self {
        Self::Json(200, String::new())
    }
}

type Behaviour = Box<dyn FnMut(&Asked) -> Reply + Send>;

pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    behaviour: Mutex<Behaviour>,
    log: Mutex<Vec<Asked>>,
    seen: watch::Sender<usize>,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    pub(crate) async fn start(behaviour: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), behaviour).await
    }

    pub(crate) async fn start_at(
        address: SocketAddr,
        behaviour: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        Self::serve(listener, None, behaviour)
    }

    fn serve(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        behaviour: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            behaviour: Mutex::new(Box::new(behaviour)),
            log: Mutex::new(Vec::new()),
            seen: watch::Sender::new(0),
            connections: Mutex::new(Vec::new()),
        });
        let accepted = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, tls) = (Arc::clone(&accepted), tls.clone());
                let serving = tokio::spawn(async move { state.serve(stream, tls).await });
                accepted.connections.lock().push(serving);
            }
        });
        Self {
            address,
            state,
            accepting,
        }
    }

    pub(crate) async fn start_tls(
        tls: Arc<ServerConfig>,
        behaviour: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, Some(tls.into()), behaviour)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it does this.
    pub(crate) fn does(&self, behaviour: impl FnMut(&Asked) -> Reply + Send + 'static) {
        *self.state.behaviour.lock() = Box::new(behaviour);
    }

    pub(crate) fn log(&self) -> Vec<Asked> {
        self.state.log.lock().clone()
    }

    /// Those about alerts.
    pub(crate) fn posts(&self) -> Vec<Asked> {
        let mut log = self.log();
        log.retain(Asked::is_alerts);
        log
    }

    /// Waits until what it was asked is so.
    pub(crate) async fn until<T>(&self, what: &str, mut found: impl FnMut(&[Asked]) -> Option<T>) -> T {
        let mut seen = self.state.seen.subscribe();
        let waiting = async {
            loop {
                if let Some(found) = found(&self.state.log.lock()) {
                    return found;
                }
                seen.changed().await.unwrap();
            }
        };
        match timeout(SOON, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("{what} did not come; there came {:#?}", self.shown()),
        }
    }

    pub(crate) async fn until_is(&self, what: &str, mut is: impl FnMut(&[Asked]) -> bool) {
        self.until(what, |log| is(log).then_some(())).await;
    }

    fn shown(&self) -> Vec<String> {
        let log = self.log();
        log.iter()
            .map(|asked| {
                let body = String::from_utf8_lossy(&asked.body).into_owned();
                format!("{} {} {body}", asked.method, asked.path)
            })
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.state.connections.lock().iter().for_each(JoinHandle::abort);
    }
}

impl State {
    async fn serve(&self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        match tls {
            None => self.speak(stream).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    self.speak(stream).await;
                }
            }
        }
    }

    async fn speak(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut stream = BufReader::new(stream);
        while let Some(asked) = read(&mut stream).await {
            let reply = (self.behaviour.lock())(&asked);
            self.log.lock().push(asked);
            self.seen.send_modify(|seen| *seen += 1);
            let (text, goes_on) = match reply {
                Reply::Json(status, body) => (
                    format!(
                        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    ),
                    true,
                ),
                Reply::Headers(status, headers) => {
                    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
                    let headers: String = headers.collect();
                    (
                        format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n{headers}\r\n"),
                        true,
                    )
                }
                Reply::Hang => std::future::pending().await,
                Reply::Close => (String::new(), false),
                Reply::Garbage => ("\u{1}\u{2} no http at all\r\n\r\n".to_owned(), false),
                Reply::Torn(status) => (
                    format!("HTTP/1.1 {status} X\r\ncontent-length: 100\r\n\r\nhalf"),
                    false,
                ),
                Reply::TornHead => ("HTTP/1.1 20".to_owned(), false),
            };
            if stream.write_all(text.as_bytes()).await.is_err() || !goes_on {
                return;
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Asked> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked {
        method,
        path,
        headers,
        body,
    })
}
