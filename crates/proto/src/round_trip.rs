//! Property: what the model says survives the wire and back.

use std::{collections::BTreeMap, time::Duration};

use proptest::{
    array::{uniform5, uniform8},
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};
use ward_model::*;

use crate::{Converted, v1};

fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9][a-z0-9.-]{0,20}"
        .prop_map(|text| Name::instance(&text).unwrap())
        .prop_filter("reserved", |name| !Name::RESERVED.contains(&name.as_str()))
}

fn names() -> impl Strategy<Value = Vec<Name>> {
    vec(name(), 0..4)
}

/// Often empty, as zeros are frequent among numbers: what is the default is left out on the wire.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ -~äß√]{0,40}"]
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 1..200u32, any::<u32>()]
}

/// At most 63 bytes, however many of them a character takes.
fn version() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ -~äß√]{0,21}"]
}

fn status() -> impl Strategy<Value = Status> {
    select(Status::ALL.to_vec())
}

fn wall() -> impl Strategy<Value = Wall> {
    (1..i64::MAX).prop_map(Wall)
}

fn condition() -> impl Strategy<Value = Condition> {
    let reason = select(Reason::ALL.to_vec());
    let since = prop_oneof![Just(0), any::<i64>()];
    (status(), reason, text(), since).prop_map(|(status, reason, message, since)| Condition {
        status,
        reason,
        message,
        since: Wall(since),
    })
}

fn kind() -> impl Strategy<Value = DependencyKind> {
    select(vec![DependencyKind::Hard, DependencyKind::Soft])
}

fn check_kind() -> impl Strategy<Value = CheckKind> {
    select(vec![CheckKind::Required, CheckKind::Advisory])
}

fn criticality() -> impl Strategy<Value = Criticality> {
    select(vec![
        Criticality::Critical,
        Criticality::Important,
        Criticality::Optional,
    ])
}

fn dependencies() -> impl Strategy<Value = Vec<Dependency>> {
    let about = (kind(), option::of(name()));
    // With a prefix that no service of a hello has: a dependency on oneself does not survive.
    btree_map("x[a-z]{1,8}", about, 0..4).prop_map(|map| {
        let dependency = |(service, (kind, any_of)): (String, _)| Dependency {
            service: Name::service(&format!("0-{service}")).unwrap(),
            kind,
            any_of,
        };
        map.into_iter().map(dependency).collect()
    })
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(-0.0), -1e9..1e9f64]
}

fn level() -> impl Strategy<Value = SignalLevel> {
    let raise_and_clear = prop_oneof![Just((0.0, 0.0)), (0.5..1.0f64, 0.0..0.5f64)];
    raise_and_clear.prop_map(|(raise, clear)| SignalLevel { raise, clear })
}

fn worse_level() -> impl Strategy<Value = SignalLevel> {
    (1.0..2.0f64, 0.0..1.0f64).prop_map(|(raise, clear)| SignalLevel { raise, clear })
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map("[a-z]{1,9}", text(), 0..4)
}

fn id() -> impl Strategy<Value = InstanceId> {
    ("[a-z]{1,9}x", name()).prop_map(|(service, instance)| InstanceId {
        service: Name::service(&service).unwrap(),
        instance,
    })
}

fn incarnation() -> impl Strategy<Value = Incarnation> {
    "[!-~]{1,64}".prop_map(|text| Incarnation::new(&text).unwrap())
}

prop_compose! {
    fn declarations()(
        checks in btree_map(name(), (check_kind(), option::of(name())), 0..4),
        signals in btree_map(name(), (option::of(level()), option::of(worse_level())), 0..4),
        min_healthy in option::of(prop_oneof![
            (1..100u32).prop_map(MinHealthy::Count),
            (1..=100u32).prop_map(MinHealthy::Percent),
        ]),
    ) -> (Vec<CheckDeclaration>, Vec<SignalDeclaration>, Option<MinHealthy>) {
        let checks = checks.into_iter().map(|(name, (kind, subject))| CheckDeclaration { name, kind, subject });
        let signals =
            signals.into_iter().map(|(name, (degraded, unhealthy))| SignalDeclaration { name, degraded, unhealthy });
        (checks.collect(), signals.collect(), min_healthy)
    }
}

