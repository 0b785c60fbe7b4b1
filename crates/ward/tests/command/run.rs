//! `ward report --run`: the command must not notice, and the aggregator must know.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    house::{self, Aggregator, command, nowhere, until},
    terminal::Terminal,
};

/// `ward report job --run ARGS`, away from any terminal, so that it is the same wherever the tests run.
struct Job {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

#[derive(Debug)]
struct Ended {
    code: i32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Until nobody held its output any longer.
    took: Duration,
}

impl Job {
    fn start(server: &str, options: &[&str], run: &[&str]) -> Self {
        let ward = command(&[], &[]);
        let mut alone = Command::new("setsid");
        alone
            .arg(ward.get_program())
            .args(["report", "job", "--server", server])
            .args(options)
            .args(["--run", "--"])
            .args(run)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = alone.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    fn say(&mut self, bytes: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test measures how long a command takes"
    )]
    fn ended(mut self) -> Ended {
        let begun = Instant::now();
        drop(self.child.stdin.take());
        let mut notes = self.child.stderr.take().unwrap();
        let notes = std::thread::spawn(move || {
            let mut stderr = Vec::new();
            notes.read_to_end(&mut stderr).unwrap();
            stderr
        });
        let mut stdout = Vec::new();
        self.stdout.read_to_end(&mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        Ended {
            code: status.code().unwrap_or(-1),
            stdout,
            stderr: notes.join().unwrap(),
            took: begun.elapsed(),
        }
    }
}

fn run(server: &str, options: &[&str], run: &[&str]) -> Ended {
    Job::start(server, options, run).ended()
}

/// The only instance of the job.
fn instance(ward: &Aggregator) -> Value {
    let done = ward.run(&["status", "job", "-o", "json"]);
    let service: Value = serde_json::from_str(&done.stdout).unwrap_or_default();
    service["instances"].get(0).cloned().unwrap_or_default()
}

/// The status and the message of its run.
fn word(ward: &Aggregator) -> (String, String) {
    let condition = &instance(ward)["checks"][0]["condition"];
    let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

#[test]
fn it_ends_as_the_command_does_and_says_so() {
    let ward = Aggregator::start();
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    fs::write(&plain, "no program\n").unwrap();
    for (args, code, status, message) in [
        (
            &["sh", "-c", "echo noise >&2"] as &[&str],
            0,
            "healthy",
            "exit code 0 after SPAN",
        ),
        (
            &["sh", "-c", "echo no disk >&2; exit 3"],
            3,
            "unhealthy",
            "exit code 3 after SPAN: no disk",
        ),
        (
            &["sh", "-c", "exit 255"],
            255,
            "unhealthy",
            "exit code 255 after SPAN",
        ),
        (
            &["sh", "-c", "kill -9 $$"],
            137,
            "unhealthy",
            "ended by SIGKILL after SPAN",
        ),
        (
            &["sh", "-c", "kill -USR1 $$"],
            138,
            "unhealthy",
            "ended by SIGUSR1 after SPAN",
        ),
        (
            &[
                "sh",
                "-c",
                "printf '\\033[31mbad\\033[0m\\033[2J\\a\\302\\233' >&2; exit 1",
            ],
            1,
            "unhealthy",
            "exit code 1 after SPAN: bad\\u{9b}",
        ),
        (
            &["nowhere-to-be-found"],
            127,
            "unhealthy",
            "cannot be started: No such file or directory (os error 2)",
        ),
        (
            &[plain.to_str().unwrap()],
            126,
            "unhealthy",
            "cannot be started: Permission denied (os error 13)",
        ),
        (&["true"], 0, "healthy", "exit code 0 after SPAN"),
    ] {
        let ended = run(&ward.grpc, &[], args);
        assert_eq!(
            ended.code,
            code,
            "{args:?}: {}",
            String::from_utf8_lossy(&ended.stderr)
        );
        let (is, why) = word(&ward);
        assert_eq!(
            (is.as_str(), house::masked(&why).trim()),
            (status, message),
            "{args:?}"
        );
        let job = instance(&ward);
        assert_eq!(job["interval_ms"], 86_400_000);
        let signals = &job["signals"];
        assert_eq!(
            (&signals[0]["name"], &signals[1]["name"]),
            (&"duration_seconds".into(), &"exit_code".into())
        );
        assert_eq!(signals[1]["value"], f64::from(code));
    }
}

#[test]
fn what_goes_in_and_out_is_left_alone() {
    let ward = Aggregator::start();
    // What is not text, longer than a pipe holds, without a line end at the end.
    let bytes: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    let mut job = Job::start(&ward.grpc, &[], &["sh", "-c", "tee /dev/stderr; exit 5"]);
    let mut stdin = job.child.stdin.take().unwrap();
    let writing = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&writing));
    let ended = job.ended();
    writer.join().unwrap().unwrap();
    assert_eq!(ended.code, 5);
    assert!(
        ended.stdout == bytes && ended.stderr == bytes,
        "{} {}",
        ended.stdout.len(),
        ended.stderr.len()
    );
    // Arguments, hyphens and all, are the command's.
    let ended = run(&ward.grpc, &[], &["printf", "%s,", "--server", "-h", "--", "a b"]);
    assert_eq!(
        (ended.code, ended.stdout.as_slice()),
        (0, b"--server,-h,--,a b," as &[u8])
    );
    // As the shortest form has it.
    let short = ward.run(&["report", "job", "--run", "printf", "%s", "-x"]);
    assert_eq!(
        (short.code, short.stdout.as_str(), short.stderr.as_str()),
        (0, "-x", "")
    );
}

#[test]
fn an_aggregator_that_is_away_changes_nothing_but_a_line() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for server in [nowhere(), silent.local_addr().unwrap().to_string()] {
        let ended = run(&server, &[], &["sh", "-c", "echo out; echo err >&2; exit 4"]);
        assert_eq!((ended.code, ended.stdout.as_slice()), (4, b"out\n" as &[u8]));
        let stderr = String::from_utf8(ended.stderr).unwrap();
        let lines: Vec<_> = stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{stderr}");
        assert_eq!(lines[0], "err");
        assert!(
            lines[1].starts_with("warning: how this ended is not reported: no a"),
            "{stderr}"
        );
    }
}

