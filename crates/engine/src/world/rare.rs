//! A list that most things do not have: nothing but a word where it is empty.
//!
//! It is read and changed as a slice, and knows nothing of what is in it. A vector was not taken: it takes three words of
//! everything that has none, 24 MB of a million instances without signals. Where there is one this allocates once more.

use std::ops::{Deref, DerefMut};

#[derive(Debug)]
#[expect(clippy::box_collection, reason = "the box is what makes it a word")]
pub(crate) struct Rare<T>(Option<Box<Vec<T>>>);

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Rare<T> {
    pub(crate) fn push(&mut self, thing: T) {
        self.0.get_or_insert_default().push(thing);
    }

    /// All of them, and none are left.
    pub(crate) fn take(&mut self) -> Vec<T> {
        self.0.take().map_or_else(Vec::new, |things| *things)
    }
}

impl<T> Deref for Rare<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |things| things)
    }
}

impl<T> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_mut().map_or(&mut [], |things| things)
    }
}
