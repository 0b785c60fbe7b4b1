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
//! To who writes it is as if all was flushed; it is then on its way as bytes in a socket's buffer are. The task that writes is
//! woken for it, and whatever it does then, be it only to read, lets what gathered leave.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release},
    },
    task::{Context, Poll, Wake, Waker, ready},
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
};

/// What gathers at most. Two thousand connections that read nothing hold 48 MiB with it.
const MOST: usize = 24 << 10;
/// Room that is kept for the next time; idle connections are many.
const KEPT: usize = 512;
/// Who let others go first so many times in a row, and none of them had anything to add, writes at once.
const IN_VAIN: u8 = 4;
/// So many times; then it sees again whether they have.
const AT_ONCE: u8 = 16;

/// Lets others go first before it writes.
pub(super) struct Together<T> {
    io: T,
    gathered: Vec<u8>,
    /// Of what gathered, this has left.
    left: usize,
    /// The socket took no more.
    full: bool,
    /// What had gathered when the others got their turn, while they have it.
    waiting: Option<usize>,
    /// How often in a row that was in vain, and behind [`IN_VAIN`] how often it was left out.
    vain: u8,
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
            full: false,
            waiting: None,
            vain: 0,
            bell: Arc::default(),
        }
    }

    /// Ready when the others had their turn since something began to gather, or if that is of no use.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(gathered) = self.waiting else {
            if (IN_VAIN..IN_VAIN + AT_ONCE).contains(&self.vain) {
                self.vain += 1;
                return Poll::Ready(());
            }
            return self.let_others_go(cx);
        };
        self.bell.task.register(cx.waker());
        if !self.bell.rang.swap(false, AcqRel) {
            return Poll::Pending;
        }
        let in_vain = self.gathered.len() == gathered;
        self.vain = if in_vain {
            self.vain.min(IN_VAIN - 1) + 1
        } else {
            0
        };
        Poll::Ready(())
    }

    fn let_others_go(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.waiting = Some(self.gathered.len());
        self.bell.rang.store(false, Release);
        self.bell.task.register(cx.waker());
        let waker = Waker::from(self.bell.clone());
        // It has taken the waker when it is pending, and wakes it whether it is kept or not.
        pin!(yield_now()).poll(&mut Context::from_waker(&waker))
    }
}

impl<T: AsyncWrite + Unpin> Together<T> {
    /// Writes all that gathered.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left < self.gathered.len() {
            let polled = Pin::new(&mut self.io).poll_write(cx, &self.gathered[self.left..]);
            self.full = polled.is_pending();
            let written = ready!(polled)?;
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

    /// How much more may gather. Nothing while the socket is full: what waits for that is to wait where it is shared.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.full || self.gathered.len() >= MOST {
            ready!(self.poll_leave(cx))?;
        }
        Poll::Ready(Ok(MOST - self.gathered.len()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Together<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Who took it for flushed need not flush again: a server that has sent its settings waits for the client's preface.
        // Whatever it waits for, it reads when it is woken.
        if self.waiting.is_some()
            && self.bell.rang.load(Acquire)
            && let Poll::Ready(Err(error)) = self.as_mut().poll_flush(cx)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Together<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (room, before) = (ready!(self.poll_room(cx))?, self.gathered.len());
        for buf in bufs {
            let left = room - (self.gathered.len() - before);
            self.gathered.extend_from_slice(&buf[..buf.len().min(left)]);
        }
        Poll::Ready(Ok(self.gathered.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What has begun to leave, and was more than the socket took, goes on.
        if !self.gathered.is_empty() && !self.full && self.left == 0 && self.poll_turn(cx).is_pending() {
            return Poll::Ready(Ok(()));
        }
        self.waiting = None;
        ready!(self.poll_leave(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leave(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// What is there to be read now.
    async fn read(far: &mut DuplexStream) -> String {
        let mut there = [0; 1_024];
        let read = tokio::select! {
            biased;
            read = far.read(&mut there) => read.unwrap(),
            () = std::future::ready(()) => 0,
        };
        String::from_utf8_lossy(&there[..read]).into_owned()
    }

    /// As the task of a connection does, each time that it is woken.
    async fn flush(near: &mut Together<DuplexStream>) {
        near.flush().await.unwrap();
    }

    #[tokio::test]
    async fn what_others_add_meanwhile_leaves_with_it() {
        let (near, mut far) = duplex(1_024);
        let mut near = Together::new(near);
        for _ in 0..10 {
            near.write_all(b"one").await.unwrap();
            flush(&mut near).await;
            // Somebody else wakes it, which is not the end of their turn.
            near.write_all(b"two").await.unwrap();
            flush(&mut near).await;
            assert_eq!(read(&mut far).await, "", "it waits for the others");
            yield_now().await;
            flush(&mut near).await;
            assert_eq!(read(&mut far).await, "onetwo");
        }
    }

    #[tokio::test]
    async fn who_waited_in_vain_writes_at_once_and_tries_again_now_and_then() {
        let (near, mut far) = duplex(1_024);
        let mut near = Together::new(near);
        let mut waited = Vec::new();
        for time in 0..60 {
            near.write_all(b"alone").await.unwrap();
            flush(&mut near).await;
            if read(&mut far).await.is_empty() {
                waited.push(time);
                yield_now().await;
                flush(&mut near).await;
                assert_eq!(read(&mut far).await, "alone");
            }
        }
        assert_eq!(waited, [0, 1, 2, 3, 20, 37, 54]);
    }

    #[tokio::test]
    async fn what_gathered_leaves_though_the_task_only_reads() {
        let (near, mut far) = duplex(1_024);
        let mut near = Together::new(near);
        let task = tokio::spawn(async move {
            near.write_all(b"settings").await.unwrap();
            flush(&mut near).await;
            near.read_u8().await.unwrap();
        });
        let mut settings = [0; 8];
        far.read_exact(&mut settings).await.unwrap();
        assert_eq!(&settings, b"settings");
        far.write_u8(0).await.unwrap();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn much_leaves_at_once_and_the_rest_before_the_end() {
        let (near, mut far) = duplex(1 << 20);
        let mut near = Together::new(near);
        for _ in 0..5 {
            near.write_all(&[b'x'; MOST / 4]).await.unwrap();
        }
        let at_once = far.read(&mut vec![0; 2 * MOST]).await.unwrap();
        assert_eq!(at_once, MOST, "no more gathers");
        near.shutdown().await.unwrap();
        assert_eq!(far.read(&mut vec![0; MOST]).await.unwrap(), MOST / 4);
    }

    #[tokio::test]
    async fn a_full_socket_is_waited_for() {
        let (near, mut far) = duplex(4);
        let mut near = Together::new(near);
        near.write_all(b"longer than that").await.unwrap();
        flush(&mut near).await;
        yield_now().await;
        let written = tokio::spawn(async move { flush(&mut near).await });
        let mut all = String::new();
        far.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "longer than that");
        written.await.unwrap();
    }

    #[tokio::test]
    async fn nothing_more_gathers_for_who_does_not_read() {
        let (near, _far) = duplex(4);
        let mut near = Together::new(near);
        near.write_all(b"longer than that").await.unwrap();
        flush(&mut near).await;
        yield_now().await;
        let flushed = tokio::time::timeout(Duration::from_millis(1), flush(&mut near));
        assert!(flushed.await.is_err(), "the socket is full");
        let more = tokio::time::timeout(Duration::from_millis(1), near.write_all(b"more"));
        assert!(more.await.is_err());
        assert_eq!(near.gathered.len(), 16);
    }
}
