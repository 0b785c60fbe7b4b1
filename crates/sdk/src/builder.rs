//! Everything a service can say about itself before it starts.
//!
//! The setters take what they are given; [`Builder::start`] checks all of it by the rules the aggregator has, so that a
//! mistake is an error of the deployment and not a refusal later. A configuration file was not taken: what a service
//! declares belongs next to its code.

use std::{collections::HashSet, env, fs, io, path::PathBuf, process, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::watch, task::JoinSet};
use ward_chassis::Clock;
use ward_engine::Debounce;
use ward_model::{
    CheckDeclaration, Criticality, DependencyKind, Hello, MinHealthy, Status, bounds::NAME_BYTES,
};
use ward_proto::{Converted, Invalid, v1};

use crate::{
    board::{Board, Cell, OWN},
    check::Check,
    credentials::Credentials,
    liveness::{self, Liveness},
    reporter::Reporter,
    run,
    server::{InvalidServer, Wanted},
    session::Session,
    signal::Signal,
    stream::Stream,
};

/// The heartbeat of the runtime itself.
const RUNTIME: &str = "the runtime";
/// How long the runtime may stand still.
const STUCK_AFTER: Duration = Duration::from_secs(5);
const DEFAULT_SERVER: &str = "127.0.0.1:7700";

