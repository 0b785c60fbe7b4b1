//! What is to be looked at later, by the time: many things at one moment cost no more each than one alone.
//!
//! Things lie together by stretches of [`STRETCH`], unordered within one, and what is struck out of a long stretch
//! stays in it: whoever takes a stretch asks each thing whether its moment has come. An ordered set of moments was not
//! taken: with a hundred thousand instances lost in one tick each step through it misses the cache.
//!
//! It knows neither what things are nor when exactly they are due; their holders do.

use std::collections::BTreeMap;

use ward_model::Mono;

/// Bits of a moment, in nanoseconds, that are left out: 8.4 ms, a little less than a tick.
const STRETCH: u32 = 23;
/// Up to so many things in its stretch one is struck out at once. What stays beyond that was noted in one stretch with
/// many others, and is gone when the stretch has come.
const SHORT: usize = 64;

#[derive(Debug)]
pub(crate) struct Agenda<T> {
    /// By [`stretch`].
    stretches: BTreeMap<u64, Vec<T>>,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            stretches: BTreeMap::new(),
        }
    }
}

impl<T: Copy + PartialEq> Agenda<T> {
    /// The thing is to be looked at at `at`. Its holder remembers that.
    pub(crate) fn note(&mut self, at: Mono, thing: T) {
        self.stretches.entry(stretch(at)).or_default().push(thing);
    }

    /// The thing noted for `at` need not be looked at then.
    pub(crate) fn strike(&mut self, at: Mono, thing: T) {
        let Some(things) = self.stretches.get_mut(&stretch(at)) else {
            return;
        };
        if things.len() > SHORT {
            return;
        }
        if let Some(place) = things.iter().rposition(|&noted| noted == thing) {
            things.swap_remove(place);
        }
        if things.is_empty() {
            self.stretches.remove(&stretch(at));
        }
    }

    /// Takes out what has come by `now`, in the order of time but for what lies in one stretch. `moment` says for when a
    /// thing was noted last; `None` where nobody waits for it any more. One that was struck and noted again in the same
    /// stretch may come twice.
    pub(crate) fn come(&mut self, now: Mono, mut moment: impl FnMut(T) -> Option<Mono>) -> Vec<T> {
        let mut come = Vec::new();
        let mut open = Vec::new();
        while let Some(first) = self
            .stretches
            .first_entry()
            .filter(|first| *first.key() <= stretch(now))
        {
            for thing in first.remove() {
                match moment(thing) {
                    Some(at) if at <= now => come.push(thing),
                    Some(at) if stretch(at) == stretch(now) => open.push(thing),
                    _ => {}
                }
            }
        }
        if !open.is_empty() {
            self.stretches.insert(stretch(now), open);
        }
        come
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.stretches.values().map(Vec::len).sum()
    }
}

fn stretch(at: Mono) -> u64 {
    at.0 >> STRETCH
}
