//! Watchers of what is not gRPC: raw frames, Redis and NATS. One to a connection.
//!
//! Of each the bytes of a message are known in advance, so that hearing one is comparing and counting.

use anyhow::ensure;

use super::{Board, Place, Wire};

/// NATS asks now and then whether anybody is there; between two changes, as far as this is used.
const PING: &[u8] = b"PING\r\n";

/// One watcher.
#[derive(Debug)]
pub(crate) struct Listener {
    /// What it sends first.
    opening: Vec<u8>,
    /// What it is answered.
    greeting: Vec<u8>,
    /// What each change is.
    change: Vec<u8>,
    greeted: bool,
    place: Place,
}

impl Listener {
    pub(crate) fn new(opening: &[u8], greeting: &[u8], change: &[u8]) -> Self {
        Self {
            opening: opening.to_vec(),
            greeting: greeting.to_vec(),
            change: change.to_vec(),
            greeted: false,
            place: Place::default(),
        }
    }
}

impl Wire for Listener {
    fn opening(&self) -> Vec<u8> {
        self.opening.clone()
    }

    fn take_in(&mut self, bytes: &[u8], out: &mut Vec<u8>, board: &Board) -> anyhow::Result<usize> {
        let mut rest = bytes;
        if !self.greeted {
            // NATS introduces itself first.
            let Some(at) = rest
                .windows(self.greeting.len())
                .position(|window| window == self.greeting)
            else {
                return Ok(0);
            };
            self.greeted = true;
            board.greet(&mut self.place);
            rest = &rest[at + self.greeting.len()..];
        }
        if let Some(behind) = rest.strip_prefix(PING) {
            out.extend_from_slice(b"PONG\r\n");
            rest = behind;
        }
        while let Some((change, behind)) = rest.split_at_checked(self.change.len()) {
            ensure!(change == self.change, "not the change that was made: {change:?}");
            board.hear(&mut self.place)?;
            rest = behind;
        }
        Ok(bytes.len() - rest.len())
    }
}
