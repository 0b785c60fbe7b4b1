//! The bytes of a connection, and in words what TLS has against it.
//!
//! Two things show only once the connection is there, where HTTP/2 would make riddles of them: a server of TLS that is
//! spoken to without answers with what is no frame, and one that wanted a certificate says so behind the handshake (TLS 1.3).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::{connection::Note, fault::Fault};

/// How records of TLS begin: an alert, a handshake. No server begins HTTP/2 so: it would be a frame of 1.4 MB.
const TLS: [u8; 2] = [0x15, 0x16];
/// Longer than an alert.
const ALERT_BYTES: usize = 512;

/// See the module.
pub(super) struct Wire {
    link: Link,
    note: Note,
}

/// What the bytes run over.
pub(super) enum Link {
    Clear {
        stream: TcpStream,
        /// The server has said something.
        heard: bool,
    },
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Notes why it ends, if TLS is why.
    pub(super) fn new(link: Link, note: Note) -> Self {
        Self { link, note }
    }

    fn noted(&self, fault: Fault) -> io::Error {
        self.note.take(fault.clone());
        fault.into()
    }

    /// What came of writing. Where that failed the server may have said why before it closed, and nobody would read that any
    /// more; what was said, or at least the end, is on its way then, and is waited for.
    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let error = match ready!(written) {
            Ok(written) => return Poll::Ready(Ok(written)),
            Err(error) => error,
        };
        let mut heard = [0; ALERT_BYTES];
        match ready!(Pin::new(self).poll_read(context, &mut ReadBuf::new(&mut heard))) {
            Err(said) if said.get_ref().is_some_and(|inner| inner.is::<Fault>()) => Poll::Ready(Err(said)),
            _ => Poll::Ready(Err(error)),
        }
    }

    fn link(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin)> {
        Pin::new(match &mut self.link {
            Link::Clear { stream, .. } => stream,
            Link::Tls(stream) => stream.as_mut(),
        })
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.link {
            Link::Clear { stream, heard } => {
                let before = buffer.filled().len();
                ready!(Pin::new(stream).poll_read(context, buffer))?;
                let first = buffer.filled().get(before).filter(|_| !*heard);
                *heard = true;
                match first {
                    Some(first) if TLS.contains(first) => Poll::Ready(Err(self.noted(Fault::Unasked))),
                    _ => Poll::Ready(Ok(())),
                }
            }
            Link::Tls(stream) => {
                let read = ready!(Pin::new(stream).poll_read(context, buffer));
                Poll::Ready(read.map_err(|error| match Fault::of_connection(&error) {
                    Some(fault) => self.noted(fault),
                    None => error,
                }))
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.link().poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.link().poll_write_vectored(context, slices);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.link {
            Link::Clear { stream, .. } => stream.is_write_vectored(),
            Link::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.link().poll_flush(context);
        self.written(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link().poll_shutdown(context)
    }
}
