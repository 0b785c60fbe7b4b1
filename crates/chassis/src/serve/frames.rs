//! Floods of frames that carry nothing.
//!
//! h2 bounds what streams cost: resets, empty and tiny DATA, CONTINUATION. It has no bound on PING, SETTINGS, PRIORITY,
//! resets of streams that have ended, WINDOW_UPDATE, or kinds nobody knows; an answer to a ping that was never sent is even
//! logged, each time. So the heads of frames are read on their way to h2, and a connection with too many of these is an
//! error. It is cut without a GOAWAY, which only h2 could write. A copy of h2 with counters in it was not taken.
//!
//! And a connection whose bytes never end reads for long before others have their turn: tokio lets a task read 128 times,
//! and a buffer has 8 KiB. Here what is read takes of that turn by its size.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop::poll_proceed,
};
use ward_model::Mono;

use super::preface::H2_PREFACE_BYTES;
use crate::{Clock, Limits};

/// RFC 9113, section 4.1: length, kind, flags, stream.
const HEAD: usize = 9;
// Section 6. These have bounds of their own, in h2 or by flow control.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const WINDOW_UPDATE: u8 = 8;
/// A client may open two windows, of the stream and of the connection, for each DATA frame, and the shortest with
/// something in it has ten bytes. So many written bytes pay for one.
const BYTES_A_WINDOW_UPDATE: u64 = 5;
/// How often a task may read in one turn, by tokio.
const READS_A_TURN: usize = 128;
const WINDOW: Duration = Duration::from_secs(1);

/// Reads along with what comes from `io`.
pub(super) struct Frames<T> {
    io: T,
    clock: Clock,
    /// What each window may have.
    most: u32,
    count: u32,
    since: Mono,
    /// Bytes that were written and have paid for no window update yet.
    written: u64,
    /// Of the preface or of a payload, still to come.
    skip: usize,
    head: [u8; HEAD],
    /// Of it, so much has come.
    known: usize,
    /// So many bytes take as much of a turn as one read.
    bytes_a_read: usize,
}

impl<T> Frames<T> {
    pub(super) fn new(io: T, limits: &Limits, clock: &Clock) -> Self {
        Self {
            io,
            most: limits.control_frames_per_second.unwrap_or(u32::MAX),
            count: 0,
            since: clock.mono(),
            clock: clock.clone(),
            written: 0,
            skip: H2_PREFACE_BYTES,
            head: [0; HEAD],
            known: 0,
            bytes_a_read: limits
                .bytes_per_turn
                .map_or(usize::MAX, |bytes| (bytes / READS_A_TURN).max(1)),
        }
    }

    fn read_along(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEAD - self.known).min(bytes.len());
            self.head[self.known..self.known + taken].copy_from_slice(&bytes[..taken]);
            self.known += taken;
            bytes = &bytes[taken..];
            if self.known == HEAD {
                let [a, b, c, kind, ..] = self.head;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                self.known = 0;
                self.count(kind)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, kind: u8) -> io::Result<()> {
        match kind {
            DATA | HEADERS | CONTINUATION => return Ok(()),
            WINDOW_UPDATE if self.written >= BYTES_A_WINDOW_UPDATE => {
                self.written -= BYTES_A_WINDOW_UPDATE;
                return Ok(());
            }
            _ => self.count += 1,
        }
        // The clock is read no more often than this.
        if self.count > self.most && self.is_flooded(self.clock.mono()) {
            return Err(io::Error::other("too many frames that carry nothing"));
        }
        Ok(())
    }

