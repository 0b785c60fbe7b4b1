//! A panic, on a terminal: this binary starts itself on one, to panic there.

use std::{env, io::Read, thread};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::*;

#[test]
#[ignore = "role: of the test below"]
fn panics_on_the_screen() {
    let mut screen = Screen::take().unwrap();
    screen
        .draw(|frame| frame.render_widget("drawn on a screen", frame.area()))
        .unwrap();
    // Not the thread that draws: its screen is not even dropped.
    drop(thread::spawn(|| panic!("out of luck")).join());
}

#[test]
fn a_panic_on_any_thread_is_read_on_the_terminal_as_it_was() {
    let size = PtySize {
        rows: 24,
        cols: 100,
        ..PtySize::default()
    };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut role = CommandBuilder::new(env::current_exe().unwrap());
    let name = "top::screen::tests::panics_on_the_screen";
    role.args([name, "--exact", "--ignored", "--nocapture"]);
    role.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(role).unwrap();
    let mut terminal = pair.master.try_clone_reader().unwrap();
    drop(pair.slave);
    let mut parser = vt100::Parser::new(24, 100, 0);
    let mut drawn = false;
    let mut bytes = [0; 1024];
    // Ends when the last process on it does.
    while let Ok(count @ 1..) = terminal.read(&mut bytes) {
        for byte in &bytes[..count] {
            parser.process(&[*byte]);
            drawn |= parser.screen().alternate_screen()
                && parser.screen().contents().contains("drawn on a screen");
        }
    }
    child.wait().unwrap();
    let screen = parser.screen();
    assert!(drawn, "{}", screen.contents());
    assert!(!screen.alternate_screen() && !screen.hide_cursor());
    assert!(screen.contents().contains("out of luck"), "{}", screen.contents());
    assert!(!screen.contents().contains("drawn on a screen"));
}
