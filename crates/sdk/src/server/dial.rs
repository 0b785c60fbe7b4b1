//! Makes one connection: TCP, then TLS where it is to be spoken.
//!
//! What to trust and to show is read once somebody answers, so that an aggregator that is away for a night costs no
//! reading of files each second of it.

use std::{error::Error, future::Future, sync::Arc};

use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::TlsConnector;
use tonic::transport::Uri;
use tower::{Service, ServiceExt as _, service_fn};

use super::{
    Server,
    connection::Note,
    fault::Fault,
    wire::{Link, Wire},
};
use crate::credentials::{ALPN, Credentials};

type Failed = Box<dyn Error + Send + Sync>;

/// Connects to what it is called with, as to `server`. Whatever a connection ends with is noted.
pub(super) fn connector(
    server: &Server,
    note: Note,
) -> impl Service<
    Uri,
    Response = TokioIo<Wire>,
    Error = Failed,
    Future = impl Future<Output = Result<TokioIo<Wire>, Failed>> + Send,
> + Send
+ 'static {
    // For the addresses of a name in parallel: the first may be of a network that leads nowhere.
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // Of each address its part.
    tcp.set_connect_timeout(Some(server.patience));
    let (name, credentials) = (server.name.clone(), server.credentials.clone());
    service_fn(move |uri: Uri| {
        let (connecting, note) = (tcp.clone().oneshot(uri), note.clone());
        let (name, credentials) = (name.clone(), credentials.clone());
        async move {
            note.forget();
            let stream = connecting.await?.into_inner();
            let link = match name {
                Some(name) => secured(stream, name, credentials).await?,
                None => Link::Clear { stream, heard: false },
            };
            Ok(TokioIo::new(Wire::new(link, note)))
        }
    })
}

async fn secured(
    stream: TcpStream,
    name: ServerName<'static>,
    credentials: Credentials,
) -> Result<Link, Failed> {
    let config = spawn_blocking(move || credentials.client()).await??;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = connecting.await.map_err(|error| Fault::of_handshake(&error))?;
    if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(Fault::NotHttp2.into());
    }
    Ok(Link::Tls(Box::new(stream)))
}
