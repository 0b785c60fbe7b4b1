//! A connection that says in words when TLS is what is wrong with it.
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

use super::fault::Fault;

/// How records of TLS begin: an alert, a handshake. No server begins HTTP/2 so: it would be a frame of 1.4 MB.
const TLS: [u8; 2] = [0x15, 0x16];

/// See the module.
#[derive(Debug)]
pub(super) enum Wire {
    Clear { stream: TcpStream, heard: bool },
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(super) fn clear(stream: TcpStream) -> Self {
        Self::Clear { stream, heard: false }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(stream))
    }

    /// What failed to be written. The server may have said why before it closed, and nobody would read that any more.
    fn unwritten(&mut self, context: &mut Context<'_>, error: io::Error) -> io::Error {
        let mut heard = [0; 512];
        let read = Pin::new(self).poll_read(context, &mut ReadBuf::new(&mut heard));
        match read {
            Poll::Ready(Err(said)) if said.get_ref().is_some_and(|inner| inner.is::<Fault>()) => said,
            _ => error,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear { stream, heard } => {
                let before = buffer.filled().len();
                ready!(Pin::new(stream).poll_read(context, buffer))?;
                let first = buffer.filled().get(before).filter(|_| !*heard);
                *heard = true;
                match first {
                    Some(first) if TLS.contains(first) => Poll::Ready(Err(Fault::Unasked.into())),
                    _ => Poll::Ready(Ok(())),
                }
            }
            Self::Tls(stream) => Pin::new(stream)
                .poll_read(context, buffer)
                .map_err(|error| Fault::of_connection(&error).map_or(error, io::Error::from)),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut *self {
            Self::Clear { stream, .. } => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        ready!(written).map_err(|error| self.unwritten(context, error)).into()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut *self {
            Self::Clear { stream, .. } => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        ready!(written).map_err(|error| self.unwritten(context, error)).into()
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear { stream, .. } => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut *self {
            Self::Clear { stream, .. } => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        ready!(flushed).map_err(|error| self.unwritten(context, error)).into()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear { stream, .. } => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
