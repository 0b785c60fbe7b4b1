//! An aggregator that a test plays: it sees each report stream and says what the test tells it to.
//!
//! A real tonic server on a real socket and a runtime of its own, so that it can die as a process does.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::{
    Stream,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tonic::{Request, Response, Status, Streaming};
use ward_proto::v1::{
    self,
    health_service_server::{HealthService, HealthServiceServer},
};

/// Longer than anything here takes, shorter than a person waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

type Answers = mpsc::Sender<Result<v1::ReportResponse, Status>>;

/// The aggregator.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    talks: mpsc::Receiver<Talk>,
    /// What calls are answered with instead, once there is something.
    pub(crate) refusal: Refusal,
    runtime: Option<Runtime>,
}

pub(crate) type Refusal = Arc<Mutex<Option<Status>>>;

/// One report stream, seen from the aggregator.
pub(crate) struct Talk {
    requests: Streaming<v1::ReportRequest>,
    answers: Answers,
    /// What its metadata shows.
    pub(crate) authorization: Option<String>,
    /// The certificate it was shown, in DER.
    pub(crate) certificate: Option<Vec<u8>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into()).await
    }

    /// Waits until the address is free.
    pub(crate) async fn start_at(addr: SocketAddr) -> Self {
        Self::start_as(addr, None).await
    }

    /// Over TLS.
    pub(crate) async fn start_tls(config: ServerConfig) -> Self {
        Self::start_as(([127, 0, 0, 1], 0).into(), Some(config)).await
    }

    pub(crate) async fn start_as(addr: SocketAddr, tls: Option<ServerConfig>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let bound = timeout(PATIENCE, async {
            loop {
                let bound = runtime.spawn(TcpListener::bind(addr)).await.expect("no panic");
                match bound {
                    Ok(listener) => break listener,
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let listener = bound.await.expect("the address becomes free");
        let addr = listener.local_addr().expect("a bound listener");
        let (seen, talks) = mpsc::channel(16);
        let refusal = Refusal::default();
        let service = HealthServiceServer::new(Scripted {
            seen,
            refusal: Arc::clone(&refusal),
        });
        let serving = tonic::transport::Server::builder().add_service(service);
        match tls {
            None => drop(runtime.spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)))),
            Some(config) => {
                let incoming = secured(&runtime, listener, config);
                drop(runtime.spawn(serving.serve_with_incoming(incoming)));
            }
        }
        Self {
            addr,
            talks,
            refusal,
            runtime: Some(runtime),
        }
    }

    /// The next report stream.
    pub(crate) async fn accept(&mut self) -> Talk {
        timeout(PATIENCE, self.talks.recv())
            .await
            .expect("a report stream in time")
            .expect("the server lives")
    }

    /// A stream on which hello was said and answered with `handle`.
    pub(crate) async fn welcome(&mut self, handle: u32) -> (Talk, v1::Hello) {
        let mut talk = self.accept().await;
        let hello = talk.hello().await;
        talk.register(&hello, handle).await;
        (talk, hello)
    }

    /// Ends as kill -9 would.
    pub(crate) fn die(mut self) -> SocketAddr {
        self.kill();
        self.addr
    }

    fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Talk {
    /// The next request.
    pub(crate) async fn request(&mut self) -> v1::ReportRequest {
        self.request_or_end().await.expect("another request")
    }

    /// Reads on until nothing came for so long.
    pub(crate) async fn quiet(&mut self, time: Duration) {
        let silence = async {
            while let Ok(request) = timeout(time, self.requests.message()).await {
                request.expect("the stream lives");
            }
        };
        timeout(PATIENCE, silence).await.expect("silence in time");
    }

    /// The next request, or `None` at the end of the stream.
    pub(crate) async fn request_or_end(&mut self) -> Option<v1::ReportRequest> {
        timeout(PATIENCE, self.requests.message())
            .await
            .expect("a request in time")
            .unwrap_or(None)
    }

    /// Ends the answers, then waits for the end of the stream, so that what was answered arrives.
    pub(crate) async fn close(mut self) {
        drop(self.answers);
        while let Ok(Some(_)) = self.requests.message().await {}
    }

    /// Waits for the end of the stream, however long that takes.
    pub(crate) async fn end(&mut self) {
        while let Ok(Some(_)) = self.requests.message().await {}
    }

    pub(crate) async fn hello(&mut self) -> v1::Hello {
        let mut request = self.request().await;
        assert_eq!(request.hellos.len(), 1, "a hello in {request:?}");
        request.hellos.remove(0)
    }

    /// The next request that is more than a beat.
    pub(crate) async fn update(&mut self) -> v1::Update {
        loop {
            let mut request = self.request().await;
            if let Some(update) = request.updates.pop() {
                return update;
            }
        }
    }

    /// The next update that says something about the check called `name`.
    pub(crate) async fn result(&mut self, name: &str) -> v1::CheckResult {
        loop {
            if let Some(result) = self
                .update()
                .await
                .results
                .into_iter()
                .find(|result| result.name == name)
            {
                return result;
            }
        }
    }

    pub(crate) async fn register(&mut self, hello: &v1::Hello, handle: u32) {
        self.register_every(hello, handle, 0).await;
    }

    /// With an interval that the aggregator wants; 0 is none.
    pub(crate) async fn register_every(&mut self, hello: &v1::Hello, handle: u32, interval_ms: u32) {
        let (service, instance) = (hello.service.clone(), hello.instance.clone());
        let registration = v1::Registration {
            service,
            instance,
            handle,
            suspect_after_ms: 2_100,
            lost_after_ms: 3_100,
            interval_ms,
        };
        self.answer(v1::ReportResponse {
            registrations: vec![registration],
            ..Default::default()
        })
        .await;
    }

    pub(crate) async fn reject(&mut self, handle: u32, code: v1::RejectionCode) {
        let rejection = v1::Rejection {
            handle,
            code: code.into(),
            message: "no".into(),
            ..Default::default()
        };
        self.answer(v1::ReportResponse {
            rejections: vec![rejection],
            ..Default::default()
        })
        .await;
    }

    pub(crate) async fn answer(&mut self, answer: v1::ReportResponse) {
        self.answers.send(Ok(answer)).await.expect("the reporter listens");
    }
}

/// Handshakes beside each other, as a server has to make them.
fn secured(
    runtime: &Runtime,
    listener: TcpListener,
    config: ServerConfig,
) -> ReceiverStream<io::Result<TlsStream<TcpStream>>> {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (accepted, incoming) = mpsc::channel(16);
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    drop(accepted.send(Ok(stream)).await);
                }
            });
        }
    });
    ReceiverStream::new(incoming)
}

