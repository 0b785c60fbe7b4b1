//! From an accepted socket to a stream that nobody can listen to, and what its other end has proved.
//!
//! In the task of its connection, under a bound in time and, by the slot it is given, in number: tonic's own acceptor has
//! neither.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig},
    server::TlsStream,
};

use super::connection::{Connection, from_now, told, until};
use crate::{
    listener::{Slot, add},
    tls::{Standing, Tls},
};

/// What a connection is spoken over.
pub(super) enum Stream {
    Cleartext(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// The handshake. `None` where there is nobody to talk to; why is counted.
    pub(super) async fn secure(
        mut self,
        stream: TcpStream,
        config: Arc<ServerConfig>,
        tls: Arc<Tls>,
        place: Option<Slot>,
    ) -> Option<(Stream, Self)> {
        let accepted = tokio::select! {
            accepted = TlsAcceptor::from(config).accept(stream) => accepted,
            () = until(self.shown_by) => {
                add(&self.stats.handshake_timeouts);
                return None;
            }
            () = told(&mut self.stopping) => return None,
        };
        drop(place);
        let standing = accepted.and_then(|stream| Ok((standing(&stream, &tls)?, stream)));
        match standing {
            Ok((standing, stream)) => {
                self.secure = true;
                self.shown_by = from_now(self.limits.handshake_timeout);
                self.standing = standing;
                Some((Stream::Tls(Box::new(stream)), self))
            }
            Err(error) => {
                self.refused(&error);
                None
            }
        }
    }

    fn refused(&self, error: &io::Error) {
        add(&self.stats.failed_handshakes);
        let cause = error
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<rustls::Error>());
        // Somebody who means to be let in; the rest are strangers at the door.
        if let Some(rustls::Error::InvalidCertificate(_)) = cause {
            tracing::warn!(addr = %self.addr, %error, "a client certificate is not believed");
        } else {
            tracing::debug!(addr = %self.addr, %error, "a TLS handshake failed");
        }
    }
}

fn standing(stream: &TlsStream<TcpStream>, tls: &Tls) -> io::Result<Option<Standing>> {
    let (_, session) = stream.get_ref();
    let Some(chain) = session.peer_certificates() else {
        return Ok(None);
    };
    Standing::new(tls, chain)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Cleartext(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Cleartext(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Cleartext(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Cleartext(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Cleartext(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Cleartext(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
