//! What stands on the terminal while it runs: which item, how far, how long still.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error; nothing where that is no terminal.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(items: usize) -> Self {
        let bar = ProgressBar::new(items as u64);
        let style =
            ProgressStyle::with_template("{prefix:>4} {bar:30} item {pos} of {len}, {elapsed}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// Shows nothing.
    #[cfg(test)]
    pub(crate) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    pub(crate) fn begin(&self, item: &'static str, what: &'static str) {
        self.0.set_prefix(item);
        self.0.set_message(what);
    }

    /// A sample was taken.
    pub(crate) fn tick(&self) {
        self.0.tick();
    }

    pub(crate) fn done(&self) {
        self.0.inc(1);
    }

    /// A line that stays, above the bar.
    pub(crate) fn say(&self, line: &str) {
        self.0.suspend(|| eprintln!("{line}"));
    }

    pub(crate) fn finish(self) {
        self.0.finish_and_clear();
    }
}
