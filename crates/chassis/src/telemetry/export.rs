//! Spans on their way to a collector: a bounded queue, batches, and a runtime that serves nobody else.
//!
//! The batches are made by a thread of the SDK, which waits for one to be sent before the next: that is what fills the queue
//! when a collector hangs. Around it stands what the SDK does not say or do: how many spans were lost, that they are, and an
//! end of waiting for whoever accepts a connection and then says nothing. The runtime of the process was not taken: an
//! exporter must neither wait for what is busy there nor be one more thing to wait for.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
    },
    time::Duration,
};

use opentelemetry::{Context, KeyValue, global, trace::TracerProvider};
use opentelemetry_otlp::{
    SpanExporter as Otlp, WithTonicConfig,
    tonic_types::transport::{Certificate, ClientTlsConfig, Identity},
};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter,
        SpanProcessor,
    },
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::timeout,
};

use super::{told, variables::Settings};
use crate::logs::Dropped;

/// How long an end waits for the last spans to be taken.
const LAST: Duration = Duration::from_secs(2);
/// What made the spans, for who looks at them.
pub(super) const SCOPE: &str = "ward";

/// Sends the spans of this process. Dropped, it sends what waits, for [`LAST`] at most.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    _sending: Sending,
}

/// A runtime that may be dropped anywhere, within another one too; what it is in the middle of is dropped as well.
#[derive(Debug)]
struct Sending(Option<Runtime>);

impl Sending {
    fn begin() -> io::Result<Self> {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).thread_name("ward-traces").enable_all();
        Ok(Self(Some(runtime.build()?)))
    }

    fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it is taken when it is dropped").handle()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Traces {
    /// # Errors
    ///
    /// What is wrong with the settings, for people.
    pub(super) fn begin(settings: &Settings, dropped: Dropped) -> Result<Self, String> {
        let tls = tls(settings)?;
        let sending =
            Sending::begin().map_err(|error| format!("no traces are sent: no thread for them: {error}"))?;
        let within = sending.handle().enter();
        let otlp = Otlp::builder().with_tonic();
        let otlp = match tls {
            Some(tls) => otlp.with_tls_config(tls),
            None => otlp,
        };
        // Its message would show the address, which may hold a password.
        let otlp = otlp.build().map_err(|_| {
            "no traces are sent: OTEL_EXPORTER_OTLP_ENDPOINT or _CERTIFICATE are of no use".to_owned()
        })?;
        drop(within);
        let waiting = Arc::new(Waiting::new(settings.queue, dropped));
        let exporter = Exporter {
            otlp: Arc::new(otlp),
            runtime: sending.handle().clone(),
            limit: settings.limit,
            waiting: Arc::clone(&waiting),
            is_away: AtomicBool::default(),
        };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(settings.queue)
            .with_scheduled_delay(settings.delay)
            .build();
        let batches = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(&settings.service))
            .with_span_processor(Bounded { batches, waiting })
            .build();
        Ok(Self {
            provider,
            _sending: sending,
        })
    }

    /// Spans that are told by hand come here as well.
    pub(super) fn publish(&self) {
        global::set_tracer_provider(self.provider.clone());
        told::turn_on();
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer(SCOPE)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // What it could not send in time is lost, and nobody is left to be told.
        drop(self.provider.shutdown_with_timeout(LAST));
    }
}

fn resource(service: &str) -> Resource {
    Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_service_name(service.to_owned())
        .build()
}

/// What to believe and who to be: what files say, or else what the system believes. The crate by itself believes nobody.
fn tls(settings: &Settings) -> Result<Option<ClientTlsConfig>, String> {
    if !settings.is_tls && settings.ca.is_none() && settings.identity.is_none() {
        return Ok(None);
    }
    let tls = ClientTlsConfig::new();
    let tls = match &settings.ca {
        Some(ca) => tls.ca_certificate(Certificate::from_pem(read(ca)?)),
        None => tls.with_enabled_roots(),
    };
    Ok(Some(match &settings.identity {
        Some((cert, key)) => tls.identity(Identity::from_pem(read(cert)?, read(key)?)),
        None => tls,
    }))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("no traces are sent: cannot read {}: {error}", path.display()))
}

/// How many spans wait, and how many were lost.
#[derive(Debug)]
struct Waiting {
    spans: AtomicUsize,
    most: usize,
    dropped: Dropped,
}

impl Waiting {
    fn new(most: usize, dropped: Dropped) -> Self {
        Self {
            spans: AtomicUsize::new(0),
            most,
            dropped,
        }
    }

    /// Whether there is room for one more; then it is taken.
    fn enters(&self) -> bool {
        let enters = self.spans.fetch_add(1, AcqRel) < self.most;
        if !enters {
            self.spans.fetch_sub(1, AcqRel);
            self.dropped.add(1);
        }
        enters
    }

    fn leave(&self, spans: usize) {
        self.spans.fetch_sub(spans, AcqRel);
    }
}

/// Lets no more spans into the queue of the SDK than it has room for: it would drop them as well, and not say how many.
#[derive(Debug)]
struct Bounded {
    batches: BatchSpanProcessor,
    waiting: Arc<Waiting>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.enters() {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(limit)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Sends a batch on its own runtime, and knows whether anybody takes them.
#[derive(Debug)]
struct Exporter {
    otlp: Arc<Otlp>,
    runtime: Handle,
    limit: Duration,
    waiting: Arc<Waiting>,
    is_away: AtomicBool,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.waiting.leave(spans);
        let (otlp, limit) = (Arc::clone(&self.otlp), self.limit);
        let sending = self
            .runtime
            .spawn(async move { timeout(limit, otlp.export(batch)).await });
        let sent = match sending.await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) => Err(OTelSdkError::Timeout(limit)),
            // The runtime ends with the process.
            Err(_) => Err(OTelSdkError::AlreadyShutdown),
        };
        self.tell(spans, &sent);
        sent
    }

    fn set_resource(&mut self, resource: &Resource) {
        let otlp = Arc::get_mut(&mut self.otlp).expect("nothing is sent before the resource is set");
        otlp.set_resource(resource);
    }
}

impl Exporter {
    fn tell(&self, spans: usize, sent: &OTelSdkResult) {
        let Err(error) = sent else {
            if self.is_away.swap(false, Relaxed) {
                let dropped = self.waiting.dropped.count();
                tracing::info!(dropped, "the collector takes traces again; spans were lost");
            }
            return;
        };
        self.waiting.dropped.add(spans as u64);
        if !self.is_away.swap(true, Relaxed) {
            tracing::warn!(%error, "the collector takes no traces: until it does, spans are lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_room_comes_back() {
        let dropped = Dropped::default();
        let waiting = Waiting::new(2, dropped.clone());
        let entered = (0..5).filter(|_| waiting.enters()).count();
        assert_eq!((entered, dropped.count()), (2, 3));
        waiting.leave(1);
        assert!(waiting.enters() && !waiting.enters());
        assert_eq!(dropped.count(), 4);
    }
}
