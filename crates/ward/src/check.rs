//! `ward check`: asks one server whether it is well, and ends as grpc_health_probe does.
//!
//! For container health checks and shells: any gRPC server with `grpc.health.v1`, any HTTP one, an aggregator as well.
//! It asks once and decides nothing. The exit codes and the names of the flags are those of the tool that such checks
//! are written for; those of the other commands would make a server that cannot be reached a degraded one.
//!
//! A client of HTTP with connections, redirects and a proxy of its own was not taken: both protocols run over one
//! connection that is made here, so that what failed is known, and TLS is the same for both.

mod address;
mod dial;
mod greeting;
mod grpc;
mod http;
mod tls;

use std::{env, future::Future, time::Duration};

use clap::Args;
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use ward_chassis::Clock;
use ward_sdk::Credentials;

use crate::{
    Exit,
    client::DEFAULT_SERVER,
    output::{Escaped, Out},
    typed,
};
use address::{Address, Protocol};

/// What a mistake in the arguments of this command ends with.
pub(crate) const INVALID: Exit = Exit::As(Outcome::Invalid as u8);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward check 127.0.0.1:50051                      the server as a whole
  ward check payments:50051 --service shop.Payments
  ward check grpcs://payments:50051 --tls-ca-cert ca.pem
  ward check http://127.0.0.1:8080/healthz
  ward check --service storefront                 what the aggregator says of a service

  HEALTHCHECK --interval=5s CMD [\"ward\", \"check\", \"127.0.0.1:50051\"]     in a Dockerfile

Ends as grpc_health_probe does: 0 serving, 1 invalid arguments, 2 connection failed or timed out,
3 the call failed or timed out (not implemented, no such service, ...), 4 not serving.
Of HTTP, 200 to 399 is serving and any other answer is not; redirects are not followed.")]
pub(crate) struct CheckArgs {
    /// host:port or grpc://, grpcs://, http://, https:// or unix:PATH [default: $WARD_SERVER, or 127.0.0.1:7700]
    #[arg(value_name = "ADDR")]
    address: Option<Address>,
    /// The service to ask for; the server as a whole when left out
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// How long connecting may take, TLS and the server's greeting included
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = typed::duration)]
    connect_timeout: Duration,
    /// How long the answer may take once connected
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = typed::duration)]
    rpc_timeout: Duration,
    /// Add this header (HTTP) or metadata (gRPC); may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    rpc_header: Vec<Header>,
    /// What to call oneself
    #[arg(long, value_name = "TEXT", default_value = concat!("ward/", env!("CARGO_PKG_VERSION")))]
    user_agent: MetadataValue<Ascii>,
    /// Say on standard error how long each step took
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    tls: tls::TlsArgs,
}

/// A header of a request, or metadata of a call.
type Header = (MetadataKey<Ascii>, MetadataValue<Ascii>);

/// What is found. The numbers are those of grpc_health_probe, and a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Serving = 0,
    Invalid = 1,
    Unconnected = 2,
    Unanswered = 3,
    NotServing = 4,
}

/// An outcome, and the sentence for it.
type Finding = (Outcome, String);

pub(crate) async fn run(args: Box<CheckArgs>, out: &mut Out) -> Exit {
    let verbose = args.verbose;
    let mut steps = Steps {
        clock: Clock::start(),
        verbose,
        out,
    };
    let (outcome, said) = match checked(*args, &mut steps).await {
        Ok(finding) | Err(finding) => finding,
    };
    let said = Escaped(&said).to_string();
    match outcome {
        // That nobody reads it changes nothing about what was found.
        Outcome::Serving => drop(out.data(&format!("status: {said}\n"))),
        _ => out.error(&said),
    }
    Exit::As(outcome as u8)
}

