//! Processes of the command under test: one that runs to its end, an aggregator, a watch. All end with their owner.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use ward_proto::v1::{self, health_service_client::HealthServiceClient};

/// Far more than anything here takes, for machines that are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An address that nobody listens on: bound, and let go.
pub(crate) fn nowhere() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

/// Waits until `is_so`, asking again and again.
#[expect(clippy::disallowed_methods, reason = "a deadline")]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not so: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// `ward`, away from the environment of whoever runs the tests.
pub(crate) fn command(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ward"));
    for variable in [
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "WARD_SERVER",
        "WARD_TLS_CA",
        "WARD_TLS_CERT",
        "WARD_TLS_KEY",
        "WARD_TOKEN_FILE",
        "WARD_LOG",
        "RUST_LOG",
        "COLUMNS",
        "USER",
        "LOGNAME",
    ] {
        command.env_remove(variable);
    }
    command
        .env("TZ", "UTC")
        // What is seen of audit logs is not kept among what this user has seen.
        .env("XDG_STATE_HOME", std::env::temp_dir().join("ward-command-tests"))
        .envs(variables.iter().copied())
        .args(args)
        .stdin(Stdio::null());
    command
}

pub(crate) fn ward(args: &[&str]) -> Done {
    ward_with(args, &[])
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test measures how long a command takes"
)]
pub(crate) fn ward_with(args: &[&str], variables: &[(&str, &str)]) -> Done {
    let begun = Instant::now();
    let output = command(args, variables).output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        took: begun.elapsed(),
    }
}

/// Text with what differs from run to run replaced: moments by `MOMENT`, spans by `SPAN`.
pub(crate) fn masked(text: &str) -> String {
    let digits = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let is_span = |word: &str| word.strip_suffix(['s', 'm']).is_some_and(digits);
    let is_day = |word: &str| word.len() == 10 && word.split('-').all(digits) && word.contains('-');
    let is_time = |word: &str| word.len() == 8 && word.split(':').all(digits) && word.contains(':');
    let word = |word: &str| {
        let bare = word.trim_matches(['(', ')', ',', ':']);
        let shown = match bare {
            // Tenths of a second are for what is over.
            bare if is_span(&bare.replacen('.', "", 1)) => "SPAN",
            bare if is_day(bare) => "DAY",
            bare if is_time(bare) => "TIME",
            bare => bare,
        };
        if bare.is_empty() {
            word.to_owned()
        } else {
            word.replacen(bare, shown, 1)
        }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n";
    text.lines().map(line).collect()
}

/// A service with one instance of one check: its name, the check's word and message, what it needs.
pub(crate) type Member = (&'static str, v1::Status, &'static str, &'static [&'static str]);

/// storefront (critical) -> payments -> bank, with the bank as given.
pub(crate) fn shop(bank: v1::Status) -> Vec<Member> {
    let message = if bank == v1::Status::Healthy {
        ""
    } else {
        "no ledger"
    };
    vec![
        ("bank", bank, message, &[]),
        ("payments", v1::Status::Healthy, "", &["bank"]),
        ("storefront", v1::Status::Healthy, "", &["payments"]),
    ]
}

/// `ward aggregator` as a process, on ports of its own.
#[derive(Debug)]
pub(crate) struct Aggregator {
    child: Child,
    data: TempDir,
    pub(crate) grpc: String,
    http: String,
}

