//! How much memory takes what is kept only so that it need not be made again.
//!
//! Whoever keeps something counts it in a [`Room`] for as long as it lives, so that what is kept by readers, at any time
//! and on any thread, is seen by the one who keeps to the bounds. A sum kept by the ring itself was not taken: clones of
//! the ring are read at the same time, and what is made through an old one would be counted never or for ever.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// How many bytes are kept. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(super) struct Room(Arc<AtomicUsize>);

impl Room {
    /// Bytes kept now.
    pub(super) fn taken(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// Something that is counted as long as it lives.
#[derive(Debug)]
pub(super) struct Kept<T> {
    value: T,
    bytes: usize,
    room: Room,
}

impl<T> Kept<T> {
    pub(super) fn new(value: T, bytes: usize, room: &Room) -> Self {
        room.0.fetch_add(bytes, Relaxed);
        Self {
            value,
            bytes,
            room: room.clone(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl<T> std::ops::Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.bytes, Relaxed);
    }
}