async fn checked(args: CheckArgs, steps: &mut Steps<'_>) -> Result<Finding, Finding> {
    let invalid = |why: String| (Outcome::Invalid, why);
    let mut tls = args.tls;
    let address = match args.address {
        Some(address) => address,
        None => {
            tls.or(Credentials::from_env());
            default_address(env::var("WARD_SERVER").ok()).map_err(invalid)?
        }
    };
    let mut headers = args.rpc_header;
    let authorization = tls.authorization().map_err(invalid)?;
    headers.extend(authorization.map(|value| (MetadataKey::from_static("authorization"), value)));
    let tls = tls.settings(&address).map_err(invalid)?;
    if args.service.is_some() && matches!(address.protocol, Protocol::Http { .. }) {
        return Err(invalid(format!(
            "--service is asked for by gRPC, and {address} is HTTP"
        )));
    }
    let asking = Asking {
        service: args.service.unwrap_or_default(),
        headers,
        user_agent: args.user_agent,
    };
    let connecting = async {
        let (stream, authority) = dial::dial(&address, tls).await?;
        match &address.protocol {
            Protocol::Grpc => grpc::connect(stream, &authority, &asking)
                .await
                .map(Connected::Grpc),
            Protocol::Http { path } => http::connect(stream, path, &authority, &asking)
                .await
                .map(Connected::Http),
        }
    };
    let unconnected = |why: String| (Outcome::Unconnected, format!("no connection to {address}: {why}"));
    let connected = within(args.connect_timeout, connecting)
        .await
        .unwrap_or_else(Err)
        .map_err(unconnected)?;
    steps.took("connected");
    let late = |why: String| (Outcome::Unanswered, why);
    let (outcome, said) = match connected {
        Connected::Grpc(channel) => within(args.rpc_timeout, grpc::ask(channel, asking))
            .await
            .unwrap_or_else(late),
        Connected::Http(request) => http::ask(request, args.rpc_timeout).await,
    };
    steps.took("answered");
    Ok(match outcome {
        Outcome::Serving => (outcome, said),
        Outcome::Unconnected => unconnected(said),
        _ => (outcome, format!("{address} {said}")),
    })
}

/// What is asked, by either protocol.
#[derive(Debug)]
struct Asking {
    service: String,
    headers: Vec<Header>,
    user_agent: MetadataValue<Ascii>,
}

enum Connected {
    Grpc(tonic::transport::Channel),
    Http(http::Request),
}

async fn within<T>(patience: Duration, doing: impl Future<Output = T>) -> Result<T, String> {
    timeout(patience, doing)
        .await
        .map_err(|_| format!("did not answer within {patience:?}"))
}

/// Tells steps to those who asked for that.
struct Steps<'a> {
    clock: Clock,
    verbose: bool,
    out: &'a mut Out,
}

impl Steps<'_> {
    fn took(&mut self, step: &str) {
        if self.verbose {
            let elapsed = self.clock.mono().since(ward_model::Mono::default());
            self.out
                .note(&format!("{step} after {:.1} ms", elapsed.as_secs_f64() * 1e3));
        }
    }
}

/// The aggregator that the other commands ask. Its address may begin with `http://`, and it is asked by gRPC.
fn default_address(variable: Option<String>) -> Result<Address, String> {
    let server = variable.filter(|server| !server.is_empty());
    let server: ward_sdk::Address = server
        .as_deref()
        .unwrap_or(DEFAULT_SERVER)
        .parse()
        .map_err(|invalid| format!("WARD_SERVER is no address: {invalid}"))?;
    let scheme = if server.is_https() { "grpcs://" } else { "" };
    Ok(format!("{scheme}{}", server.authority()).parse()?)
}

fn header(text: &str) -> Result<Header, String> {
    let expected = || "expected NAME: VALUE in printable ASCII".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(expected)?;
    let name = MetadataKey::from_bytes(name.trim().as_bytes()).map_err(|_| expected())?;
    let value = value.trim().parse().map_err(|_| expected())?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_grpc_health_probe() {
        let numbers = [
            Outcome::Serving,
            Outcome::Invalid,
            Outcome::Unconnected,
            Outcome::Unanswered,
            Outcome::NotServing,
        ];
        assert_eq!(numbers.map(|outcome| outcome as u8), [0, 1, 2, 3, 4]);
        assert_eq!(INVALID, Exit::As(1));
    }

    #[test]
    fn the_aggregator_is_asked_by_grpc() {
        let address = |text: &str| default_address(Some(text.to_owned())).map(|address| address.to_string());
        assert_eq!(address("http://ward:7700/"), Ok("ward:7700".into()));
        assert_eq!(address("https://ward:7700"), Ok("grpcs://ward:7700".into()));
        assert_eq!(address(""), Ok(DEFAULT_SERVER.into()));
        assert!(address("nowhere").is_err());
    }

    #[test]
    fn headers() {
        let (name, value) = header("Authorization:  Bearer x:y ").unwrap();
        assert_eq!(
            (name.as_str(), value.to_str().unwrap()),
            ("authorization", "Bearer x:y")
        );
        for bad in ["", "x", "a b: c", "x-bin: y", "x: \u{1b}", ": x"] {
            assert!(header(bad).is_err(), "{bad}");
        }
    }
}
