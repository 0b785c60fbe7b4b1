//! `ward watch`: tells changes as they happen, until Ctrl-C or until nobody reads.
//!
//! Following the aggregator across its restarts is the sdk's work; here each change becomes a line. Lines are written
//! on a thread that may wait: a pipe whose reader stopped reading blocks the write, and signals are to end the command
//! all the same.

mod line;
mod record;
pub(crate) mod witness;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use clap::{
    Args, ValueEnum,
    builder::{PathBufValueParser, TypedValueParser as _},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::Handle,
    task::spawn_blocking,
    time::sleep,
};
use ward_chassis::{Clock, Shutdown, shutdown};
use ward_model::{EntityKey, Name, Status};
use ward_sdk::watch::{Error, Event, Finding, Level, Update, Watcher};
use witness::{Memory, Place};

use crate::{
    Exit, Failure,
    access::as_flags,
    client::{Client, ClientArgs, Server},
    failure::root,
    near,
    output::{Escaped, Format, Out, Reader, Times},
    typed,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward watch
  ward watch storefront payments --level instance
  ward watch --least-severity degraded -o json
  ward watch --once                      the present state, line by line

Survives a restart of the aggregator: what comes back unchanged is not told. Ends with 0 at Ctrl-C.

Who watches is a witness of the audit log: what was seen of it is kept, and each later state has to begin
with that. If one does not, the log was rewritten: that is said at once, and at the end the exit code is 65.")]
pub(crate) struct WatchArgs {
    /// Services to tell of, with the system; all when left out
    #[arg(value_name = "NAME", value_parser = typed::service)]
    pub(crate) names: Vec<Name>,
    /// How deep to look
    #[arg(long, value_enum, default_value_t)]
    pub(crate) level: Depth,
    /// Only what is, or was until now, at least this bad
    #[arg(long, value_name = "STATUS", value_parser = typed::status(), default_value = "healthy")]
    pub(crate) least_severity: Status,
    /// Tell the present state and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Where to keep what was seen of the audit log; `none` for nowhere, and begin anew. Unless said, a file for each
    /// server in the state directory of this user
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().map(Place::from))]
    pub(crate) witness: Option<Place>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Depth {
    /// The system
    System,
    /// And its services
    #[default]
    Service,
    /// And their instances
    Instance,
}

impl From<Depth> for Level {
    fn from(depth: Depth) -> Self {
        match depth {
            Depth::System => Self::System,
            Depth::Service => Self::Service,
            Depth::Instance => Self::Instance,
        }
    }
}

/// How long a write may go on behind a signal to end.
const LAST_LINE: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: WatchArgs) -> Result<Exit, Failure> {
    let shutdown = shutdown::signal().map_err(Failure::runtime)?;
    if args.once && !args.names.is_empty() {
        tokio::select! {
            known = known(&args) => known?,
            () = shutdown.triggered() => return Ok(Exit::Good),
        }
    }
    // One look is over before there is anything to witness.
    let place = if args.once {
        Some(&Place::None)
    } else {
        args.witness.as_ref()
    };
    let (memory, held) = Memory::open(place, &args.client.server)?;
    let builder = args
        .client
        .server
        .watcher()
        .names(args.names.clone())
        .level(args.level.into())
        .least_severity(args.least_severity)
        .audit_heads(held);
    let watcher = builder.start()?;
    let rewritten = Rewritten::default();
    let told = Told {
        args,
        clock: Clock::start(),
        out: Out::new(),
        any: false,
        memory,
        rewritten: rewritten.clone(),
    };
    let stuck = {
        let shutdown = shutdown.clone();
        async move {
            shutdown.triggered().await;
            sleep(LAST_LINE).await;
        }
    };
    let runtime = Handle::current();
    let following = spawn_blocking(move || runtime.block_on(follow(watcher, told, &shutdown)));
    tokio::select! {
        done = following => done.context("follow the aggregator")?,
        () = stuck => Ok(rewritten.exit()),
    }
}

/// Refuses a name that nobody knows. For one look only: a watch that goes on may see it come.
async fn known(args: &WatchArgs) -> Result<(), Failure> {
    let asked = |mut client: Client| async move { client.services().await };
    let there = args.client.server.ask(asked).await?;
    let is_there = |name: &&Name| there.iter().any(|service| service.name == **name);
    match args.names.iter().find(|name| !is_there(name)) {
        Some(unknown) => Err(near::no_such_service(unknown, &there)),
        None => Ok(()),
    }
}

async fn follow(mut watcher: Watcher, mut told: Told, shutdown: &Shutdown) -> Result<Exit, Failure> {
    let gone = reader_gone();
    tokio::pin!(gone);
    loop {
        let event = tokio::select! {
            biased;
            () = shutdown.triggered() => return Ok(told.rewritten.exit()),
            () = &mut gone => return Ok(told.rewritten.exit()),
            event = watcher.next() => event,
        };
        if matches!(event, Event::Audit(_)) {
            told.memory.keep(watcher.audit_heads(), &mut told.out);
        }
        if told.hear(event)? == Reader::Gone {
            return Ok(told.rewritten.exit());
        }
        if told.any && told.args.once {
            return Ok(told.rewritten.exit());
        }
    }
}

