//! The differ against a small world with the real rules: any history, any order of coming back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ward_model::{
    Condition, Criticality, Dependency, DependencyKind, EntityKey, InstanceCounts, Name, ObserverState,
    Reason, ServiceCounts, ServiceState, SystemState, Wall,
};

use super::*;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn condition(status: Status, reason: Reason, since: i64) -> Condition {
    Condition {
        status,
        reason,
        message: String::new(),
        since: Wall(since),
    }
}

/// One service of the small world: the word of each instance (`None`: not back), and what it needs.
#[derive(Clone, Debug)]
struct Member {
    criticality: Criticality,
    needs: Vec<(usize, DependencyKind)>,
    instances: Vec<Option<Status>>,
}

fn cap(status: Status) -> Status {
    match status {
        Status::Healthy | Status::Unknown => Status::Healthy,
        _ => Status::Degraded,
    }
}

fn own(member: &Member) -> Status {
    let present = || member.instances.iter().flatten().copied();
    match (present().max(), present().min()) {
        (Some(worst), Some(best)) => cap(worst).join(best),
        _ => Status::Unknown,
    }
}

/// What an aggregator says of the world: only who is back, or is needed by who is back, is there at all.
fn said(world: &[Member], settling: bool, since: i64) -> Known {
    let back = |m: &Member| m.instances.iter().any(Option::is_some);
    let mut verdicts = world.iter().map(own).collect::<Vec<_>>();
    for _ in world {
        verdicts = (0..world.len())
            .map(|at| {
                let edges = world[at].needs.iter().filter(|_| back(&world[at]));
                edges.fold(verdicts[at], |status, &(on, kind)| match kind {
                    DependencyKind::Hard => status.join(verdicts[on]),
                    DependencyKind::Soft if verdicts[on] == Status::Unhealthy => {
                        status.join(Status::Degraded)
                    }
                    DependencyKind::Soft => status,
                })
            })
            .collect();
    }
    let there = (0..world.len())
        .filter(|&at| {
            back(&world[at])
                || world
                    .iter()
                    .any(|m| back(m) && m.needs.iter().any(|&(on, _)| on == at))
        })
        .collect::<Vec<_>>();
    let mut known = Known::new();
    let mut system = SystemState {
        condition: condition(Status::Unknown, Reason::NoInstances, since),
        observer: ObserverState {
            settling,
            ..ObserverState::default()
        },
        ..SystemState::default()
    };
    let counted = there
        .iter()
        .filter(|&&at| world[at].criticality != Criticality::Optional);
    if let Some(best) = counted.map(|&at| verdicts[at]).min() {
        let joined = there.iter().map(|&at| match world[at].criticality {
            Criticality::Critical => verdicts[at],
            Criticality::Important => verdicts[at].min(Status::Degraded),
            Criticality::Optional => Status::Healthy,
        });
        system.condition.status = joined.fold(best, Status::join);
        system.condition.reason = Reason::Dependency;
    }
    let unknown = there
        .iter()
        .filter(|&&at| verdicts[at] == Status::Unknown)
        .count() as u32;
    system.services = ServiceCounts {
        total: there.len() as u32,
        unknown,
        ..ServiceCounts::default()
    };
    known.insert(EntityKey::System, Entity::System(system));
    for at in there {
        let service = service(at, &world[at], verdicts[at], back(&world[at]), since);
        known.insert(EntityKey::Service(service.name.clone()), Entity::Service(service));
    }
    known
}

fn service(at: usize, member: &Member, verdict: Status, back: bool, since: i64) -> ServiceState {
    let needs = member
        .needs
        .iter()
        .filter(|_| back)
        .map(|&(on, kind)| Dependency {
            service: Name::new(NAMES[on]).unwrap(),
            kind,
            any_of: None,
        });
    ServiceState {
        name: Name::new(NAMES[at]).unwrap(),
        own: condition(own(member), Reason::Reported, since),
        condition: condition(verdict, Reason::Dependency, since),
        causes: Vec::new(),
        criticality: member.criticality,
        dependencies: needs.collect(),
        instances: InstanceCounts {
            total: member.instances.iter().flatten().count() as u32,
            ..InstanceCounts::default()
        },
        min_healthy: 1,
        maintenance: None,
        reported: back,
        disagreements: Vec::new(),
        up_since: Some(Wall(since)),
        last_status: None,
    }
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![6 => Just(Status::Healthy), 2 => Just(Status::Degraded), 2 => Just(Status::Unhealthy)]
}

