//! A terminal as the command sees it, a pty, and as people see it: what is on its screen, and in which state it is left.
//!
//! Tests wait for what is on the screen, with a deadline, and never for time to pass.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fmt,
    fs::OpenOptions,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::{
    libc,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};
use vt100::{Parser, Screen};

use crate::house::PATIENCE;

/// Columns and rows.
pub(crate) type Size = (u16, u16);

/// A process on a terminal of its own. It ends with its owner.
pub(crate) struct Display {
    master: Box<dyn MasterPty + Send>,
    // Kept, so that its modes can be read when the process is gone.
    _slave: Box<dyn SlavePty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Seen>,
    hung: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

struct Seen {
    parser: Mutex<Parser>,
    changed: Condvar,
}

impl Display {
    /// `ward` with `args`.
    pub(crate) fn ward(size: Size, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let program = env!("CARGO_BIN_EXE_ward");
        let args: Vec<_> = [program].into_iter().chain(args.iter().copied()).collect();
        Self::start(size, &args, variables)
    }

    /// Any program.
    pub(crate) fn start((columns, rows): Size, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(pty_size((columns, rows))).unwrap();
        let mut command = CommandBuilder::from_argv(args.iter().map(Into::into).collect());
        command.env_clear();
        for (key, value) in [
            ("PATH", "/usr/bin:/bin"),
            ("TERM", "xterm-256color"),
            ("TZ", "UTC"),
        ]
        .iter()
        .chain(variables)
        {
            command.env(key, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        let seen = Arc::new(Seen {
            parser: Mutex::new(Parser::new(rows, columns, 0)),
            changed: Condvar::new(),
        });
        let hung = Arc::new(AtomicBool::new(false));
        let reader = read(
            pair.master.try_clone_reader().unwrap(),
            Arc::clone(&seen),
            Arc::clone(&hung),
        );
        Self {
            reader: Some(reader),
            keys: pair.master.take_writer().unwrap(),
            master: pair.master,
            _slave: pair.slave,
            child,
            seen,
            hung,
        }
    }

    /// Waits until the screen is as wanted.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Screen) -> bool) {
        let parser = self.seen.parser.lock().unwrap();
        let waited = self
            .seen
            .changed
            .wait_timeout_while(parser, PATIENCE * 2, |parser| !holds(parser.screen()));
        let (parser, timeout) = waited.unwrap();
        // Let go before failing, or the reader's thread fails as well.
        let shown = parser.screen().contents();
        drop(parser);
        assert!(!timeout.timed_out(), "not seen: {what}; on the screen:\n{shown}");
    }

    pub(crate) fn sees(&self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    pub(crate) fn sees_no(&self, text: &str) {
        self.until(&format!("no {text}"), |screen| !screen.contents().contains(text));
    }

    /// Waits for a row that has all of `words`.
    pub(crate) fn sees_row(&self, words: &[&str]) {
        self.until(&words.join(" .. "), |screen| {
            let contents = screen.contents();
            contents
                .lines()
                .any(|row| words.iter().all(|word| row.contains(word)))
        });
    }

    /// Waits until rows that begin with these stand below each other, in this order.
    pub(crate) fn sees_order(&self, names: &[&str]) {
        self.until(&names.join(" above "), |screen| {
            let contents = screen.contents();
            let places = names.iter().map(|name| {
                contents
                    .lines()
                    .position(|row| row.starts_with(&format!("{name} ")))
            });
            let places: Option<Vec<_>> = places.collect();
            places.is_some_and(|places| places.windows(2).all(|two| two[0] + 1 == two[1]))
        });
    }

    pub(crate) fn look<T>(&self, look: impl Fn(&Screen) -> T) -> T {
        look(self.seen.parser.lock().unwrap().screen())
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub(crate) fn resize(&self, (columns, rows): Size) {
        self.seen
            .parser
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(rows, columns);
        self.master.resize(pty_size((columns, rows))).unwrap();
    }

    /// Takes no more text from here on, as a connection that hangs: nobody reads, and what is kept for them is full.
    pub(crate) fn hang(&mut self) {
        self.hung.store(true, Relaxed);
        let mut filler = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(self.master.tty_name().unwrap())
            .unwrap();
        filler.write_all(b".").unwrap();
        self.reader.take().unwrap().join().unwrap();
        while filler.write(&[b'.'; 256]).is_ok() {}
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.process_id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// To the job that has the terminal.
    pub(crate) fn signal_foreground(&self, signal: Signal) {
        let group = self.master.process_group_leader().unwrap();
        kill(Pid::from_raw(-group), signal).unwrap();
    }

    /// Lines are edited and what is typed is shown, as a shell expects.
    pub(crate) fn is_cooked(&self) -> bool {
        let flags = self.master.get_termios().unwrap().local_flags.bits();
        flags & (libc::ICANON | libc::ECHO | libc::ISIG) == libc::ICANON | libc::ECHO | libc::ISIG
    }

    /// Waits until the terminal is as it was given.
    pub(crate) fn is_given_back(&self) {
        self.until("the terminal given back", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        assert!(self.is_cooked(), "not in the mode it was given in");
    }

    /// Waits for the end of the process; gives its exit code.
    pub(crate) fn ended(&mut self) -> u32 {
        let steps = PATIENCE.as_millis() / 10;
        for _ in 0..steps {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("does not end; on the screen:\n{}", self.look(Screen::contents));
    }
}

fn pty_size((cols, rows): Size) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn read(mut terminal: Box<dyn Read + Send>, seen: Arc<Seen>, hung: Arc<AtomicBool>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            if hung.load(Relaxed) {
                // Open, and not read.
                return std::mem::forget(terminal);
            }
            match terminal.read(&mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    seen.parser.lock().unwrap().process(&bytes[..count]);
                    seen.changed.notify_all();
                }
            }
        }
    })
}

impl Drop for Display {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl fmt::Debug for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Display").finish_non_exhaustive()
    }
}