/// Why a reporter did not start. An aggregator that is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something declared is not as it must be.
    #[error("declare a service")]
    Declaration(#[from] Invalid),
    /// Not an address, or what is to be shown there cannot be used.
    #[error(transparent)]
    Server(#[from] InvalidServer),
    /// Called outside of a tokio runtime.
    #[error("start a reporter outside of a tokio runtime")]
    Runtime(#[from] tokio::runtime::TryCurrentError),
    /// No thread to be had.
    #[error("start the thread that watches liveness")]
    Thread(#[from] io::Error),
}

/// What a service says about itself. See [`Reporter::builder`].
#[derive(Debug)]
#[must_use = "nothing is reported before start()"]
pub struct Builder {
    server: Wanted,
    hello: v1::Hello,
    checks: Vec<Check>,
    signals: Vec<Signal>,
    heartbeats: Vec<(String, Duration)>,
    memory_ceiling: Option<u64>,
    stuck_after: Duration,
    own_word_awaited: bool,
}

impl Builder {
    pub(crate) fn new(service: String) -> Self {
        Self {
            server: Wanted::default(),
            hello: v1::Hello {
                service,
                ..v1::Hello::default()
            },
            checks: Vec::new(),
            signals: Vec::new(),
            heartbeats: Vec::new(),
            memory_ceiling: None,
            stuck_after: STUCK_AFTER,
            own_word_awaited: false,
        }
    }

    /// The aggregator: `host:port`, or `https://host:port` for TLS. Unless said `WARD_SERVER`, or 127.0.0.1:7700 where
    /// that is empty or not set.
    pub fn server(mut self, server: impl Into<String>) -> Self {
        self.server.address = Some(server.into());
        self
    }

    /// Speak TLS, and trust the authorities in this PEM file instead of the system's. Unless said `WARD_TLS_CA`.
    ///
    /// This file and those below are read anew for each connection, so that what is rotated is taken up without a
    /// restart.
    pub fn tls_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.server.credentials.tls_ca = Some(file.into());
        self
    }

    /// Speak TLS, and show the certificate in this PEM file, with its chain, and the key in that one (mTLS). Unless said
    /// `WARD_TLS_CERT` and `WARD_TLS_KEY`.
    pub fn tls_cert(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.server.credentials.tls_cert = Some(cert.into());
        self.server.credentials.tls_key = Some(key.into());
        self
    }

    /// Show the bearer token in this file. It goes over TLS only. Unless said `WARD_TOKEN_FILE`.
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.server.credentials.token_file = Some(file.into());
        self
    }

    /// All of these at once, and the environment is not asked for what is left out.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.server.credentials = credentials;
        self.server.complete = true;
        self
    }

    /// Which instance of the service this is. Unless said, host name and process id, so that each process is another
    /// one; where a restart should be seen as the same instance coming back, name it.
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.hello.instance = instance.into();
        self
    }

    /// At most 64 bytes.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.hello.version = version.into();
        self
    }

    /// How often it will be heard: 100 ms to 1 h, 5 s unless said. Missing three, it is suspect. Where the aggregator's
    /// configuration names another interval for the service, that is kept instead.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.hello.interval_ms = millis(interval);
        self
    }

    /// For people and for selecting. At most 16.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.hello.labels.insert(key.into(), value.into());
        self
    }

    /// How much the service matters to the system.
    pub fn criticality(mut self, criticality: Criticality) -> Self {
        self.hello.criticality = v1::Criticality::from(criticality).into();
        self
    }

    /// It is as bad as `service`.
    pub fn hard(self, service: impl Into<String>) -> Self {
        self.dependency(service.into(), DependencyKind::Hard, String::new())
    }

    /// It is degraded when `service` is unhealthy.
    pub fn soft(self, service: impl Into<String>) -> Self {
        self.dependency(service.into(), DependencyKind::Soft, String::new())
    }

    /// It is as bad as the best of `services`, a group of that name.
    pub fn any_of<S: Into<String>>(
        self,
        group: impl Into<String>,
        services: impl IntoIterator<Item = S>,
    ) -> Self {
        let group = group.into();
        services.into_iter().fold(self, |builder, service| {
            builder.dependency(service.into(), DependencyKind::Hard, group.clone())
        })
    }

    /// How many instances of the service must be there; one unless said.
    pub fn min_healthy(mut self, min: MinHealthy) -> Self {
        self.hello.min_healthy = Some(min.into());
        self
    }

    /// How long checks may stay without a first result; 5 min unless said.
    pub fn startup_deadline(mut self, deadline: Duration) -> Self {
        self.hello.startup_deadline_ms = millis(deadline);
        self
    }

    /// Something to look at again and again. At most 31.
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// A number to report. At most 32.
    pub fn signal(mut self, signal: Signal) -> Self {
        self.signals.push(signal);
        self
    }

    /// A loop of the service that goes round at least once in `within`, or `/livez` says that the process is stuck.
    pub fn heartbeat(mut self, name: impl Into<String>, within: Duration) -> Self {
        self.heartbeats.push((name.into(), within));
        self
    }

    /// With more bytes resident than this `/livez` says so (on Linux).
    pub fn memory_ceiling(mut self, bytes: u64) -> Self {
        self.memory_ceiling = Some(bytes);
        self
    }

    /// How long the runtime may stand still before `/livez` says that it is stuck; 5 s unless said.
    pub fn stuck_after(mut self, stuck_after: Duration) -> Self {
        self.stuck_after = stuck_after;
        self
    }

    /// The service is unknown until its first [`Reporter::set_status`]; without this its own word is healthy until it
    /// says otherwise.
    pub fn await_own_word(mut self) -> Self {
        self.own_word_awaited = true;
        self
    }

    /// Starts to run the checks and to report, in the background of the present runtime. Returns at once.
    ///
    /// # Errors
    ///
    /// Something declared is not as it must be, or there is no runtime. Never because the aggregator is away.
    pub fn start(self) -> Result<Reporter, StartError> {
        let runtime = Handle::try_current()?;
        let environment = chosen(env::var("WARD_SERVER").ok());
        let server = self.server.clone().server(&environment)?;
        let introduction = self.introduction();
        let declared = declared(introduction.clone())?;
        distinct(&self.heartbeats)?;
        mistakes(&self.checks)?;
        let signals = declared
            .signals
            .iter()
            .map(|signal| signal.name.clone())
            .zip(self.signals().map(Signal::handle))
            .collect();
        let cells = cells(&declared, &self.checks);
        let (service, version) = (declared.id.service, declared.version);
        let board = Arc::new(Board::new(service, version, Clock::start(), cells, signals));
        if !self.own_word_awaited {
            board.say(Status::Healthy, "");
        }
        let liveness = self.liveness(&runtime)?;
        let (stop, stopped) = watch::channel(false);
        let session = Session::new(introduction);
        let stream = Stream::new(Arc::clone(&board), server, session, declared.interval, stopped);
        let mut checks = JoinSet::new();
        for (number, check) in self.checks.into_iter().enumerate() {
            let phase = rand::random();
            checks.spawn_on(run::run(check, Arc::clone(&board), number, phase), &runtime);
        }
        let mut reporting = JoinSet::new();
        reporting.spawn_on(stream.run(), &runtime);
        Ok(Reporter::new(board, liveness, stop, checks, reporting))
    }

    fn dependency(mut self, service: String, kind: DependencyKind, any_of: String) -> Self {
        let kind = v1::DependencyKind::from(kind).into();
        self.hello.dependencies.push(v1::Dependency {
            service,
            kind,
            any_of,
        });
        self
    }

    /// The hello, its state left out.
    fn introduction(&self) -> v1::Hello {
        let mut hello = self.hello.clone();
        if hello.instance.is_empty() {
            hello.instance = default_instance(&host_name(), process::id());
        }
        hello.incarnation = format!("{:032x}", rand::random::<u128>());
        let own = v1::CheckDeclaration {
            name: OWN.into(),
            kind: v1::CheckKind::Required.into(),
            ..Default::default()
        };
        let check = |check: &Check| v1::CheckDeclaration {
            name: check.name.clone(),
            kind: v1::CheckKind::from(check.kind).into(),
            subject: check.subject.clone(),
            period_ms: millis(check.period),
        };
        hello.checks = std::iter::once(own)
            .chain(self.checks.iter().map(check))
            .collect();
        hello.signals = self.signals().map(|signal| signal.wire.clone()).collect();
        hello
    }

    /// Its own and those of its checks.
    fn signals(&self) -> impl Iterator<Item = &Signal> {
        self.signals
            .iter()
            .chain(self.checks.iter().flat_map(|check| &check.signals))
    }

    fn liveness(&self, runtime: &Handle) -> io::Result<Arc<Liveness>> {
        let mut heartbeats = self.heartbeats.clone();
        heartbeats.push((RUNTIME.into(), self.stuck_after));
        let liveness = Arc::new(Liveness::new(heartbeats, self.memory_ceiling));
        // Ends with the last holder of `liveness`, not with the reporter: routes may outlive it.
        runtime.spawn(liveness::turn(Arc::downgrade(&liveness), RUNTIME));
        liveness.watch()?;
        Ok(liveness)
    }
}

