//! What other tests run in a process of its own: this binary again, with one ignored test and its argument in the
//! environment.

use std::{
    env,
    future::pending,
    io::{self, BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use ward_chassis::{Clock, Drain, data_dir::DataDir, logs, shutdown, telemetry};

pub(crate) const ARGUMENT: &str = "WARD_TEST_ARGUMENT";

/// A process of a test: killed with it.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Starts the role `name` of this file. Its output is the caller's to read.
    pub(crate) fn start(name: &str, argument: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", &format!("child::{name}"), "--ignored", "--nocapture"]);
        command.env(ARGUMENT, argument).envs(environment.iter().copied());
        Self(
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    /// Waits for a line on stdout that holds `text`.
    pub(crate) fn until_it_says(&mut self, text: &str) {
        let out = BufReader::new(self.0.stdout.as_mut().unwrap());
        let said = out.lines().map_while(Result::ok).any(|line| line.contains(text));
        assert!(said, "it ended without saying {text:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn argument() -> String {
    env::var(ARGUMENT).expect("started by another test")
}

#[test]
#[ignore = "role: played for other tests"]
fn hold_a_directory() {
    let mut held = DataDir::lock(argument(), &Clock::start()).unwrap();
    held.announce(["127.0.0.1:7700".parse().unwrap()]).unwrap();
    println!("holding");
    std::thread::sleep(Duration::from_secs(60));
}

#[tokio::test]
#[ignore = "role: played for other tests"]
async fn drain_for_ever() {
    let shutdown = shutdown::signal().unwrap();
    println!("waiting for a signal");
    shutdown.triggered().await;
    println!("draining");
    let minute = Duration::from_secs(60);
    let aborted = Drain::new(minute)
        .step("stuck", minute, pending())
        .run(&Clock::start(), &shutdown)
        .await;
    println!("{}", aborted.unwrap_err());
}

#[test]
#[ignore = "role: played for other tests"]
fn log_a_line() {
    let format = if argument() == "json" {
        logs::Format::Json
    } else {
        logs::Format::Compact
    };
    match logs::init(format, "info") {
        Ok(_) => {
            tracing::info!(from = "\u{1b}[31mred", "hello");
            tracing::debug!("details");
            assert!(matches!(
                logs::init(format, "info"),
                Err(logs::LogsError::Installed)
            ));
        }
        Err(error) => eprintln!("refused: {error}"),
    }
}

#[test]
#[ignore = "role: played for other tests"]
fn log_a_flood() {
    let dropped = logs::init(logs::Format::Json, "debug").unwrap();
    for n in 0..1_000 {
        tracing::error!(n, "again");
        tracing::debug!(n, "asked for");
    }
    tracing::info!(dropped = dropped.count(), "somebody else");
}

#[test]
#[ignore = "role: played for other tests"]
fn panic_outside_of_handlers() {
    logs::init(logs::Format::Json, "info").unwrap();
    let _layer = ward_chassis::panic::CatchPanicLayer::new(false);
    assert!(std::thread::spawn(|| panic!("stray")).join().is_err());
}

/// Does what its input says: a number is so many spans, with a line in the first and an error in the last. Says what was
/// lost behind each. Within a runtime, as those who tell are.
#[tokio::test]
#[ignore = "role: played for other tests"]
async fn tell_of_work() {
    let dir = argument();
    let lines = logs::Lines {
        format: logs::Format::Json,
        filter: "info",
        dir: Some(Path::new(&dir)).filter(|dir| !dir.as_os_str().is_empty()),
    };
    let telemetry = telemetry::begin("shop", lines).unwrap();
    let clock = Clock::start();
    for line in io::stdin().lock().lines() {
        let begun = clock.mono();
        work(line.unwrap().parse().unwrap());
        let (took, lost) = (clock.mono().since(begun), telemetry.lost());
        let (spans, lines) = (lost.spans.count(), lost.file_lines.count());
        println!("done: {} {spans} {lines}", took.as_millis());
    }
    let begun = clock.mono();
    drop(telemetry);
    println!("done: {} 0 0", clock.mono().since(begun).as_millis());
}

fn work(spans: u32) {
    drop(telemetry::told::tell("told", None, Duration::ZERO, &[]));
    for n in 1..=spans {
        let _work = tracing::info_span!(target: "ward_test", "work", n).entered();
        // Those of others are nobody's business.
        let _frame = tracing::info_span!(target: "h2::codec", "frame").entered();
        if n == 1 {
            tracing::info!("begun");
        }
        if n == spans {
            tracing::error!("all done");
        }
    }
}
