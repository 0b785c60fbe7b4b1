//! What many streams of one connection have to say leaves in few writes.
//!
//! Tokio runs a task that was just woken before those that wait already. So the first of a hundred watchers that has put
//! its message into the connection's queue wakes the connection, which writes that one message, and so does the second:
//! a hundred system calls, each dearer than everything else that is done for a message. Here a first write waits until
//! the tasks that are ready now have had their turn, which on an idle server is at once. Waiting for some microseconds
//! instead, as Nagle's algorithm does, was not taken: it would add them to each message that comes alone.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
};

/// Lets others go first before it writes.
pub(super) struct Together<T> {
    io: T,
    /// They went; until everything is flushed there is no more waiting.
    going: bool,
}

impl<T> Together<T> {
    pub(super) fn new(io: T) -> Self {
        Self { io, going: false }
    }

    /// Pending once for each time that there is something to write.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.going {
            return Poll::Ready(());
        }
        self.going = true;
        // It has taken the waker by then, and wakes it whether it is kept or not.
        pin!(yield_now()).poll(cx)
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
        if self.poll_turn(cx).is_pending() {
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.poll_turn(cx).is_pending() {
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if flushed.is_ready() {
            self.going = false;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    };

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// A task that is ready from now on; whether it had its turn.
    fn other() -> Arc<AtomicBool> {
        let went = Arc::new(AtomicBool::new(false));
        let goes = Arc::clone(&went);
        tokio::spawn(async move { goes.store(true, Relaxed) });
        went
    }

    #[tokio::test]
    async fn others_go_first_once_for_each_flush() {
        let (near, mut far) = duplex(64);
        let mut near = Together::new(near);
        let went = other();
        near.write_all(b"one").await.unwrap();
        assert!(went.load(Relaxed), "the first write lets others go first");
        let went = other();
        near.write_all(b"two").await.unwrap();
        assert!(!went.load(Relaxed), "what belongs together is not kept apart");
        near.flush().await.unwrap();
        let went = other();
        near.write_all(b"three").await.unwrap();
        assert!(went.load(Relaxed), "there is a first write again");
        drop(near);
        let mut read = String::new();
        far.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "onetwothree");
    }
}
