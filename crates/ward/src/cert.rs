//! `ward cert dev`: certificates to try TLS with, and a configuration that uses them.
//!
//! For trying things out: they are valid for days, and the key of their authority is not kept, so that nobody can sign more
//! with it. Who runs a fleet has an authority already (SPIRE, step-ca, cert-manager, Vault), and Ward is none.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

use ward_chassis::Clock;

use crate::{Exit, Failure, output::Out};

/// The trust domain of what is made here.
const DOMAIN: &str = "ward.dev";
/// Who may write to a directory beside its owner.
const OTHERS: u32 = 0o022;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward cert dev
  ward cert dev certs --host ward.internal --client operator --client payments
  ward aggregator --config ward-certs/ward.toml")]
pub(crate) struct CertArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an authority, a certificate for the aggregator, one for each client, and a ward.toml that uses them
    Dev(DevArgs),
}

#[derive(Debug, Args)]
struct DevArgs {
    /// Where to
    #[arg(default_value = "ward-certs")]
    dir: PathBuf,
    /// Another name or address of the aggregator, beside localhost
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// A client, as spiffe://ward.dev/NAME; `operator` may do everything, others may report for their own name
    #[arg(long = "client", value_name = "NAME", default_value = "operator", value_parser = client)]
    clients: Vec<String>,
    /// For how many days they are valid
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=397))]
    days: u16,
    /// Write over what is there
    #[arg(long)]
    force: bool,
}

/// What a file of a client is called, and the service it may report for.
fn client(text: &str) -> Result<String, String> {
    let name = ward_model::Name::service(text).map_err(|invalid| format!("a client's name {invalid}"))?;
    match name.as_str() {
        "ca" | "server" => Err("is the name of another file here: choose another".to_owned()),
        name => Ok(name.to_owned()),
    }
}

pub(crate) fn run(args: CertArgs, out: &mut Out) -> Result<Exit, Failure> {
    let Action::Dev(args) = args.action;
    let files = Files {
        force: args.force,
        dir: directory(&args.dir)?,
    };
    make(&args, &files)?;
    let dir = args.dir.display();
    if files.dir.metadata().is_ok_and(|dir| dir.mode() & OTHERS != 0) {
        out.note(&format!(
            "others may write to {dir}, and put files of theirs in the place of these: `chmod go-w {dir}`"
        ));
    }
    out.note(&format!(
        "{dir} has an authority (ca.pem), a certificate for the aggregator and one for each client, valid for {} days: to \
         try things out, not to run a fleet on\n",
        args.days
    ));
    let who = &args.clients[0];
    out.data(&format!(
        "ward aggregator --config {dir}/ward.toml\n\
         ward status --server https://localhost:7700 --tls-ca {dir}/ca.pem --tls-cert {dir}/{who}.pem --tls-key {dir}/{who}.key\n"
    ))?;
    Ok(Exit::Good)
}

fn make(args: &DevArgs, files: &Files) -> Result<(), Failure> {
    let today = Timestamp::from_millisecond(Clock::start().wall().0).context("read the date")?;
    let today = today.to_zoned(TimeZone::UTC).date();
    let authority = authority(today, args.days).context("make an authority")?;
    files.write("ca.pem", &authority.pem(), 0o644)?;
    let hosts = [
        SanType::DnsName("localhost".try_into().expect("plain ASCII")),
        SanType::IpAddress(Ipv4Addr::LOCALHOST.into()),
        SanType::IpAddress(Ipv6Addr::LOCALHOST.into()),
    ];
    let others: Result<Vec<_>, _> = args.hosts.iter().map(|host| host_name(host)).collect();
    let sans = hosts.into_iter().chain(others?).collect();
    let server = leaf(
        "Ward aggregator",
        sans,
        ExtendedKeyUsagePurpose::ServerAuth,
        (today, args.days),
    );
    files.pair("server", server, &authority)?;
    for name in &args.clients {
        let id = format!("spiffe://{DOMAIN}/{name}");
        let san = SanType::URI(id.try_into().expect("plain ASCII"));
        let client = leaf(
            name,
            vec![san],
            ExtendedKeyUsagePurpose::ClientAuth,
            (today, args.days),
        );
        files.pair(name, client, &authority)?;
    }
    files.write("ward.toml", &configuration(&files.dir, &args.clients), 0o644)
}

