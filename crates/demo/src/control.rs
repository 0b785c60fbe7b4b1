//! How another terminal speaks to a running demo: one line of JSON each way over a Unix socket.
//!
//! The socket stands in a directory that admits its user alone, which is all the authentication it needs; a port on
//! loopback would need a token to tell users apart. One request a connection and one connection at a time: breaking
//! things is done by hand.

use std::{
    ffi::OsStr,
    io::{self, BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    sync::{mpsc, oneshot},
};

use crate::{
    How, plan,
    run_dir::{self, Running},
};

/// Longest request or answer, in bytes.
const LINE_BYTES: u64 = 4_096;
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may be asked of a running demo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Request {
    /// Break a member.
    Break {
        /// Which.
        name: String,
        /// In which way.
        how: How,
    },
    /// Make a member whole again.
    Mend {
        /// Which.
        name: String,
    },
}

impl Request {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Break { name, .. } | Self::Mend { name } => name,
        }
    }
}

/// Why a demo did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "lowercase")]
pub enum Refusal {
    /// Nobody of that name is in the shop.
    #[error("nobody named {0:?} is in the shop, there are: {names}", names = plan::names())]
    Unknown(String),
    /// It is broken already.
    #[error("{0} is broken already ({1}): mend it first, with ward demo mend {0}")]
    Broken(String, How),
    /// It is not broken.
    #[error("{0} is not broken")]
    Whole(String),
    /// Its process ended by itself and is about to be started again.
    #[error("{0} is just being started again: try again in some seconds")]
    Away(String),
    /// The system refused.
    #[error("break or mend {0}: {1}")]
    Failed(String, String),
    /// The demo ends.
    #[error("the demo is just ending")]
    Ending,
}

pub(crate) type Answer = Result<(), Refusal>;

/// A request, and where the answer is awaited.
pub(crate) type Asked = (Request, oneshot::Sender<Answer>);

/// Takes requests from the socket, for ever.
pub(crate) async fn listen(listener: UnixListener, asked: mpsc::Sender<Asked>) {
    loop {
        let served = match listener.accept().await {
            Ok((stream, _)) => tokio::time::timeout(PATIENCE, serve(stream, &asked)).await,
            Err(error) => {
                // Out of descriptors, most likely: they come back, and asking again at once would burn a core.
                tokio::time::sleep(PATIENCE).await;
                Ok(Err(error))
            }
        };
        match served {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a request to the demo failed"),
            Err(_) => tracing::warn!("a request to the demo took too long"),
        }
    }
}

async fn serve(stream: tokio::net::UnixStream, asked: &mpsc::Sender<Asked>) -> io::Result<()> {
    let mut stream = tokio::io::BufReader::new(stream);
    let mut line = String::new();
    (&mut stream).take(LINE_BYTES).read_line(&mut line).await?;
    let request = serde_json::from_str(&line)?;
    let (answer, answered) = oneshot::channel();
    let answer = match asked.send((request, answer)).await {
        Ok(()) => answered.await.unwrap_or(Err(Refusal::Ending)),
        Err(_) => Err(Refusal::Ending),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    stream.get_mut().write_all(&line).await
}

/// Why a demo could not be told something.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// None runs, as far as this user can see.
    #[error("no demo is running: start one with ward demo")]
    NoDemo,
    /// None of those that run is the one meant.
    #[error("no demo is running at {0:?}, there are: {1}")]
    NotThere(String, String),
    /// It did not answer.
    #[error("speak to the demo through {0}")]
    Unreachable(PathBuf, #[source] io::Error),
    /// It answered, and refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Breaks a member of a running demo. Returns the address of that demo's aggregator, where what follows shows.
///
/// `server` names the demo by that address; without it, the one started last is meant. Blocks for up to five seconds,
/// should the demo not answer.
pub fn break_service(name: &str, how: How, server: Option<&str>) -> Result<SocketAddr, ControlError> {
    ask(
        &Request::Break {
            name: name.into(),
            how,
        },
        server,
    )
}

/// Makes a member of a running demo whole again. `server` and what is returned as for [`break_service`].
pub fn mend_service(name: &str, server: Option<&str>) -> Result<SocketAddr, ControlError> {
    ask(&Request::Mend { name: name.into() }, server)
}

fn ask(request: &Request, server: Option<&str>) -> Result<SocketAddr, ControlError> {
    let home = run_dir::home(std::env::var_os("XDG_RUNTIME_DIR").as_deref().map(OsStr::new));
    let demo = choose(run_dir::running(&home), server)?;
    let answer =
        exchange(&demo.control, request).map_err(|error| ControlError::Unreachable(demo.control, error))?;
    answer?;
    Ok(demo.grpc)
}

fn choose(running: Vec<Running>, server: Option<&str>) -> Result<Running, ControlError> {
    let Some(newest) = running.first() else {
        return Err(ControlError::NoDemo);
    };
    let Some(server) = server else {
        return Ok(newest.clone());
    };
    let wanted = server
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .replace("localhost:", "127.0.0.1:");
    let found = running
        .iter()
        .find(|demo| demo.grpc.to_string() == wanted)
        .cloned();
    found.ok_or_else(|| {
        let there: Vec<_> = running.iter().map(|demo| demo.grpc.to_string()).collect();
        ControlError::NotThere(server.into(), there.join(", "))
    })
}

fn exchange(socket: &Path, request: &Request) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_BYTES)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_request_goes_in_and_the_answer_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("control");
        let (asked, mut asking) = mpsc::channel::<Asked>(1);
        let listener = tokio::spawn(listen(UnixListener::bind(&socket).unwrap(), asked));
        let request = Request::Break {
            name: "bank".into(),
            how: How::Hang,
        };
        let client = tokio::task::spawn_blocking({
            let (socket, request) = (socket.clone(), request.clone());
            move || exchange(&socket, &request)
        });
        let (got, answer) = asking.recv().await.unwrap();
        assert_eq!(got, request);
        answer
            .send(Err(Refusal::Broken("bank".into(), How::Slow)))
            .unwrap();
        assert_eq!(
            client.await.unwrap().unwrap(),
            Err(Refusal::Broken("bank".into(), How::Slow))
        );

        // Garbage harms nobody: the next one is served.
        UnixStream::connect(&socket)
            .unwrap()
            .write_all(b"\x00\xffgarbage\n")
            .unwrap();
        let client =
            tokio::task::spawn_blocking(move || exchange(&socket, &Request::Mend { name: "bank".into() }));
        let (_, answer) = asking.recv().await.unwrap();
        answer.send(Ok(())).unwrap();
        assert_eq!(client.await.unwrap().unwrap(), Ok(()));
        listener.abort();
    }

    #[test]
    fn refusals_say_what_to_do() {
        let unknown = Refusal::Unknown("bnak\u{1b}[31m".into()).to_string();
        assert!(
            unknown.contains("bank, ") && !unknown.contains('\u{1b}'),
            "{unknown}"
        );
        assert!(matches!(choose(Vec::new(), None), Err(ControlError::NoDemo)));
    }
}