prop_compose! {
    fn update()(
        sequence in any::<u64>(),
        full in any::<bool>(),
        results in btree_map(name(), (status(), text()), 0..4),
        values in btree_map(name(), number(), 0..4),
    ) -> Update {
        let results =
            results.into_iter().map(|(name, (status, message))| CheckResult { name, status, message }).collect();
        let values = values.into_iter().map(|(name, value)| SignalValue { name, value }).collect();
        Update { sequence, full, results, values }
    }
}

prop_compose! {
    fn hello()(
        (id, incarnation, version, labels) in (id(), incarnation(), version(), labels()),
        (interval_ms, deadline_ms) in (100..=3_600_000u64, 1..=86_400_000u64),
        criticality in option::of(criticality()),
        dependencies in dependencies(),
        (mut checks, signals, min_healthy) in declarations(),
        state in update(),
    ) -> Hello {
        for check in &mut checks {
            check.subject.take_if(|subject| *subject == id.service);
        }
        Hello {
            id, incarnation, version, labels, criticality, dependencies, checks, signals, min_healthy,
            interval: Duration::from_millis(interval_ms),
            startup_deadline: Duration::from_millis(deadline_ms),
            sequence: state.sequence,
            results: state.results,
            values: state.values,
        }
    }
}

prop_compose! {
    fn instance()(
        (id, incarnation, version, labels) in (id(), incarnation(), version(), labels()),
        (interval_ms, condition, last_status) in (count(), condition(), option::of(status())),
        freshness in select(vec![Freshness::Fresh, Freshness::Suspect, Freshness::Lost, Freshness::Exited]),
        flapping in any::<bool>(),
        checks in vec((name(), check_kind(), option::of(name()), condition(), any::<bool>()), 0..3),
        signals in vec((name(), number(), status(), option::of(level()), option::of(level())), 0..3),
        started in prop_oneof![Just(Wall(0)), wall()],
    ) -> InstanceState {
        let checks = checks.into_iter().map(|(name, kind, subject, condition, flapping)| {
            CheckState { name, kind, subject, condition, flapping }
        }).collect();
        let signals = signals.into_iter().map(|(name, value, status, degraded, unhealthy)| {
            SignalState { name, value, status, degraded, unhealthy }
        }).collect();
        InstanceState {
            id, incarnation, version, labels, interval_ms, condition, last_status, freshness, flapping, checks,
            signals, started,
        }
    }
}

prop_compose! {
    fn maintenance()(
        (service, by, why) in (name(), text(), text()),
        (start, end) in (wall(), option::of(wall())),
    ) -> Maintenance {
        Maintenance { service, by, why, start, end }
    }
}

prop_compose! {
    fn service()(
        (name, own, condition, causes) in (name(), condition(), condition(), names()),
        (criticality, dependencies) in (criticality(), dependencies()),
        [total, healthy, unknown, degraded, unhealthy, suspect, lost, min_healthy] in uniform8(count()),
        (maintenance, reported) in (option::of(maintenance()), any::<bool>()),
        (disagreements, up_since, last_status) in (vec(text(), 0..3), option::of(wall()), option::of(status())),
    ) -> ServiceState {
        let instances = InstanceCounts { total, healthy, unknown, degraded, unhealthy, suspect, lost };
        ServiceState {
            name, own, condition, causes, criticality, dependencies, instances, min_healthy, maintenance, reported,
            disagreements, up_since, last_status,
        }
    }
}

prop_compose! {
    fn system()(
        (condition, causes, critical_unknown) in (condition(), names(), names()),
        (score, [degraded_view, blind, settling]) in (prop_oneof![Just(0), any::<u8>()], any::<[bool; 3]>()),
        [total, healthy, unknown, degraded, unhealthy] in uniform5(count()),
    ) -> SystemState {
        let observer = ObserverState { score, degraded_view, blind, settling };
        let services = ServiceCounts { total, healthy, unknown, degraded, unhealthy };
        SystemState { condition, causes, observer, services, critical_unknown }
    }
}