fn host_name(host: &str) -> Result<SanType, Failure> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let name = rustls::pki_types::DnsName::try_from(host.to_owned());
    let name =
        name.map_err(|_| Failure::Usage(format!("{host:?} is neither a DNS name nor an IP address")))?;
    Ok(SanType::DnsName(
        name.as_ref().try_into().expect("DNS names are plain ASCII"),
    ))
}

fn authority(today: Date, days: u16) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = valid(today, days);
    params
        .distinguished_name
        .push(DnType::CommonName, "Ward development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn leaf(
    name: &str,
    sans: Vec<SanType>,
    purpose: ExtendedKeyUsagePurpose,
    (today, days): (Date, u16),
) -> CertificateParams {
    let mut params = valid(today, days);
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = sans;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params
}

/// From yesterday on, since clocks differ.
fn valid(today: Date, days: u16) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let moment = |date: Date| {
        let part = |part: i8| u8::try_from(part).expect("months and days count from 1");
        date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    params.not_before = moment(today.saturating_sub(1.day()));
    params.not_after = moment(today.saturating_add(i64::from(days).days()));
    params
}

fn configuration(dir: &Path, clients: &[String]) -> String {
    let path = |file: &str| toml_string(&dir.join(file).to_string_lossy());
    let mut text = format!(
        "# Made by `ward cert dev`, to try TLS with.\n\n[aggregator]\nserver_cert = {}\nserver_key = {}\nclient_ca = {}\n",
        path("server.pem"),
        path("server.key"),
        path("ca.pem")
    );
    for name in clients {
        let rights = match name.as_str() {
            "operator" => {
                "report = [\"*\"]\nobserve = [\"*\"]\nwatch = true\ncommand = true\nadminister = true"
                    .to_owned()
            }
            name => format!("report = [\"{name}\"]"),
        };
        text += &format!("\n[access.\"spiffe://{DOMAIN}/{name}\"]\n{rights}\n");
    }
    text
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The directory that is written to.
struct Files {
    dir: PathBuf,
    force: bool,
}

fn directory(dir: &Path) -> Result<PathBuf, Failure> {
    let mut builder = DirBuilder::new();
    let created = builder.recursive(true).mode(0o700).create(dir);
    created.with_context(|| format!("create {}", dir.display()))?;
    let whole = fs::canonicalize(dir).with_context(|| format!("find {}", dir.display()))?;
    Ok(whole)
}

impl Files {
    fn pair(
        &self,
        name: &str,
        params: CertificateParams,
        authority: &CertifiedIssuer<'_, KeyPair>,
    ) -> Result<(), Failure> {
        let key = KeyPair::generate().context("make a key")?;
        let certificate = params.signed_by(&key, authority).context("sign a certificate")?;
        self.write(&format!("{name}.pem"), &certificate.pem(), 0o644)?;
        self.write(&format!("{name}.key"), &key.serialize_pem(), 0o600)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), Failure> {
        let path = self.dir.join(name);
        if path.exists() && !self.force {
            let message = format!("{} is there already: --force writes over it", path.display());
            return Err(Failure::Usage(message));
        }
        // A file of its own that takes the place of the old one: whoever reads sees the one or the other.
        let fresh = self.dir.join(format!(".{name}.new"));
        // What is left from before, or was put there by somebody else, is neither followed nor written to.
        let cleared = match fs::remove_file(&fresh) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        cleared
            .and_then(|()| options.open(&fresh))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&fresh, &path))
            .with_context(|| format!("write {}", path.display()))?;
        Ok(())
    }
}