/// Of two heartbeats of one name only one could be found to be beaten, and the other would have the process restarted
/// for ever.
fn distinct(heartbeats: &[(String, Duration)]) -> Result<(), Invalid> {
    let mut seen = HashSet::from([RUNTIME]);
    match heartbeats.iter().position(|(name, _)| !seen.insert(name)) {
        Some(index) => Err(Invalid::new(
            format!("heartbeats[{index}].name"),
            "is there twice, expected once",
        )),
        None => Ok(()),
    }
}

/// What a ready-made check was given and cannot work with.
fn mistakes(checks: &[Check]) -> Result<(), Invalid> {
    let mistake = |(index, check): (usize, &Check)| {
        let mistake = check.mistake.clone()?;
        Some(mistake.within(format_args!("checks[{index}]")))
    };
    checks.iter().enumerate().find_map(mistake).map_or(Ok(()), Err)
}

/// What is declared, checked by the rules the aggregator has. What that would leave out is a mistake here.
fn declared(introduction: v1::Hello) -> Result<Hello, Invalid> {
    let Converted { value, left_out } = Converted::<Hello>::try_from(introduction)?;
    left_out.into_iter().next().map_or(Ok(value), Err)
}

/// Where its checks stand, those that run.
fn cells(declared: &Hello, checks: &[Check]) -> Vec<Cell> {
    // The service's own word is declared first.
    let declared = declared.checks.iter().skip(1);
    let cell = |(declared, check): (&CheckDeclaration, &Check)| {
        let debounce = Debounce::new(check.rise, check.fall).with_period(check.period);
        Cell::new(declared.name.clone(), declared.kind, debounce)
    };
    declared.zip(checks).map(cell).collect()
}

/// The server where none is said in code. A variable set to nothing says nothing.
fn chosen(environment: Option<String>) -> String {
    let environment = environment.filter(|server| !server.is_empty());
    environment.unwrap_or_else(|| DEFAULT_SERVER.into())
}

/// Whole milliseconds, at least one: zero would mean the default.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).max(1)
}

fn host_name() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    kernel.or_else(|| env::var("HOSTNAME").ok()).unwrap_or_default()
}

