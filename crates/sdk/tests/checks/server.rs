//! Servers of one trick each.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinSet,
    time::sleep,
};

/// What a server does with a connection.
#[derive(Clone, Debug)]
pub(crate) enum Trick {
    /// Reads a request and sends this.
    Answer(Vec<u8>),
    /// Reads a request, waits, and sends this.
    Slow(Duration, Vec<u8>),
    /// Reads and says nothing.
    Hang,
    /// Closes with a reset.
    Reset,
    /// Sends this as long as somebody reads.
    Endless(Vec<u8>),
}

/// A server, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    /// The requests that were read, as they came.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(trick: Trick) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut serving = JoinSet::new();
        let heard = Arc::clone(&requests);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(perform(stream, trick.clone(), Arc::clone(&heard)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            addr,
            requests,
            _serving: serving,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

/// An HTTP answer.
pub(crate) fn answer(status: &str, body: &str) -> Trick {
    let length = body.len();
    Trick::Answer(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").into())
}

async fn perform(mut stream: TcpStream, trick: Trick, heard: Arc<Mutex<Vec<String>>>) {
    if let Trick::Reset = trick {
        // What was not read makes the close a reset.
        stream.readable().await.unwrap();
        stream.set_zero_linger().unwrap();
        return;
    }
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    heard
        .lock()
        .await
        .push(String::from_utf8_lossy(&request).into_owned());
    match trick {
        Trick::Answer(answer) => drop(stream.write_all(&answer).await),
        Trick::Slow(time, answer) => {
            sleep(time).await;
            drop(stream.write_all(&answer).await);
        }
        Trick::Hang => while matches!(stream.read(&mut [0; 64]).await, Ok(read) if read > 0) {},
        Trick::Endless(start) => {
            drop(stream.write_all(&start).await);
            while stream.write_all(&[b' '; 16 * 1024]).await.is_ok() {}
        }
        Trick::Reset => {}
    }
}