fn world() -> impl Strategy<Value = Vec<Member>> {
    let criticality = prop_oneof![
        Just(Criticality::Critical),
        Just(Criticality::Important),
        Just(Criticality::Optional)
    ];
    let kind = prop_oneof![Just(DependencyKind::Hard), Just(DependencyKind::Soft)];
    let needs = prop::collection::btree_map(0..NAMES.len(), kind, 0..3);
    let instances = prop::collection::vec(status().prop_map(Some), 1..4);
    let member = (criticality, needs, instances).prop_map(|(criticality, needs, instances)| Member {
        criticality,
        needs: needs.into_iter().collect(),
        instances,
    });
    prop::collection::vec(member, NAMES.len())
}

/// Every instance, in some order.
fn order() -> impl Strategy<Value = Vec<(usize, usize)>> {
    let all = (0..NAMES.len())
        .flat_map(|at| (0..3).map(move |instance| (at, instance)))
        .collect::<Vec<_>>();
    Just(all).prop_shuffle()
}

fn snapshot(epoch: u64, to: u64, known: &Known) -> Step {
    Step {
        epoch: Epoch(epoch),
        to: Revision(to),
        kind: UpdateKind::Snapshot,
        last: true,
        entities: known.values().cloned().collect(),
    }
}

/// What a stream says between two states.
fn delta(epoch: u64, to: u64, before: &Known, now: &Known) -> Step {
    let changed = now
        .iter()
        .filter(|(key, entity)| before.get(key) != Some(entity))
        .map(|(_, e)| e.clone());
    let gone = before
        .keys()
        .filter(|key| !now.contains_key(key))
        .map(|key| Entity::Removed(key.clone()));
    Step {
        epoch: Epoch(epoch),
        to: Revision(to),
        kind: UpdateKind::Revision,
        last: true,
        entities: changed.chain(gone).collect(),
    }
}

fn take(differ: &mut Differ, step: Step) -> Vec<Changed> {
    differ
        .step(step)
        .unwrap()
        .expect("the step is whole")
        .map_or_else(Vec::new, |update| update.changes)
}

/// A differ that knows the whole world from epoch 1.
fn before_restart(world: &[Member]) -> Differ {
    let mut differ = Differ::new(Status::Healthy);
    take(&mut differ, snapshot(1, 1, &said(world, false, 1)));
    differ
}

/// Behind a restart, `now` comes back instance by instance; gives all that was told and the revision reached.
fn come_back(differ: &mut Differ, now: &[Member], order: &[(usize, usize)]) -> (Vec<Changed>, Known, u64) {
    let mut back = now.to_vec();
    back.iter_mut()
        .for_each(|member| member.instances.iter_mut().for_each(|word| *word = None));
    let mut known = said(&back, true, 2);
    let mut told = take(differ, snapshot(2, 1, &known));
    let mut revision = 1;
    for &(at, instance) in order {
        if instance < now[at].instances.len() {
            back[at].instances[instance] = now[at].instances[instance];
            let next = said(&back, true, 2);
            revision += 1;
            told.extend(take(differ, delta(2, revision, &known, &next)));
            known = next;
        }
    }
    (told, known, revision)
}

