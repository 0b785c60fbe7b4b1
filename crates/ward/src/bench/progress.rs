//! How far a run is: a bar where somebody looks, a line now and then where it goes into a log.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use super::{plan::Plan, tally::Tally};
use crate::output::Out;

/// Between two lines in a log.
const LINES: Duration = Duration::from_secs(10);

pub(super) struct Progress<'a> {
    out: &'a mut Out,
    /// `None` where nobody looks.
    bar: Option<ProgressBar>,
    streams: u32,
    duration: Duration,
    /// When the next line is due.
    next_line: Duration,
}

impl<'a> Progress<'a> {
    pub(super) fn new(plan: &Plan, out: &'a mut Out) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {elapsed}  {msg}");
            ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            out,
            bar,
            streams: plan.streams,
            duration: plan.duration,
            next_line: LINES,
        }
    }

    /// How many streams say hello or have done so.
    pub(super) fn filling(&mut self, tally: &Tally, passed: Duration) {
        let (ready, instances) = (Tally::get(&tally.ready), tally.registered());
        let text = format!(
            "{ready} of {} streams, {instances} instances registered",
            self.streams
        );
        self.tell(ready, self.streams.into(), passed, text);
    }

    /// The measuring begins. A log is told at this very moment, so that who reads along can measure beside it.
    pub(super) fn begin(&mut self, tally: &Tally) {
        self.next_line = LINES;
        if self.bar.is_none() {
            let (opened, instances) = (Tally::get(&tally.opened), tally.registered());
            self.out.note(&format!(
                "measuring {} s: {instances} instances on {opened} streams",
                self.duration.as_secs()
            ));
        }
    }

    pub(super) fn measuring(&mut self, tally: &Tally, passed: Duration) {
        let get = Tally::get;
        let text = format!(
            "{} of {} s: {} beats sent, {} acknowledged; a change seen in {:.1} ms (p99); {} suspected, {} lost",
            passed.as_secs(),
            self.duration.as_secs(),
            get(&tally.beats),
            get(&tally.acknowledged),
            tally.seen.quantile(0.99),
            get(&tally.suspected),
            get(&tally.lost),
        );
        let (passed_ms, all_ms) = (passed.as_millis() as u64, self.duration.as_millis() as u64);
        self.tell(passed_ms.min(all_ms), all_ms, passed, text);
    }

    fn tell(&mut self, done: u64, all: u64, passed: Duration, text: String) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(all);
                bar.set_position(done);
                bar.set_message(text);
            }
            None if passed >= self.next_line => {
                self.next_line = passed + LINES;
                self.out.note(&text);
            }
            None => {}
        }
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