struct Scripted {
    seen: mpsc::Sender<Talk>,
    refusal: Refusal,
}

impl Scripted {
    fn refused(&self) -> Result<(), Status> {
        self.refusal.lock().expect("no panic").clone().map_or(Ok(()), Err)
    }
}

type Outbound<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not in this test"))
}

#[tonic::async_trait]
impl HealthService for Scripted {
    type ReportStream = Outbound<v1::ReportResponse>;
    type WatchStream = Outbound<v1::WatchResponse>;

    async fn report(
        &self,
        request: Request<Streaming<v1::ReportRequest>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        let (answers, outbox) = mpsc::channel(16);
        let shown = request.metadata().get("authorization");
        let authorization = shown.map(|shown| String::from_utf8_lossy(shown.as_bytes()).into_owned());
        let certificate = request.peer_certs().map(|chain| chain[0].to_vec());
        self.refused()?;
        let talk = Talk {
            requests: request.into_inner(),
            answers,
            authorization,
            certificate,
        };
        self.seen
            .send(talk)
            .await
            .map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(outbox))))
    }

    async fn report_once(
        &self,
        _: Request<v1::ReportOnceRequest>,
    ) -> Result<Response<v1::ReportOnceResponse>, Status> {
        not_here()
    }

    async fn watch(&self, _: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.refused()?;
        not_here()
    }

    async fn get_system(
        &self,
        _: Request<v1::GetSystemRequest>,
    ) -> Result<Response<v1::GetSystemResponse>, Status> {
        not_here()
    }

    async fn list_services(
        &self,
        _: Request<v1::ListServicesRequest>,
    ) -> Result<Response<v1::ListServicesResponse>, Status> {
        not_here()
    }

    async fn get_service(
        &self,
        _: Request<v1::GetServiceRequest>,
    ) -> Result<Response<v1::GetServiceResponse>, Status> {
        not_here()
    }

    async fn get_history(
        &self,
        _: Request<v1::GetHistoryRequest>,
    ) -> Result<Response<v1::GetHistoryResponse>, Status> {
        not_here()
    }

    async fn explain(&self, _: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        not_here()
    }

    async fn start_maintenance(
        &self,
        _: Request<v1::StartMaintenanceRequest>,
    ) -> Result<Response<v1::StartMaintenanceResponse>, Status> {
        not_here()
    }

    async fn end_maintenance(
        &self,
        _: Request<v1::EndMaintenanceRequest>,
    ) -> Result<Response<v1::EndMaintenanceResponse>, Status> {
        not_here()
    }

    async fn list_maintenance(
        &self,
        _: Request<v1::ListMaintenanceRequest>,
    ) -> Result<Response<v1::ListMaintenanceResponse>, Status> {
        not_here()
    }

    async fn forget(&self, _: Request<v1::ForgetRequest>) -> Result<Response<v1::ForgetResponse>, Status> {
        not_here()
    }
}
