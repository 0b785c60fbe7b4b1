//! How often in a row something could not be read: once is noise, three times is a finding.
//!
//! For checks that believe one reading at once (`debounce(1, 1)`), where what counts is not the reading itself but that
//! there was none. Counting all results instead was not taken: a full disk would then be told 90 s late.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use ward_model::Status;

/// Readings in a row that are not there. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Misses(Arc<AtomicU32>);

impl Misses {
    /// So many say nothing.
    const NOISE: u32 = 2;

    /// A reading begins, and is a miss until [`Misses::read`] says otherwise: one that is given up says no more.
    pub(crate) fn begin(&self) {
        // It would take a century to wrap.
        self.0.fetch_add(1, Relaxed);
    }

    /// The reading is there.
    pub(crate) fn read(&self) {
        self.0.store(0, Relaxed);
    }

    /// What to make of a reading that is not.
    pub(crate) fn status(&self) -> Status {
        if self.0.load(Relaxed) > Self::NOISE {
            Status::Unhealthy
        } else {
            Status::Unknown
        }
    }
}
