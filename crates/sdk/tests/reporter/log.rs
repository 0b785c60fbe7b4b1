//! What one test logs: on its own thread, which is where its reporter runs.
//!
//! One subscriber for all tests, which asks the thread. A subscriber for each of them was not taken: what the process
//! remembers of who wants which line is wrong for a moment when one comes or goes, and a line is lost then.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    cell::RefCell,
    io::{self, Write},
    sync::{Arc, Mutex, Once},
};

use tracing::{Level, Metadata, subscriber::set_global_default};
use tracing_subscriber::{
    Layer as _, Registry,
    filter::dynamic_filter_fn,
    fmt::{MakeWriter, layer},
    layer::SubscriberExt as _,
};

thread_local! {
    static HERE: RefCell<Option<(Level, Log)>> = const { RefCell::new(None) };
}

/// Everything that was logged here.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// From now on, down to `level`.
    pub(crate) fn begin(level: Level) -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let wanted = dynamic_filter_fn(|line: &Metadata<'_>, _| {
                HERE.with_borrow(|here| here.as_ref().is_some_and(|(level, _)| line.level() <= level))
            });
            let lines = layer().with_ansi(false).with_writer(Here).with_filter(wanted);
            set_global_default(Registry::default().with(lines)).unwrap();
        });
        let log = Self(Arc::default());
        HERE.set(Some((level, log.clone())));
        log
    }

    /// The lines with this in them.
    pub(crate) fn lines(&self, with: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|line| line.contains(with));
        lines.map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes to the log of the thread.
struct Here;

impl<'a> MakeWriter<'a> for Here {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        let here = HERE.with_borrow(|here| here.as_ref().map(|(_, log)| log.clone()));
        here.expect("only what is wanted is written")
    }
}