#[test]
fn an_aggregator_that_comes_back_is_told() {
    let mut ward = Aggregator::start();
    let mut job = Job::start(
        &ward.grpc,
        &[],
        &["sh", "-c", "echo ready; read line; echo bye; exit 6"],
    );
    assert_eq!(job.line(), "ready");
    ward.kill();
    job.say(b"go\n");
    // Over, or as good as over: the first attempts find nobody.
    assert_eq!(job.line(), "bye");
    ward.restart();
    let ended = job.ended();
    assert_eq!((ended.code, ended.stderr.as_slice()), (6, b"" as &[u8]));
    assert_eq!(word(&ward).0, "unhealthy");
}

#[test]
fn while_it_runs_its_lease_is_short_and_the_last_word_stands() {
    let ward = Aggregator::start();
    let waits = ["sh", "-c", "echo ready; read code; exit $code"];
    let running = || instance(&ward)["interval_ms"] == 30_000;
    let mut first = Job::start(&ward.grpc, &[], &waits);
    until("the first run is heard of", running);
    let (status, message) = word(&ward);
    assert!(
        status == "unknown" && message.starts_with("running since 20"),
        "{status} {message}"
    );
    first.say(b"3\n");
    assert_eq!(first.ended().code, 3);
    let (status, message) = word(&ward);
    assert_eq!(status, "unhealthy");
    assert_eq!(instance(&ward)["interval_ms"], 86_400_000);

    let mut second = Job::start(&ward.grpc, &[], &waits);
    until("the second run is heard of", running);
    assert_eq!(word(&ward), (status, message));
    second.say(b"0\n");
    assert_eq!(second.ended().code, 0);
    assert_eq!(word(&ward).0, "healthy");
}

/// Holds the first connection to `server` back until there is a second, and the answer to that for a second longer.
fn overtakable(server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut held = None;
        for (at, client) in listener.incoming().flatten().enumerate() {
            if at == 0 {
                held = Some(client);
                continue;
            }
            if let Some(first) = held.take() {
                join(first, &server, Duration::ZERO);
            }
            let late = u64::from(at == 1);
            join(client, &server, Duration::from_secs(late));
        }
    });
    address
}

fn join(client: TcpStream, server: &str, answer_after: Duration) {
    let server = TcpStream::connect(server).unwrap();
    let copy = |mut from: TcpStream, mut to: TcpStream, after: Duration| {
        std::thread::spawn(move || {
            std::thread::sleep(after);
            // One who has gone away meanwhile is what this is about.
            drop(std::io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Write));
        })
    };
    let (asking, answering) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    copy(asking, server, Duration::ZERO);
    copy(answering, client, answer_after);
}

#[test]
fn a_beat_that_is_late_does_not_overtake_the_last_word() {
    let ward = Aggregator::start();
    let server = overtakable(ward.grpc.clone());
    // The first beat, a second after the start, gets no answer.
    let mut job = Job::start(&server, &[], &["sh", "-c", "echo $$; sleep 1.5; exit 0"]);
    let pid: i32 = job.line().parse().unwrap();
    until("the command has ended", || {
        kill(Pid::from_raw(pid), None).is_err()
    });
    for _ in 0..2 {
        job.signal(Signal::SIGTERM);
        // Two that come at once are one.
        std::thread::sleep(Duration::from_millis(300));
    }
    let ended = job.ended();
    assert_eq!((ended.code, ended.stderr.as_slice()), (0, b"" as &[u8]));
    assert_eq!(word(&ward).0, "healthy");
    assert_eq!(instance(&ward)["interval_ms"], 86_400_000);
}