pub(crate) fn entity() -> impl Strategy<Value = Entity> {
    prop_oneof![
        system().prop_map(Entity::System),
        service().prop_map(Entity::Service),
        instance().prop_map(Entity::Instance),
        name().prop_map(|name| Entity::Removed(EntityKey::Service(name))),
        id().prop_map(|id| Entity::Removed(EntityKey::Instance(id))),
        Just(Entity::Removed(EntityKey::System)),
    ]
}

prop_compose! {
    fn evidence()(
        (service, instance, name) in (name(), option::of(name()), option::of(name())),
        (value, threshold, condition) in (option::of(number()), option::of(number()), condition()),
    ) -> Evidence {
        Evidence { service, instance, name, value, threshold, condition }
    }
}

prop_compose! {
    fn explanation()(
        (name, condition) in (option::of(name()), condition()),
        chains in vec(vec((name(), option::of(kind()), condition(), vec(evidence(), 0..3)), 1..3), 0..3),
    ) -> Explanation {
        let link = |(service, via, condition, evidence)| CausalLink { service, via, condition, evidence };
        let chain = |links: Vec<_>| CausalChain { links: links.into_iter().map(link).collect() };
        Explanation { name, condition, chains: chains.into_iter().map(chain).collect() }
    }
}

fn rule_name() -> impl Strategy<Value = RuleName> {
    "[A-Z][A-Za-z0-9_]{0,20}".prop_map(|text| RuleName::new(&text).unwrap())
}

fn alert_key() -> impl Strategy<Value = AlertKey> {
    (option::of(name()), rule_name()).prop_map(|(service, rule)| AlertKey { service, rule })
}

fn suppression() -> impl Strategy<Value = Suppression> {
    prop_oneof![
        alert_key().prop_map(Suppression::Cause),
        names().prop_map(Suppression::Maintenance),
    ]
}

prop_compose! {
    fn acknowledgement()(
        (service, rules) in (option::of(name()), vec(rule_name(), 0..3)),
        (by, why, start, end) in (text(), text(), wall(), wall()),
    ) -> Acknowledgement {
        Acknowledgement { service, rules, by, why, start, end }
    }
}

prop_compose! {
    fn alert()(
        (key, severity) in (alert_key(), select(Severity::ALL.to_vec())),
        (state, labels, annotations) in (select(AlertState::ALL.to_vec()), labels(), labels()),
        (since, fired, resolved) in (wall(), option::of(wall()), option::of(wall())),
        (unknown_since, suppression) in (option::of(wall()), option::of(suppression())),
        (acknowledged, causes) in (option::of(acknowledgement()), names()),
    ) -> Alert {
        Alert {
            key, severity, state, labels, annotations, since, unknown_since, fired, resolved, suppression,
            acknowledged, causes,
            traceparent: None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hellos(hello in hello()) {
        let back = Converted::<Hello>::try_from(v1::Hello::from(&hello)).unwrap();
        prop_assert_eq!(back, Converted { value: hello, left_out: vec![] });
    }

    #[test]
    fn updates(update in update()) {
        let back = Converted::<Update>::try_from(v1::Update::from(&update)).unwrap();
        prop_assert_eq!(back, Converted { value: update, left_out: vec![] });
    }

    #[test]
    fn entities(entity in entity()) {
        prop_assert_eq!(Entity::try_from(v1::Entity::from(&entity)).unwrap(), entity);
    }

    #[test]
    fn explanations(explanation in explanation()) {
        prop_assert_eq!(Explanation::try_from(v1::ExplainResponse::from(&explanation)).unwrap(), explanation);
    }

    #[test]
    fn alerts(alert in alert()) {
        prop_assert_eq!(Alert::try_from(v1::Alert::from(&alert)).unwrap(), alert);
    }

    #[test]
    fn acknowledgements(acknowledgement in acknowledgement()) {
        let back = Acknowledgement::try_from(v1::Acknowledgement::from(&acknowledgement)).unwrap();
        prop_assert_eq!(back, acknowledgement);
    }

    #[test]
    fn cursors(epoch in any::<u64>(), revision in any::<u64>()) {
        let place = (Epoch(epoch), Revision(revision));
        prop_assert_eq!(<(Epoch, Revision)>::from(v1::Cursor::from(place)), place);
    }
}