/// A valid name of `host` and `process`, whatever the host is called.
fn default_instance(host: &str, process: u32) -> String {
    let process = process.to_string();
    let fold = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' => c,
        _ => '-',
    };
    let room = NAME_BYTES - process.len() - 1;
    let host: String = host.trim().chars().map(fold).take(room).collect();
    match host.trim_matches('-') {
        "" => format!("process-{process}"),
        host => format!("{host}-{process}"),
    }
}

#[cfg(test)]
mod tests {
    use ward_model::Name;

    use super::*;

    #[test]
    fn an_empty_variable_names_no_server() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(chosen(some("")), DEFAULT_SERVER);
        assert_eq!(chosen(some("ward:1")), "ward:1");
    }

    #[test]
    fn any_host_makes_a_valid_name() {
        assert_eq!(default_instance("Web-1.example\n", 7), "web-1.example-7");
        assert_eq!(default_instance("", 7), "process-7");
        for host in ["Büro_PC", &"x".repeat(300), "\u{1b}[31m", "___"] {
            let name = default_instance(host, u32::MAX);
            assert!(Name::instance(&name).is_ok(), "{name}");
        }
    }

    #[test]
    fn there_must_be_a_runtime() {
        assert!(matches!(
            Builder::new("payments".into()).start(),
            Err(StartError::Runtime(_))
        ));
    }

    #[tokio::test]
    async fn mistakes_are_told_before_anything_starts() {
        let refused = |builder: Builder| match builder.start() {
            Err(StartError::Declaration(invalid)) => invalid.field,
            other => panic!("expected a declaration to be refused, not {other:?}"),
        };
        let builder = || Builder::new("payments".into());
        let check = |name: &str| Check::new(name, || async {});
        assert_eq!(refused(Builder::new("Payments".into())), "hello.service");
        assert_eq!(
            refused(builder().check(check("a")).check(check("a"))),
            "hello.checks[2].name"
        );
        assert_eq!(refused(builder().check(check(OWN))), "hello.checks[1].name");
        assert_eq!(
            refused(builder().hard("payments")),
            "hello.dependencies[0].service"
        );
        assert_eq!(
            refused(builder().interval(Duration::from_micros(10))),
            "hello.interval_ms"
        );
        assert_eq!(
            refused(builder().signal(Signal::new("x").degraded(1.0, 2.0))),
            "hello.signals[0].degraded.clear"
        );
        let second = Duration::from_secs(1);
        assert_eq!(
            refused(builder().heartbeat("loop", second).heartbeat("loop", second)),
            "heartbeats[1].name"
        );
        assert_eq!(
            refused(builder().heartbeat(RUNTIME, second)),
            "heartbeats[0].name"
        );
        assert!(matches!(
            builder().server("nowhere").start(),
            Err(StartError::Server(_))
        ));
    }

    #[tokio::test]
    async fn a_check_brings_its_signals_and_its_mistakes() {
        let depth = Signal::new("queue_depth");
        let handle = depth.handle();
        let check = |name: &str, signal| Check::new(name, || async {}).sets(signal);
        let builder = || Builder::new("payments".into()).signal(Signal::new("error_ratio"));
        let field = |builder: Builder| match builder.start() {
            Err(StartError::Declaration(invalid)) => invalid.field,
            other => panic!("expected a declaration to be refused, not {other:?}"),
        };
        let twice = builder()
            .check(check("a", Signal::new("depth")))
            .check(check("b", Signal::new("depth")));
        assert_eq!(field(twice), "hello.signals[2].name");
        let mistaken = crate::checks::Tcp::new("bank", "bank").check();
        let builder_of_two = builder().check(check("a", Signal::new("x"))).check(mistaken);
        assert_eq!(field(builder_of_two), "checks[1].target");

        let reporter = builder().check(check("queue", depth)).start().unwrap();
        handle.set(7.0);
        assert_eq!(reporter.signal("queue_depth").get(), Some(7.0));
        assert_eq!(reporter.signal("error_ratio").get(), None);
    }

    #[tokio::test]
    async fn an_own_word_may_be_awaited() {
        let status = |builder: Builder| builder.start().unwrap().health().status;
        assert_eq!(status(Builder::new("payments".into())), Status::Healthy);
        assert_eq!(
            status(Builder::new("payments".into()).await_own_word()),
            Status::Unknown
        );
    }
}
