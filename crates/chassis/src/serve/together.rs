//! What the streams of one connection have to say leaves in few writes.
//!
//! HTTP/2 has a frame for each message of each stream, and tokio runs a task that was just woken before those that wait
//! already. So the first of a hundred watchers that has put its message into the connection's queue wakes the connection,
//! which writes that one message, and so does the second: a hundred system calls, each dearer than everything else that
//! is done for a message. And a frame over 256 bytes is written by h2 for itself, however many wait. Here what is
//! written gathers until the tasks that are ready now have had their turn, which on an idle server is at once, and leaves
//! in one write. Waiting for some microseconds instead, as Nagle's algorithm does, was not taken: it would add them to
//! each message that comes alone.
//!
//! To who writes it is as if all was flushed; it is then on its way as bytes in a socket's buffer are. Nothing is held
//! while the task that writes is not woken again for it.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release},
    },
    task::{Context, Poll, Wake, Waker, ready},
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
};

/// What gathers at most: four frames of the usual largest size. More leaves at once.
const MOST: usize = 64 << 10;
/// Room that is kept for the next time; idle connections are many.
const KEPT: usize = 512;

/// Lets others go first before it writes.
pub(super) struct Together<T> {
    io: T,
    gathered: Vec<u8>,
    /// Of what gathered, this has left.
    left: usize,
    /// The others are having their turn.
    waiting: bool,
    bell: Arc<Bell>,
}

/// Rings once the others had their turn. The task is woken by each of them as well, and must not take that for it.
#[derive(Debug, Default)]
struct Bell {
    rang: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rang.store(true, Release);
        self.task.wake();
    }
}

impl<T> Together<T> {
    pub(super) fn new(io: T) -> Self {
        Self {
            io,
            gathered: Vec::new(),
            left: 0,
            waiting: false,
            bell: Arc::default(),
        }
    }

    /// Ready when the others had their turn since something began to gather.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waiting {
            self.waiting = true;
            self.bell.rang.store(false, Release);
            self.bell.task.register(cx.waker());
            let waker = Waker::from(self.bell.clone());
            // It has taken the waker when it is pending, and wakes it whether it is kept or not.
            return pin!(yield_now()).poll(&mut Context::from_waker(&waker));
        }
        if self.bell.rang.swap(false, AcqRel) {
            return Poll::Ready(());
        }
        self.bell.task.register(cx.waker());
        Poll::Pending
    }
}

impl<T: AsyncWrite + Unpin> Together<T> {
    /// Writes all that gathered.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left < self.gathered.len() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.gathered[self.left..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.left += written;
        }
        self.gathered.clear();
        self.gathered.shrink_to(KEPT);
        self.left = 0;
        Poll::Ready(Ok(()))
    }

    /// Makes room for `more`.
    fn poll_room(&mut self, cx: &mut Context<'_>, more: usize) -> Poll<io::Result<()>> {
        if self.gathered.len() + more > MOST {
            ready!(self.poll_leave(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Together<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Together<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx, buf.len()))?;
        self.gathered.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        ready!(self.poll_room(cx, length))?;
        bufs.iter().for_each(|buf| self.gathered.extend_from_slice(buf));
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What has begun to leave, and was more than the socket took, goes on.
        if !self.gathered.is_empty() && self.left == 0 && self.poll_turn(cx).is_pending() {
            return Poll::Ready(Ok(()));
        }
        self.waiting = false;
        ready!(self.poll_leave(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leave(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