impl Aggregator {
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0".to_owned();
        let child = Self::spawn(&data, &any, &any);
        let mut aggregator = Self {
            child,
            data,
            grpc: any.clone(),
            http: any,
        };
        aggregator.listening();
        aggregator
    }

    /// That reads this file, named by the environment.
    pub(crate) fn configured(file: &std::path::Path) -> Self {
        let data = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0";
        let args = ["aggregator", "--http", any];
        let variables = [
            ("WARD_CONFIG", file.to_str().unwrap()),
            ("WARD_DATA_DIR", data.path().to_str().unwrap()),
            ("WARD_GRPC", any),
        ];
        let mut aggregator = Self {
            child: Self::spawn_with(&args, &variables),
            data,
            grpc: String::new(),
            http: String::new(),
        };
        aggregator.listening();
        aggregator
    }

    pub(crate) fn data_dir(&self) -> String {
        self.data.path().to_str().unwrap().to_owned()
    }

    /// Asks it to read its configuration again.
    pub(crate) fn hang_up(&self) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGHUP).unwrap();
    }

    pub(crate) fn metrics(&self) -> String {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(&self.http).unwrap();
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.http
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// As a crash and a supervisor would: the same ports, the same data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// On the ports and the data of the one that was killed.
    pub(crate) fn restart(&mut self) {
        self.child = Self::spawn(&self.data, &self.grpc, &self.http);
        self.listening();
    }

    fn spawn(data: &TempDir, grpc: &str, http: &str) -> Child {
        let data = data.path().to_str().unwrap();
        let args = ["aggregator", "--grpc", grpc, "--http", http, "--data-dir", data];
        Self::spawn_with(&args, &[])
    }

    fn spawn_with(args: &[&str], variables: &[(&str, &str)]) -> Child {
        command(args, variables)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Waits until it says where it listens.
    fn listening(&mut self) {
        let lines = lines(self.child.stderr.take().unwrap());
        let mut said = Vec::new();
        loop {
            let line = lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("does not listen; said {said:#?}"));
            if let Some((grpc, http)) = line
                .strip_prefix("listening grpc=")
                .and_then(|rest| rest.split_once(" http="))
            {
                (self.grpc, self.http) = (grpc.to_owned(), http.to_owned());
                return;
            }
            said.push(line);
        }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.run_with(args, &[])
    }

    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Done {
        let variables: Vec<_> = variables
            .iter()
            .copied()
            .chain([("WARD_SERVER", self.grpc.as_str())])
            .collect();
        ward_with(args, &variables)
    }

    pub(crate) async fn shop(&self, bank: v1::Status) {
        self.report(&shop(bank)).await;
    }

    /// Reports each member once; they keep still for an hour after that.
    pub(crate) async fn report(&self, members: &[Member]) {
        for &member in members {
            self.say(hello(member)).await;
        }
    }

    pub(crate) async fn say(&self, hello: v1::Hello) {
        let mut client = HealthServiceClient::connect(format!("http://{}", self.grpc))
            .await
            .unwrap();
        let request = v1::ReportOnceRequest {
            hello: Some(hello),
            goodbye: false,
        };
        let answer = client.report_once(request).await.unwrap().into_inner();
        assert_eq!(answer.rejections, Vec::new());
    }
}

/// What a member says of itself.
pub(crate) fn hello((service, status, message, needs): Member) -> v1::Hello {
    let criticality = if service == "storefront" {
        v1::Criticality::Critical
    } else {
        v1::Criticality::Important
    };
    v1::Hello {
        service: service.into(),
        instance: "0".into(),
        incarnation: "life-1".into(),
        version: "1.2.3".into(),
        interval_ms: 3_600_000,
        criticality: criticality.into(),
        dependencies: needs
            .iter()
            .map(|&on| v1::Dependency {
                service: on.into(),
                ..Default::default()
            })
            .collect(),
        results: vec![v1::CheckResult {
            name: "ledger".into(),
            status: status.into(),
            message: message.into(),
        }],
        ..v1::Hello::default()
    }
}

impl Drop for Aggregator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `ward watch` as a process whose lines are read as they come.
#[derive(Debug)]
pub(crate) struct Watch {
    child: Child,
    lines: Receiver<String>,
    notes: Receiver<String>,
    heard: Vec<String>,
    noted: Vec<String>,
    unread: Option<BufReader<ChildStdout>>,
}

impl Watch {
    pub(crate) fn start(aggregator: &Aggregator, args: &[&str]) -> Self {
        let (mut watch, stdout) = Self::spawn(aggregator, args);
        watch.lines = lines(stdout);
        watch
    }

