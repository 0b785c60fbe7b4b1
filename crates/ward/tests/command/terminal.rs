//! A person at a terminal: types, and reads what is shown.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{Read, Write},
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::house::PATIENCE;

/// One command that runs at a terminal. It ends with its owner.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    screen: Receiver<String>,
    shown: String,
    // Closed with it, which hangs up.
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    pub(crate) fn start(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_ward"));
        command.args(args);
        command.env("NO_COLOR", "1");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        let (keyboard, mut reader) = (
            pair.master.take_writer().unwrap(),
            pair.master.try_clone_reader().unwrap(),
        );
        let (show, screen) = sync_channel(1_000);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = reader.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                if count == 0 || show.send(text).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keyboard,
            screen,
            shown: String::new(),
            _master: pair.master,
        }
    }

    /// Waits until `text` is shown.
    pub(crate) fn expect(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let more = self.screen.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|error| panic!("{error} for {text:?}; shown {:?}", self.shown));
            self.shown.push_str(&more);
        }
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits for its end; gives its exit code and all that was shown.
    pub(crate) fn ended(mut self) -> (u32, String) {
        let code = self.child.wait().unwrap().exit_code();
        while let Ok(more) = self.screen.recv_timeout(std::time::Duration::from_millis(500)) {
            self.shown.push_str(&more);
        }
        (code, std::mem::take(&mut self.shown))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}