fn same(told: &Known, truth: &Known) -> bool {
    told.len() == truth.len()
        && told
            .iter()
            .all(|(key, e)| truth.get(key).is_some_and(|t| settling::same_but_for_time(e, t)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_comes_back_unchanged_is_not_told(world in world(), order in order()) {
        let mut differ = before_restart(&world);
        let (told, known, revision) = come_back(&mut differ, &world, &order);
        prop_assert_eq!(told, Vec::new());
        let settled = said(&world, false, 2);
        let changes = take(&mut differ, delta(2, revision + 1, &known, &settled));
        prop_assert!(changes.iter().all(|changed| !changed.is_transition()), "{:?}", changes);
        prop_assert_eq!(differ.told(), &settled);
    }

    #[test]
    fn what_changed_is_right_as_soon_as_all_are_back(
        world in world(), words in prop::collection::vec(status(), 15), order in order()
    ) {
        let mut differ = before_restart(&world);
        let mut now = world.clone();
        let mut words = words.into_iter();
        now.iter_mut().flat_map(|m| &mut m.instances).for_each(|word| *word = words.next());
        let then = differ.told().clone();
        let (told, known, _) = come_back(&mut differ, &now, &order);
        prop_assert!(same(differ.told(), &known), "told {:?}\ntruth {:?}", differ.told(), known);
        for changed in told {
            let (key, status) = (changed.entity.key(), changed.entity.status());
            prop_assert!(status != Status::Unknown && !matches!(changed.entity, Entity::Removed(_)));
            // Neither a false alarm nor a false all-clear on the way.
            let (before, after) = (then[&key].status(), known[&key].status());
            prop_assert!((before.min(after)..=before.max(after)).contains(&status), "{key:?} was told {status}");
        }
    }

    #[test]
    fn what_stays_away_is_told_when_settled(
        world in world(), gone in prop::collection::vec(any::<bool>(), 15), order in order(), by_bookmark: bool
    ) {
        let mut differ = before_restart(&world);
        let present = order.into_iter().filter(|(at, i)| !gone[at * 3 + i]).collect::<Vec<_>>();
        let (told, known, revision) = come_back(&mut differ, &world, &present);
        prop_assert!(told.iter().all(|c| c.entity.status() != Status::Unknown));
        prop_assert!(told.iter().all(|c| !matches!(c.entity, Entity::Removed(_))));
        if by_bookmark {
            let cursor = Cursor { epoch: Epoch(2), revision: Revision(revision) };
            differ.bookmark(cursor, ObserverState::default()).unwrap();
        } else {
            let mut settled = known.clone();
            if let Some(Entity::System(system)) = settled.get_mut(&EntityKey::System) {
                system.observer.settling = false;
            }
            take(&mut differ, delta(2, revision + 1, &known, &settled));
        }
        let told = differ.told().iter().map(|(k, e)| (k, e.status())).collect::<Vec<_>>();
        prop_assert_eq!(told, known.iter().map(|(k, e)| (k, e.status())).collect::<Vec<_>>());
    }

    #[test]
    fn the_changes_add_up_to_the_state(
        worlds in prop::collection::vec((world(), 0..3_u8, any::<bool>()), 1..8)
    ) {
        let mut differ = Differ::new(Status::Healthy);
        let (mut sum, mut known) = (Known::new(), Known::new());
        for (revision, (world, how, thin)) in (1..).zip(worlds) {
            let mut world = world;
            if thin {
                world[0].instances = vec![None];
            }
            let next = said(&world, false, i64::try_from(revision).unwrap());
            let step = match how {
                0 if revision > 1 => delta(1, revision, &known, &next),
                1 if revision > 1 => Step { kind: UpdateKind::Coalesced { skipped: 1 }, ..delta(1, revision, &known, &next) },
                _ => snapshot(1, revision, &next),
            };
            for part in parts(step) {
                let last = part.last;
                let before = differ.told().clone();
                let update = differ.step(part).unwrap();
                prop_assert_eq!(last, update.is_some());
                prop_assert!(last || before == *differ.told(), "half a step was told");
                add(&mut sum, update.flatten());
            }
            prop_assert_eq!(differ.told(), &next);
            prop_assert_eq!(&sum, &next);
            known = next;
        }
    }
}

/// One message for each entity.
fn parts(step: Step) -> Vec<Step> {
    let mut parts: Vec<_> = step
        .entities
        .iter()
        .map(|e| Step {
            last: false,
            entities: vec![e.clone()],
            ..step.clone()
        })
        .collect();
    parts.push(Step {
        entities: Vec::new(),
        ..step
    });
    parts
}

fn add(sum: &mut Known, update: Option<Update>) {
    for Changed { before, entity } in update.into_iter().flat_map(|update| update.changes) {
        assert_ne!(before.as_ref(), Some(&entity), "told again");
        assert_eq!(sum.get(&entity.key()), before.as_ref());
        match entity {
            Entity::Removed(key) => drop(sum.remove(&key)),
            entity => drop(sum.insert(entity.key(), entity)),
        }
    }
}

fn healthy_pair() -> Vec<Member> {
    let member = |needs| Member {
        criticality: Criticality::Critical,
        needs,
        instances: vec![Some(Status::Healthy), Some(Status::Healthy)],
    };
    vec![member(vec![(1, DependencyKind::Hard)]), member(Vec::new())]
}

#[test]
fn a_real_failure_is_told_while_others_are_still_away() {
    let world = healthy_pair();
    let mut differ = before_restart(&world);
    let mut ill = world;
    ill[1].instances = vec![Some(Status::Unhealthy), Some(Status::Unhealthy)];
    let (told, ..) = come_back(&mut differ, &ill, &[(1, 0), (1, 1)]);
    let told = told
        .iter()
        .map(|c| (c.entity.key(), c.entity.status()))
        .collect::<BTreeMap<_, _>>();
    let b = EntityKey::Service(Name::new("b").unwrap());
    assert_eq!(
        told,
        BTreeMap::from([(EntityKey::System, Status::Unhealthy), (b, Status::Unhealthy)])
    );
}

#[test]
fn a_stream_out_of_order_is_refused_and_a_snapshot_mends_it() {
    let known = said(&healthy_pair(), false, 1);
    let mut differ = Differ::new(Status::Healthy);
    assert_eq!(
        differ.step(delta(1, 2, &Known::new(), &known)),
        Err(Disorder::Unrooted(Epoch(1)))
    );
    take(&mut differ, snapshot(1, 5, &known));
    let back = Disorder::Backwards {
        to: Revision(5),
        at: Revision(5),
    };
    assert_eq!(differ.step(delta(1, 5, &Known::new(), &known)), Err(back));
    assert_eq!(
        differ.step(delta(2, 6, &Known::new(), &known)),
        Err(Disorder::Unrooted(Epoch(2)))
    );
    assert_eq!(
        differ.step(Step {
            last: false,
            ..delta(1, 6, &Known::new(), &known)
        }),
        Ok(None)
    );
    assert_eq!(
        differ.step(delta(1, 7, &Known::new(), &known)),
        Err(Disorder::Torn(Revision(7)))
    );
    differ.lose_place();
    assert_eq!(differ.resume(), None);
    assert_eq!(
        differ.step(delta(1, 8, &Known::new(), &known)),
        Err(Disorder::Unrooted(Epoch(1)))
    );
    assert_eq!(
        differ.step(snapshot(1, 9, &known)),
        Ok(Some(None)),
        "nothing differs"
    );
    assert_eq!(differ.resume().map(|cursor| cursor.revision), Some(Revision(9)));
}

#[test]
fn under_a_filter_what_was_well_may_be_left_out_of_a_snapshot() {
    let mut world = healthy_pair();
    world[0].needs.clear();
    let mut ill = world.clone();
    ill[0].instances = vec![Some(Status::Unhealthy)];
    let (well, ill) = (said(&world, false, 1), said(&ill, false, 2));
    let mut differ = Differ::new(Status::Degraded);
    take(&mut differ, snapshot(1, 1, &ill));
    let mut filtered = ill;
    filtered.remove(&EntityKey::Service(Name::new("b").unwrap()));
    assert_eq!(take(&mut differ, snapshot(1, 2, &filtered)), Vec::new());
    let gone = take(&mut differ, snapshot(1, 3, &Known::new()));
    assert_eq!(
        gone.len(),
        2,
        "the system and a were bad and are no longer in it: {gone:?}"
    );
    assert!(
        take(&mut differ, snapshot(1, 4, &well))
            .iter()
            .all(|changed| changed.before.is_none())
    );
}
