//! Whether a peer has said enough to be taken for a client.
//!
//! hyper waits for the HTTP/2 preface without an end: a connection that sends nothing, or one byte a minute, would be
//! held for ever. This counts the first bytes as they are read. Reading the preface before hyper does would mean to
//! hand it back.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// `PRI * HTTP/2.0`, two empty lines around `SM` (RFC 9113, section 3.4).
pub(super) const H2_PREFACE_BYTES: usize = 24;

/// Counts down the bytes that are read from `io`.
pub(super) struct FirstBytes<T> {
    io: T,
    missing: Arc<AtomicUsize>,
}

/// The other end of a [`FirstBytes`].
pub(super) struct Shown(Arc<AtomicUsize>);

impl<T> FirstBytes<T> {
    pub(super) fn new(io: T, wanted: usize) -> (Self, Shown) {
        let missing = Arc::new(AtomicUsize::new(wanted));
        (
            Self {
                io,
                missing: Arc::clone(&missing),
            },
            Shown(missing),
        )
    }
}

impl Shown {
    /// Whether all wanted bytes have come.
    pub(super) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FirstBytes<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        let missing = self.missing.load(Ordering::Relaxed);
        if missing > 0 {
            // One reader writes, so that load and store need not be one.
            self.missing.store(
                missing.saturating_sub(buf.filled().len() - before),
                Ordering::Relaxed,
            );
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FirstBytes<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