    /// Reads one line, closes the pipe and waits for the end.
    pub(crate) fn read_one_and_leave(aggregator: &Aggregator) -> (String, (i32, String)) {
        let (watch, stdout) = Self::spawn(aggregator, &[]);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        (line, watch.ended())
    }

    /// Reads one line and then no more, without closing the pipe.
    pub(crate) fn read_one_and_stay(aggregator: &Aggregator, args: &[&str]) -> Self {
        let (mut watch, stdout) = Self::spawn(aggregator, args);
        let mut unread = BufReader::new(stdout);
        unread.read_line(&mut String::new()).unwrap();
        watch.unread = Some(unread);
        watch
    }

    fn spawn(aggregator: &Aggregator, args: &[&str]) -> (Self, ChildStdout) {
        let args: Vec<_> = ["watch", "--server", &aggregator.grpc]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let mut child = command(&args, &[])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (_, silent) = sync_channel(0);
        (
            Self {
                child,
                lines: silent,
                notes: lines(stderr),
                heard: Vec::new(),
                noted: Vec::new(),
                unread: None,
            },
            stdout,
        )
    }

    /// Waits for a line for each of `expected`, in any order, among whatever else there is.
    pub(crate) fn expect(&mut self, expected: &[&str]) {
        let mut missing = expected.to_vec();
        while !missing.is_empty() {
            let line = self.line(&missing);
            missing.retain(|expected| !says(&line, expected));
        }
    }

    /// Waits for a line for each of `expected`, in any order, with nothing else in between or before.
    pub(crate) fn expect_next(&mut self, expected: &[&str]) {
        let mut missing = expected.to_vec();
        while !missing.is_empty() {
            let line = self.line(&missing);
            let at = missing.iter().position(|expected| says(&line, expected));
            missing.remove(at.unwrap_or_else(|| {
                panic!(
                    "unexpected {line:?}, expected {missing:#?}, heard {:#?}",
                    self.heard
                )
            }));
        }
    }

    fn line(&mut self, missing: &[&str]) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|error| {
            panic!(
                "{error} for {missing:#?}; heard {:#?}, noted {:?}",
                self.heard,
                self.notes.try_iter().collect::<Vec<_>>()
            )
        });
        self.heard.push(line.clone());
        line
    }

    pub(crate) fn expect_note(&mut self, expected: &str) {
        while self.noted.last().map(String::as_str) != Some(expected) {
            let note = self.notes.recv_timeout(PATIENCE);
            self.noted.push(
                note.unwrap_or_else(|error| panic!("{error} for {expected:?}, noted {:?}", self.noted)),
            );
        }
    }

    /// Lets what was reported arrive, so that a false alarm could be told. Shows nothing by itself: the lines behind do.
    pub(crate) fn breathe(&self) {
        thread::sleep(Duration::from_millis(50));
    }

    pub(crate) fn interrupt(&self) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            Signal::SIGINT,
        )
        .unwrap();
    }

    /// Waits for its end; gives its exit code and what it said on standard error.
    #[expect(clippy::disallowed_methods, reason = "a deadline")]
    pub(crate) fn ended(mut self) -> (i32, String) {
        let end = Instant::now() + PATIENCE;
        let code = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code().unwrap_or(-1),
                None if Instant::now() > end => panic!("does not end; heard {:#?}", self.heard),
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        while let Ok(note) = self.notes.recv_timeout(PATIENCE) {
            self.noted.push(note);
        }
        (code, self.noted.iter().map(|note| format!("{note}\n")).collect())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The line without its moment starts with the words of `expected`.
fn says(line: &str, expected: &str) -> bool {
    let mut words = line.split_whitespace().skip(2);
    expected.split(' ').all(|word| words.next() == Some(word))
}

/// The lines of a stream, as they come.
pub(crate) fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    // More than any test says.
    let (heard, lines) = sync_channel(10_000);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Read on when nobody wants them, so that the writer is not held up.
            drop(heard.try_send(line));
        }
    });
    lines
}