#[test]
fn an_aggregator_that_hangs_costs_ten_seconds_at_most() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();
    // With a beat under way at the end.
    let mut job = Job::start(&server, &[], &["sh", "-c", "echo ready; sleep 1.2; echo bye"]);
    assert_eq!((job.line(), job.line()), ("ready".into(), "bye".into()));
    let ended = job.ended();
    assert_eq!(ended.code, 0);
    assert!(ended.took < Duration::from_secs(12), "{:?}", ended.took);
}

#[test]
fn signals_are_the_commands() {
    let ward = Aggregator::start();
    let script = "trap 'echo got TERM; exit 7' TERM; trap 'echo got HUP' HUP; trap 'exit 9' INT; echo ready
        while :; do sleep 0.02; done";
    let mut job = Job::start(&ward.grpc, &[], &["sh", "-c", script]);
    assert_eq!(job.line(), "ready");
    job.signal(Signal::SIGHUP);
    assert_eq!(job.line(), "got HUP");
    job.signal(Signal::SIGTERM);
    let ended = job.ended();
    assert_eq!((ended.code, ended.stdout.as_slice()), (7, b"got TERM\n" as &[u8]));
    assert!(word(&ward).1.starts_with("exit code 7"));

    let mut job = Job::start(&ward.grpc, &[], &["sh", "-c", "echo ready; sleep 60"]);
    assert_eq!(job.line(), "ready");
    job.signal(Signal::SIGTERM);
    assert_eq!(job.ended().code, 143);
    assert!(word(&ward).1.starts_with("ended by SIGTERM"));

    let mut job = Job::start(&ward.grpc, &[], &["sh", "-c", "echo $$; exec sleep 60"]);
    let pid: i32 = job.line().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    assert_eq!(job.ended().code, 137);
}

#[test]
fn who_stops_both_at_once_is_told_how_it_ended() {
    let ward = Aggregator::start();
    for _ in 0..10 {
        let script = "echo last >&2; echo $$; exec sleep 60";
        let mut job = Job::start(&ward.grpc, &[], &["sh", "-c", script]);
        let pid: i32 = job.line().parse().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
        job.signal(Signal::SIGTERM);
        let ended = job.ended();
        assert_eq!((ended.code, ended.stderr.as_slice()), (143, b"last\n" as &[u8]));
        let (_, message) = word(&ward);
        assert!(
            message.starts_with("ended by SIGTERM") && message.ends_with(": last"),
            "{message}"
        );
    }
}

