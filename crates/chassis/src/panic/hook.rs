//! Knows, on the thread that panics, whether somebody is about to catch it.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook},
    sync::Once,
};

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Panicked>> = const { RefCell::new(None) };
}

/// What a panic said, and where.
#[derive(Debug)]
pub(super) struct Panicked {
    pub(super) message: String,
    pub(super) location: String,
    /// If `RUST_BACKTRACE` asks for it.
    pub(super) backtrace: Option<String>,
}

/// Runs `work` and catches its panic. The service it runs in may be left half changed, hence what is shared between
/// requests must hold up when one of them stops anywhere: `parking_lot` locks do not poison, and the engine has a
/// writer of its own that no handler runs in.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let outer = IS_GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(outer);
    // Without a record, somebody replaced the hook: then it has been printed, but the peer still needs an answer.
    result.map_err(|_| {
        LAST.take().unwrap_or_else(|| Panicked {
            message: "unknown".into(),
            location: "unknown".into(),
            backtrace: None,
        })
    })
}

pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if IS_GUARDED.get() {
                LAST.set(Some(record(info)));
            } else if tracing::dispatcher::has_been_set() {
                let Panicked { message, location, backtrace } = record(info);
                let thread = std::thread::current().name().map(str::to_owned);
                tracing::error!(panic = ?super::answer::cut(&message), location, thread, backtrace, "panicked outside of any handler");
            } else {
                previous(info);
            }
        }));
    });
}

fn record(info: &PanicHookInfo<'_>) -> Panicked {
    let backtrace = Backtrace::capture();
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or(payload.downcast_ref::<String>().map(String::as_str));
    Panicked {
        message: message.unwrap_or("not text").to_owned(),
        location: info
            .location()
            .map_or_else(|| "unknown".to_owned(), ToString::to_string),
        backtrace: (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string()),
    }
}
