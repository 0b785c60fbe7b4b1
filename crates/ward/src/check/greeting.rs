//! Whether who was connected to speaks HTTP/2: a server has to begin with its settings.
//!
//! Without looking, a port that accepts and says nothing, or speaks something else, would be a call that failed, though
//! there never was a connection that a call could be made over; grpc_health_probe counts it as the latter, and so do we.
//! The transport does not tell when the settings come, so the first bytes are read along here.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

use super::dial::Stream;
use crate::failure::root;

/// How a frame of HTTP/2 begins: length (3 bytes), type, flags, stream (4 bytes).
const HEADER_BYTES: usize = 9;
/// The type of the frame that has to come first.
const SETTINGS: u8 = 4;
/// The content types with which TLS begins: an alert, a handshake.
const TLS: [u8; 2] = [0x15, 0x16];

/// That settings came, or what came instead.
pub(super) type Greeting = oneshot::Receiver<Result<(), String>>;

/// A connection whose first bytes are looked at.
pub(super) struct Greeted {
    stream: Stream,
    first: Vec<u8>,
    told: Option<oneshot::Sender<Result<(), String>>>,
}

impl Greeted {
    pub(super) fn new(stream: Stream) -> (Self, Greeting) {
        let (told, greeting) = oneshot::channel();
        let greeted = Self {
            stream,
            first: Vec::with_capacity(HEADER_BYTES),
            told: Some(told),
        };
        (greeted, greeting)
    }

    fn tell(&mut self, greeting: Result<(), String>) {
        if let Some(told) = self.told.take() {
            // Who does not wait any longer has given up already.
            drop(told.send(greeting));
        }
    }

    fn look(&mut self, read: &[u8]) {
        let missing = HEADER_BYTES - self.first.len();
        self.first.extend(read.iter().take(missing));
        match judged(&self.first) {
            Some(greeting) => self.tell(greeting),
            None if read.is_empty() => self.tell(Err("it closed the connection without a word".into())),
            None => {}
        }
    }
}

/// `None` while more has to be seen.
fn judged(first: &[u8]) -> Option<Result<(), String>> {
    let (&begin, kind) = (first.first()?, first.get(3));
    if TLS.contains(&begin) {
        return Some(Err("it speaks TLS: ask with --tls, grpcs:// or https://".into()));
    }
    if first.starts_with(b"HTTP") {
        return Some(Err("it speaks HTTP and not gRPC: ask with http://".into()));
    }
    match kind {
        Some(&SETTINGS) if first.len() < HEADER_BYTES => None,
        Some(&SETTINGS) if first[5..] == [0; 4] => Some(Ok(())),
        None => None,
        _ => Some(Err("what it speaks is not gRPC".into())),
    }
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if self.told.is_some() {
            match &read {
                Ok(()) => self.look(&buffer.filled()[before..]),
                Err(error) => self.tell(Err(root(error))),
            }
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        if let Err(error) = &written {
            self.tell(Err(root(error)));
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_a_greeting_and_nothing_else_is() {
        let judged = |bytes: &[u8]| judged(bytes).map(|greeting| greeting.map_err(|why| why.len()));
        assert_eq!(judged(&[0, 0, 6, 4, 0, 0, 0, 0, 0]), Some(Ok(())));
        for so_far in [&[] as &[u8], &[0, 0, 6], &[0, 0, 6, 4, 0, 0, 0, 0], b"HTT"] {
            assert_eq!(judged(so_far), None, "{so_far:?}");
        }
        for other in [
            b"HTTP" as &[u8],
            b"SSH-",
            b"+PONG\r\n",
            &[0x15, 3, 3],
            &[0, 0, 0, 7],
            &[0, 0, 6, 4, 0, 0, 0, 0, 1],
        ] {
            assert!(matches!(judged(other), Some(Err(_))), "{other:?}");
        }
    }
}