#[test]
fn a_second_signal_urges_and_the_first_does_not() {
    for (signals, said) in [(1, "no aggregator at"), (2, "it was not waited for")] {
        let mut job = Job::start(&nowhere(), &[], &["sh", "-c", "echo $$; exit 6"]);
        let pid: i32 = job.line().parse().unwrap();
        until("the command has ended", || {
            kill(Pid::from_raw(pid), None).is_err()
        });
        for _ in 0..signals {
            job.signal(Signal::SIGTERM);
            // Two that come at once are one.
            std::thread::sleep(Duration::from_millis(300));
        }
        let ended = job.ended();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.code, 6, "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn what_is_ignored_stays_ignored() {
    let ward = Aggregator::start();
    let binary = command(&[], &[]).get_program().to_str().unwrap().to_owned();
    let script = format!(
        "trap '' HUP; exec {binary} report job --server {} --run -- sh -c \"$SCRIPT\"",
        ward.grpc
    );
    let job = "trap 'echo got USR1' USR1; trap 'exit 2' TERM; echo ready; while :; do sleep 0.02; done";
    let mut child = Command::new("setsid")
        .args(["sh", "-c", &script])
        .env("SCRIPT", job)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line
    };
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    assert_eq!(line(), "ready\n");
    kill(pid, Signal::SIGHUP).unwrap();
    // One that is passed on comes behind one that is not.
    kill(pid, Signal::SIGUSR1).unwrap();
    assert_eq!(line(), "got USR1\n");
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn its_time_can_be_limited() {
    let ward = Aggregator::start();
    // What it started is stopped with it, or standard output would stay open.
    let ended = run(
        &ward.grpc,
        &["--timeout", "300ms"],
        &["sh", "-c", "sleep 60; true"],
    );
    assert_eq!(ended.code, 124);
    assert!(ended.took < Duration::from_secs(50), "{:?}", ended.took);
    let (status, message) = word(&ward);
    assert_eq!(status, "unhealthy");
    assert!(
        message.starts_with("did not end within 300ms, ended by SIGTERM after "),
        "{message}"
    );
    // One that makes a success of being stopped has not succeeded.
    let ended = run(
        &ward.grpc,
        &["--timeout", "300ms"],
        &["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done"],
    );
    assert_eq!(ended.code, 124);
    let ended = run(
        &ward.grpc,
        &["--timeout", "300ms"],
        &["sh", "-c", "trap '' TERM; while :; do sleep 0.02; done"],
    );
    assert_eq!(ended.code, 124);
    assert!(
        word(&ward).1.contains("ended by SIGKILL after 10."),
        "{}",
        word(&ward).1
    );
    let ended = run(&ward.grpc, &["--timeout", "60s"], &["true"]);
    assert_eq!(ended.code, 0);
}

#[test]
fn errors_that_cannot_be_written_do_not_end_the_command() {
    let ward = Aggregator::start();
    let script = "for n in 1 2 3 4 5; do echo line $n >&2; sleep 0.1; done; exit 3";
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for stderr in [Stdio::from(full), Stdio::from(gone)] {
        let args = [
            "report", "job", "--server", &ward.grpc, "--run", "sh", "-c", script,
        ];
        let code = command(&args, &[]).stderr(stderr).status().unwrap().code();
        assert_eq!(code, Some(3));
        let (_, message) = word(&ward);
        assert!(message.ends_with(": line 5"), "{message}");
    }
}

#[test]
fn what_ignores_the_end_of_its_time_is_killed_though_the_command_obeys() {
    let ward = Aggregator::start();
    // It holds standard output open for as long as it lives.
    let script = "(trap '' TERM; echo ready; exec sleep 60) & wait";
    let mut job = Job::start(&ward.grpc, &["--timeout", "1s"], &["sh", "-c", script]);
    assert_eq!(job.line(), "ready");
    let ended = job.ended();
    assert_eq!(ended.code, 124);
    assert!(ended.took < Duration::from_secs(40), "{:?}", ended.took);
    let (_, message) = word(&ward);
    assert!(message.contains("ended by SIGKILL after 1"), "{message}");
}

#[test]
fn at_a_terminal_that_it_does_not_read_from_it_is_stopped_whole() {
    let ward = Aggregator::start();
    let binary = command(&[], &[]).get_program().to_str().unwrap().to_owned();
    // The pipe is closed when nobody is left who might write to it.
    let script = format!(
        "{binary} report inner --timeout 300ms --run -- sh -c 'sleep 300; true' </dev/null | cat; echo closed"
    );
    let mut person = Terminal::start(
        &["report", "job", "--run", "--", "sh", "-c", &script],
        &[("WARD_SERVER", &ward.grpc)],
    );
    person.expect("closed");
    assert_eq!(person.ended().0, 0);
}

#[test]
fn one_that_is_left_behind_is_not_waited_for() {
    let ward = Aggregator::start();
    let mut job = Job::start(
        &ward.grpc,
        &[],
        &["sh", "-c", "sleep 30 >/dev/null & echo $!; echo last >&2; exit 1"],
    );
    let left: i32 = job.line().parse().unwrap();
    let ended = job.ended();
    assert!(ended.took < Duration::from_secs(25), "{:?}", ended.took);
    kill(Pid::from_raw(left), Signal::SIGKILL).unwrap();
    assert_eq!((ended.code, ended.stderr.as_slice()), (1, b"last\n" as &[u8]));
    assert!(word(&ward).1.ends_with(": last"));
}

#[test]
fn at_a_terminal_the_command_is_at_the_terminal() {
    let ward = Aggregator::start();
    let script = "echo name?; read name; echo hello $name; exec sleep 60";
    let mut person = Terminal::start(
        &["report", "job", "--run", "--", "sh", "-c", script],
        &[("WARD_SERVER", &ward.grpc)],
    );
    person.expect("name?");
    person.type_in("ann\r");
    person.expect("hello ann");
    person.type_in("\u{3}");
    let (code, shown) = person.ended();
    assert_eq!(code, 130, "{shown}");
    assert!(word(&ward).1.starts_with("ended by SIGINT"));
}

#[test]
fn a_slow_reader_of_errors_does_not_keep_a_signal_out() {
    let ward = Aggregator::start();
    // More than the pipe to us and the one from us hold, and nobody reads.
    let script = "echo ready; head -c 1000000 /dev/zero >&2; echo done";
    let mut job = Job::start(&ward.grpc, &[], &["sh", "-c", script]);
    assert_eq!(job.line(), "ready");
    std::thread::sleep(Duration::from_millis(300));
    // Once for the command, once more for us who wait for the reader.
    until("it ends", || {
        let ended = job.child.try_wait().unwrap().is_some();
        if !ended {
            job.signal(Signal::SIGTERM);
        }
        ended
    });
    assert_eq!(job.child.wait().unwrap().code(), Some(143));
}