/// What is told, and how.
#[derive(Debug)]
struct Told {
    args: WatchArgs,
    clock: Clock,
    out: Out,
    /// The first state has been told.
    any: bool,
    memory: Memory,
    rewritten: Rewritten,
}

/// Whether a rewritten audit log was seen: how it ends when it is told to, also while a line is stuck in a pipe.
#[derive(Clone, Debug, Default)]
struct Rewritten(Arc<AtomicBool>);

impl Rewritten {
    fn exit(&self) -> Exit {
        match self.0.load(Ordering::Relaxed) {
            true => Exit::Rewritten,
            false => Exit::Good,
        }
    }
}

impl Told {
    fn hear(&mut self, event: Event) -> Result<Reader, Failure> {
        match event {
            Event::Update(update) => self.update(&update),
            Event::Bookmark { .. } => Ok(Reader::There),
            Event::Lost { error } if !self.any => Err(never_reached(&self.args.client.server, &error)),
            Event::Lost { error } => {
                let why = chain(&error);
                self.out
                    .note(&format!("-- connection lost: {}; trying again", Escaped(&why)));
                self.record(|now| record::lost(&why, now))
            }
            Event::Restored { epoch_changed } => {
                let restarted = if epoch_changed {
                    ": the aggregator was restarted"
                } else {
                    ""
                };
                self.out.note(&format!("-- connected again{restarted}"));
                self.record(|now| record::restored(epoch_changed, now))
            }
            Event::Audit(finding) => self.audit(&finding),
        }
    }

    fn audit(&mut self, finding: &Finding) -> Result<Reader, Failure> {
        if matches!(finding, Finding::Rewritten { .. }) {
            self.rewritten.0.store(true, Ordering::Relaxed);
            self.out.error(&witness::accusation(finding, self.memory.file()));
        } else if let Some(words) = witness::words(finding) {
            self.out.note(&format!("-- {words}"));
        }
        self.record(|now| record::audit(finding, now))
    }

    fn update(&mut self, update: &Update) -> Result<Reader, Failure> {
        let now = self.clock.wall();
        let mut reader = Reader::There;
        for changed in &update.changes {
            reader = match self.args.client.output {
                Format::Json => self.out.json_line(&record::changed(update, changed, now))?,
                Format::Text => match line::text(changed, &Times::here(now)) {
                    Some(line) => self.out.data(&line)?,
                    None => continue,
                },
            };
            if reader == Reader::Gone {
                break;
            }
        }
        if !self.any {
            self.any = true;
            self.missing(update);
        }
        Ok(reader)
    }

    /// Says which of the names asked for nobody knows: they may come, or be mistyped.
    fn missing(&mut self, first: &Update) {
        let known = |name: &Name| {
            let key = EntityKey::Service(name.clone());
            first.changes.iter().any(|changed| changed.entity.key() == key)
        };
        if self.args.least_severity.is_bad() {
            return;
        }
        let missing: Vec<_> = self
            .args
            .names
            .iter()
            .filter(|name| !known(name))
            .map(Name::as_str)
            .collect();
        if !missing.is_empty() {
            self.out
                .note(&format!("-- nothing is known of {} yet", missing.join(", ")));
        }
    }

    fn record<T: serde::Serialize>(
        &mut self,
        make: impl FnOnce(ward_model::Wall) -> T,
    ) -> Result<Reader, Failure> {
        match self.args.client.output {
            Format::Json => self.out.json_line(&make(self.clock.wall())),
            Format::Text => Ok(Reader::There),
        }
    }
}

/// The first connection failed: the address is wrong, or nobody is there.
pub(crate) fn never_reached(server: &Server, error: &Error) -> Failure {
    match error {
        Error::Call(status) if status.code() == tonic::Code::Unimplemented => {
            server.unreachable("what answers there is no Ward aggregator")
        }
        Error::Denied(status) => server.denied(status),
        Error::Connect(error) => server.unconnected(error),
        error => server.unreachable(chain(error)),
    }
}

/// An error and its innermost reason on one line.
pub(crate) fn chain(error: &Error) -> String {
    as_flags(&match error {
        Error::Connect(error) => root(error),
        Error::Call(status) if std::error::Error::source(&**status).is_some() => root(&**status),
        error => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {}", root(source)),
            None => error.to_string(),
        },
    })
}

/// Resolves when standard output is a pipe whose other end is closed; a watch with nothing to write would not notice.
async fn reader_gone() {
    let watched = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .and_then(watch_for_errors);
    match watched {
        Ok(stdout) => {
            // A failure to wait is no sign that the reader is gone.
            if stdout.ready(Interest::ERROR).await.is_err() {
                std::future::pending().await
            }
        }
        // A regular file: it cannot be waited for, and it stays.
        Err(_) => std::future::pending().await,
    }
}

#[expect(
    deprecated,
    reason = "its replacement is unsafe; an OwnedFd keeps what it promises"
)]
fn watch_for_errors(stdout: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(stdout, Interest::ERROR)
}
