//! How far it is: a bar for who looks, nothing for a log.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

/// One piece of work.
#[derive(Debug)]
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(crate) fn new(what: &'static str) -> Self {
        let looked_at = std::io::stderr().is_terminal();
        Self(looked_at.then(|| {
            let style = ProgressStyle::with_template("{msg:20} {bar:30} {percent:>3} %  {elapsed}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(1).with_style(style).with_message(what)
        }))
    }

    pub(crate) fn at(&self, done: u64, all: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(all.max(1));
            bar.set_position(done);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
