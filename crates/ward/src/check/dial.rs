//! One connection, over TCP or a socket in the file system, with TLS or without.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::{
    address::{Address, Place},
    tls::Tls,
};
use crate::failure::root;

/// Bytes both ways.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection, whatever it runs over.
pub(super) type Stream = Box<dyn Io>;

/// Connects; says as well under which name the server is to be spoken to. How long that may take is the caller's to say.
pub(super) async fn dial(address: &Address, tls: Option<Tls>) -> Result<(Stream, String), String> {
    let (stream, authority): (Stream, _) = match &address.place {
        Place::Tcp {
            host,
            port,
            authority,
        } => (
            Box::new(tcp(host, *port).await.map_err(|error| root(&error))?),
            authority.clone(),
        ),
        Place::Unix(path) => (
            Box::new(UnixStream::connect(path).await.map_err(|error| root(&error))?),
            "localhost".to_owned(),
        ),
    };
    let Some(tls) = tls else {
        return Ok((stream, authority));
    };
    let authority = tls.authority.unwrap_or(authority);
    let connector = TlsConnector::from(tls.config);
    match connector.connect(tls.server_name, stream).await {
        Ok(stream) => Ok((Box::new(stream), authority)),
        Err(error) => Err(format!("TLS: {}{}", root(&error), tls.hint)),
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
