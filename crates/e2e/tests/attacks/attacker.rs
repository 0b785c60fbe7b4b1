//! A client that says what no decent one would.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use http::{Request, StatusCode, request};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
};

/// What an HTTP/2 client says first (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One HTTP/2 connection.
pub(crate) struct Attacker {
    pub(crate) send: SendRequest<Bytes>,
    /// Ends with the connection, and says why.
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
}

impl Attacker {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let (send, connection) = h2::client::handshake(tcp).await.unwrap();
        Self {
            send,
            connection: tokio::spawn(connection),
        }
    }

    /// One request with all of its body.
    pub(crate) async fn send(
        &mut self,
        head: request::Builder,
        body: Bytes,
    ) -> Result<ResponseFuture, h2::Error> {
        self.send = self.send.clone().ready().await?;
        let (response, mut stream) = self.send.send_request(head.body(()).unwrap(), body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(body, true)?;
        }
        Ok(response)
    }

    /// The HTTP status and the gRPC status of the answer.
    pub(crate) async fn call(
        &mut self,
        head: request::Builder,
        body: Bytes,
    ) -> Result<(StatusCode, Option<String>), h2::Error> {
        let (head, mut body) = self.send(head, body).await?.await?.into_parts();
        while let Some(data) = body.data().await {
            body.flow_control().release_capacity(data?.len())?;
        }
        let trailers = body.trailers().await?.unwrap_or_default();
        let status = head.headers.get("grpc-status").or(trailers.get("grpc-status"));
        Ok((
            head.status,
            status.map(|status| status.to_str().unwrap().to_owned()),
        ))
    }
}

/// The head of a call of the health service.
pub(crate) fn head(addr: SocketAddr, method: &str) -> request::Builder {
    Request::post(format!("http://{addr}/ward.health.v1.HealthService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// A gRPC frame around an encoded message.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

/// A bare connection from one of loopback's 16 million addresses.
pub(crate) async fn connect_from(source: [u8; 4], addr: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    socket.connect(addr).await
}
