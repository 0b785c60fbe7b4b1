//! A client that speaks HTTP/2 as it should, and gRPC as it should not.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{Request, StatusCode, request};
use tokio::net::{TcpSocket, TcpStream};

/// One HTTP/2 connection.
pub(crate) struct Client {
    send: SendRequest<Bytes>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect(addr).await?;
        let (send, connection) = h2::client::handshake(tcp).await?;
        tokio::spawn(connection);
        Ok(Self { send })
    }

    /// Sends a request with all of its body; the HTTP status and the gRPC status of the answer.
    pub(crate) async fn call(
        &mut self,
        head: request::Builder,
        mut body: Bytes,
    ) -> anyhow::Result<(StatusCode, Option<String>)> {
        self.send = self.send.clone().ready().await?;
        let (response, mut stream) = self.send.send_request(head.body(())?, body.is_empty())?;
        // What fits into a window goes at once; the server may have answered before it has all.
        while !body.is_empty() {
            stream.reserve_capacity(body.len());
            let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
                break;
            };
            let part = body.split_to(room.min(body.len()));
            if stream.send_data(part, body.is_empty()).is_err() {
                break;
            }
        }
        let (head, mut body) = response.await.context("no answer")?.into_parts();
        while let Some(data) = body.data().await {
            body.flow_control().release_capacity(data?.len())?;
        }
        let trailers = body.trailers().await?.unwrap_or_default();
        let status = head.headers.get("grpc-status").or(trailers.get("grpc-status"));
        let status = status
            .map(|status| status.to_str().map(str::to_owned))
            .transpose()?;
        Ok((head.status, status))
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
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// A bare connection from one of loopback's 16 million addresses.
pub(crate) async fn connect_from(source: [u8; 4], addr: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    socket.connect(addr).await
}
