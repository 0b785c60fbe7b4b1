//! The terminal, taken and given back: whatever happens in between, its owner finds it as it was.
//!
//! Taken is the alternate screen, without the cursor, in raw mode; the mouse is left alone, so that text can be selected.
//! It is given back when this is dropped, by a panic on any thread before that says what happened, and while the process
//! is stopped. `ratatui::init` was not taken: it knows of panics and of nothing else.

use std::{
    io::{self, Stdout, stdout},
    panic,
};

use nix::{
    sys::signal::{Signal, kill, raise},
    unistd::{Pid, getpgrp, getsid},
};
use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        execute,
        terminal::{
            Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
            is_raw_mode_enabled,
        },
    },
};

/// A terminal that is ours for now.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    away: bool,
}

impl Screen {
    /// Takes the terminal on standard output.
    pub(super) fn take() -> io::Result<Self> {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            give_back();
            previous(panicked);
        }));
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).inspect_err(|_| give_back())?;
        Ok(Self {
            terminal,
            away: false,
        })
    }

    /// Draws what differs from what was drawn; nothing while the process is stopped.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !self.away {
            self.terminal.draw(draw)?;
        }
        Ok(())
    }

    /// Draws all of it next time, for a terminal that somebody else wrote on.
    ///
    /// `Terminal::clear` was not taken: it asks the terminal where the cursor is, and who reads keys takes the answer.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        execute!(stdout(), Clear(ClearType::All))?;
        self.terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(())
    }

    /// Gives the terminal back and stops the process, as the shell expects of Ctrl-Z. [`back`](Self::back) takes it again.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        if nobody_continues() {
            return Ok(());
        }
        give_back();
        self.away = true;
        // Not SIGTSTP, which is handled here, as it may come from elsewhere.
        raise(Signal::SIGSTOP).map_err(io::Error::from)
    }

    /// Continued, and whoever was there meanwhile may have left the terminal in any state.
    pub(super) fn back(&mut self) -> io::Result<()> {
        self.away = false;
        disable_raw_mode()?;
        take()?;
        self.forget()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen).inspect_err(|_| give_back())
}

/// Once: a second time would move the cursor back over what was written since.
fn give_back() {
    if is_raw_mode_enabled().unwrap_or(true) {
        give_back_mode();
        // A terminal that is gone does not need it.
        drop(execute!(stdout(), LeaveAlternateScreen, Show));
    }
}

/// The part that cannot be held up by a terminal that takes no more text.
pub(super) fn give_back_mode() {
    drop(disable_raw_mode());
}

/// In the process group of the session's leader there is no shell with jobs above: stopped, it would stay so, and the
/// terminal with it. The kernel ignores SIGTSTP there for the same reason.
fn nobody_continues() -> bool {
    getsid(None).is_ok_and(|session| session == getpgrp())
}

/// Asks all processes of this job to stop, this one too, as the terminal does outside of raw mode.
pub(super) fn stop_group() -> io::Result<()> {
    kill(Pid::from_raw(0), Signal::SIGTSTP).map_err(io::Error::from)
}

#[cfg(test)]
mod tests;
