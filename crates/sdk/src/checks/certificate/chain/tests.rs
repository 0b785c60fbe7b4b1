//! Chains of all kinds, made with the dates that they are judged by.

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

use super::*;
use crate::trust::Trust;

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// Noon of a day in 2026.
fn noon(month: i8, day: i8) -> i64 {
    let date = jiff::civil::date(2026, month, day).at(12, 0, 0, 0);
    date.to_zoned(jiff::tz::TimeZone::UTC)
        .unwrap()
        .timestamp()
        .as_second()
}

fn params(common_name: &str, from: (u8, u8), until: (u8, u8)) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["orders.example".into()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2026, from.0, from.1);
    params.not_after = date_time_ymd(2026, until.0, until.1);
    params
}

fn authority(common_name: &str, until: (u8, u8), signer: Option<&Issuer>) -> Issuer {
    let mut params = params(common_name, (1, 1), until);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    match signer {
        Some(signer) => CertifiedIssuer::signed_by(params, key, signer).unwrap(),
        None => CertifiedIssuer::self_signed(params, key).unwrap(),
    }
}

fn leaf(from: (u8, u8), until: (u8, u8), signer: &Issuer) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    params("orders", from, until)
        .signed_by(&key, signer)
        .unwrap()
        .der()
        .clone()
}

fn judge(root: Option<&Issuer>, name: Option<&str>) -> Judge {
    let trust = root.map(|root| Trust::new(Some(root.pem().as_bytes())).unwrap().verifier());
    Judge {
        server_name: name.map(|name| ServerName::try_from(name.to_owned()).unwrap()),
        trust,
        limits: Limits::default(),
    }
}

const NAME: Option<&str> = Some("orders.example");

#[test]
fn what_is_left_decides() {
    let root = authority("root", (12, 1), None);
    let chain = [leaf((2, 1), (6, 30), &root)];
    let judge = judge(Some(&root), NAME);
    let told = |now| {
        let Verdict { status, message } = judge.verdict("x", &chain, now);
        (status, message)
    };
    let of = |status, days| {
        (
            status,
            format!("x: orders expires in {days} days, on 2026-06-30T00:00:00Z"),
        )
    };
    assert_eq!(told(noon(6, 1)), of(Status::Healthy, 28));
    assert_eq!(told(noon(6, 9)), of(Status::Degraded, 20));
    assert_eq!(told(noon(6, 26)), of(Status::Degraded, 3));
    assert_eq!(told(noon(6, 27)), of(Status::Unhealthy, 2));
    let expired = "x: orders expired 4 days ago, on 2026-06-30T00:00:00Z";
    assert_eq!(told(noon(7, 4)), (Status::Unhealthy, expired.into()));
    let early = "x: orders is not valid before 2026-02-01T00:00:00Z";
    assert_eq!(told(noon(1, 31)), (Status::Unhealthy, early.into()));
}

#[test]
fn the_earliest_of_the_chain_counts() {
    let root = authority("root", (12, 1), None);
    let middle = authority("middle", (3, 10), Some(&root));
    let chain = [leaf((1, 2), (6, 30), &middle), middle.der().clone()];
    let verdict = judge(Some(&root), NAME).verdict("x", &chain, noon(3, 1));
    assert_eq!(
        verdict,
        Verdict::degraded("x: middle expires in 8 days, on 2026-03-10T00:00:00Z")
    );
    let verdict = judge(Some(&root), NAME).verdict("x", &chain, noon(3, 11));
    assert_eq!(
        verdict,
        Verdict::unhealthy("x: middle expired 1 days ago, on 2026-03-10T00:00:00Z")
    );
}

/// An authority that is new shows itself as signed by an old one too, for clients that do not have it yet.
#[test]
fn an_intermediate_that_is_not_needed_raises_no_alarm_before_and_after_its_end() {
    let (root, old_root) = (
        authority("root", (12, 1), None),
        authority("old root", (12, 1), None),
    );
    let mut cross = params("root", (1, 1), (3, 10));
    cross.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cross = cross.signed_by(root.key(), &old_root).unwrap();
    let chain = [leaf((1, 2), (6, 30), &root), cross.der().clone()];
    for now in [noon(3, 1), noon(3, 11)] {
        for name in [NAME, Some("bank.example")] {
            let Verdict { status, message } = judge(Some(&root), name).verdict("x", &chain, now);
            assert_eq!(status == Status::Healthy, name == NAME, "{message}");
            assert!(message.contains("orders expires in 1"), "{message}");
        }
        let needed = judge(Some(&old_root), NAME).verdict("x", &chain, now);
        assert!(needed.message.starts_with("x: root expire"), "{needed:?}");
    }
}

#[test]
fn what_clients_do_not_go_by_does_not_count() {
    let root = authority("root", (12, 1), None);
    let old_root = authority("old root", (2, 1), None);
    let other = authority("other", (2, 1), Some(&old_root));
    let own = leaf((1, 2), (6, 30), &root);
    let chain = [own.clone(), other.der().clone(), old_root.der().clone()];
    let verdict = judge(Some(&root), NAME).verdict("x", &chain, noon(3, 1));
    assert_eq!(verdict.status, Status::Healthy, "{verdict:?}");
    let verdict = judge(None, NAME).verdict("x", &chain, noon(3, 1));
    assert!(
        verdict.message.starts_with("x: other expired"),
        "nobody says that it is not needed: {verdict:?}"
    );
}

#[test]
fn an_untrusted_chain_still_gives_its_dates() {
    let (root, stranger) = (
        authority("root", (12, 1), None),
        authority("stranger", (12, 1), None),
    );
    let chain = [leaf((1, 2), (6, 30), &stranger)];
    assert_eq!(
        judge(Some(&root), NAME).verdict("x", &chain, noon(3, 1)),
        Verdict::unhealthy(
            "x: its issuer is not trusted, or an intermediate is missing; orders expires in 120 days, on 2026-06-30T00:00:00Z"
        )
    );
    assert_eq!(
        judge(None, NAME).verdict("x", &chain, noon(3, 1)).status,
        Status::Healthy
    );
}

#[test]
fn a_certificate_for_another_name_is_none() {
    let root = authority("root", (12, 1), None);
    let chain = [leaf((1, 2), (6, 30), &root)];
    for trust in [Some(&root), None] {
        let verdict = judge(trust, Some("bank.example")).verdict("x", &chain, noon(3, 1));
        let said =
            "x: its certificate is not for bank.example; orders expires in 120 days, on 2026-06-30T00:00:00Z";
        assert_eq!(verdict, Verdict::unhealthy(said));
    }
    assert_eq!(
        judge(None, None).verdict("x", &chain, noon(3, 1)).status,
        Status::Healthy
    );
}

#[test]
fn an_empty_chain_and_garbage_are_told() {
    let judge = judge(None, NAME);
    assert_eq!(
        judge.verdict("x", &[], 0),
        Verdict::unhealthy("x: no certificate")
    );
    let garbage = CertificateDer::from(vec![0x30, 0x82, 0xff, 0xff, 1]);
    assert!(
        judge
            .verdict("x", &[garbage], 0)
            .message
            .starts_with("x: a certificate cannot be read")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_mangled_certificate_makes_nobody_panic(at in 0_usize..400, byte: u8, cut in 0_usize..400, now: i64) {
        let root = authority("root", (12, 1), None);
        let mut der = leaf((1, 2), (6, 30), &root).to_vec();
        let at = at % der.len();
        der[at] = byte;
        der.truncate(der.len() - cut % der.len() / 2);
        judge(Some(&root), NAME).verdict("x", &[CertificateDer::from(der)], now);
    }
}
