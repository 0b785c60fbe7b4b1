//! What the tests of the whole have in common.

use std::{path::Path, sync::Arc};

use ward_chassis::Clock;
use ward_model::{Epoch, Now, Revision};

use crate::{Draft, Kind, Log, OpenError, Opened, Options, Source, Start, files::Files, tail::Sizes};

pub(crate) fn start() -> Start {
    Start {
        clock: Clock::start(),
        boot_id: "boot".to_owned(),
        epoch: Epoch(1),
    }
}

/// Small files, so that what happens at their ends happens often.
pub(crate) fn small() -> Options {
    Options {
        sizes: Sizes {
            full: 32 << 10,
            step: 16 << 10,
        },
    }
}

pub(crate) fn draft(n: u64) -> Draft {
    Draft::new(
        Kind::Transition,
        Source::Engine,
        format!("service-{}", n % 7),
        Now::default(),
    )
    .at(Epoch(1), Revision(n))
    .with("n", n.to_string())
}

/// What `draft` was called with.
pub(crate) fn number(event: &crate::Event) -> u64 {
    event.evidence.get("n").unwrap().parse().unwrap()
}

pub(crate) fn open(dir: &Path) -> Result<(Log, Opened), OpenError> {
    Log::open(dir, Options::default(), start())
}

pub(crate) fn open_in(files: &Arc<dyn Files>) -> Result<(Log, Opened), OpenError> {
    Log::open_in(files.clone(), small(), start())
}

/// Waits for a future, as tests that need no runtime do.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}