    /// As many as may came within less than a second. If not, another second begins.
    fn is_flooded(&mut self, now: Mono) -> bool {
        if now.since(self.since) < WINDOW {
            return true;
        }
        (self.since, self.count) = (now, 1);
        false
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Frames<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if matches!(polled, Poll::Ready(Ok(()))) {
            let read = &buf.filled()[before..];
            // What was read is handed on in any case; it is the next reading that finds the turn over.
            for _ in 0..read.len() / self.bytes_a_read {
                match poll_proceed(cx) {
                    Poll::Ready(turn) => turn.made_progress(),
                    Poll::Pending => break,
                }
            }
            if let Err(error) = self.read_along(read) {
                // With an error nothing is read, by the contract.
                buf.set_filled(before);
                return Poll::Ready(Err(error));
            }
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Frames<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = polled {
            self.written = self.written.saturating_add(written as u64);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::timeout,
    };

    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let mut frame = (payload as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0, 0, 0, 0, 0]);
        frame.resize(HEAD + payload, b'x');
        frame
    }

    fn limits() -> Limits {
        Limits {
            control_frames_per_second: Some(10),
            ..Limits::default()
        }
    }

    fn frames() -> Frames<()> {
        Frames::new((), &limits(), &Clock::start())
    }

    /// However it comes, in pieces of any size.
    #[test]
    fn frames_are_found_in_whatever_pieces_they_come() {
        for piece in [1, 2, 7, 9, 10, 64, 4_096] {
            let mut said = vec![b'P'; H2_PREFACE_BYTES];
            for _ in 0..10 {
                said.extend(frame(DATA, 300));
                said.extend(frame(HEADERS, 5));
                said.extend(frame(PING, 8));
            }
            let mut frames = frames();
            let mut read = |bytes: &[u8]| bytes.chunks(piece).try_for_each(|piece| frames.read_along(piece));
            read(&said).unwrap();
            assert!(
                read(&frame(PING, 8)).is_err(),
                "the eleventh, in pieces of {piece}"
            );
        }
    }

    #[test]
    fn a_window_may_be_opened_for_what_was_written() {
        let mut frames = frames();
        frames.skip = 0;
        frames.written = 100 * BYTES_A_WINDOW_UPDATE;
        for _ in 0..110 {
            frames.read_along(&frame(WINDOW_UPDATE, 4)).unwrap();
        }
        frames.read_along(&frame(WINDOW_UPDATE, 4)).unwrap_err();
    }

    #[test]
    fn as_many_may_come_again_a_second_later() {
        let mut frames = frames();
        let at = |millis: u64| Mono::default() + Duration::from_millis(millis);
        frames.since = at(0);
        for (now, flooded) in [(999, true), (1_000, false), (1_999, true), (2_000, false)] {
            assert_eq!(frames.is_flooded(at(now)), flooded, "{now}");
        }
        assert_eq!(frames.count, 1, "counted anew");
    }

    #[tokio::test]
    async fn much_to_read_is_read_in_several_turns() {
        for (bytes_per_turn, turns) in [(Some(64 << 10), 16), (None, 1)] {
            let (mut near, far) = duplex(2 << 20);
            near.write_all(&vec![0; 1 << 20]).await.unwrap();
            let limits = Limits {
                bytes_per_turn,
                ..Limits::unguarded()
            };
            let mut frames = Frames::new(far, &limits, &Clock::start());
            let mut polls = 0;
            let mut left = 1 << 20;
            let mut buffer = vec![0; 16 << 10];
            let reading = std::future::poll_fn(|cx| {
                polls += 1;
                while left > 0 {
                    let mut buf = ReadBuf::new(&mut buffer);
                    std::task::ready!(Pin::new(&mut frames).poll_read(cx, &mut buf)).unwrap();
                    left -= buf.filled().len();
                }
                Poll::Ready(())
            });
            timeout(Duration::from_secs(10), reading).await.unwrap();
            assert!((turns..=2 * turns).contains(&polls), "{polls} turns of {turns}");
        }
    }

    #[tokio::test]
    async fn a_flood_ends_in_an_error() {
        let (mut near, far) = duplex(4_096);
        near.write_all(&[b'P'; H2_PREFACE_BYTES]).await.unwrap();
        near.write_all(&frame(PING, 8).repeat(11)).await.unwrap();
        let mut frames = Frames::new(far, &limits(), &Clock::start());
        let error = frames.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert!(error.to_string().contains("carry nothing"), "{error}");
    }
}
