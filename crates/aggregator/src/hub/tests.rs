//! The six promises of Watch against a reference that remembers every state there ever was.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::BytesMut;
use proptest::prelude::*;
use prost::Message;
use serde_json::Value;
use tokio::time;
use ward_model::{
    Change, ChangeSet, Condition, Entity, EntityKey, Epoch, InstanceId, InstanceState, Name, Revision,
    ServiceState, Status, SystemState,
};
use ward_proto::v1::{self, DeltaKind, watch_response::Event};

use super::{
    Bounds, Config, Cursor, Encoding, Filter, Level, Outgoing,
    frame::{Frame, append_json, encode_entity},
    hub,
    reader::Reader,
    ring::Ring,
};

const SERVICES: [&str; 4] = ["a", "b", "c-1", "d.x"];

fn service_name(index: u8) -> Name {
    Name::service(SERVICES[usize::from(index) % SERVICES.len()]).unwrap()
}

fn key(index: u8) -> EntityKey {
    match index % 13 {
        0 => EntityKey::System,
        index @ 1..=4 => EntityKey::Service(service_name(index - 1)),
        index => EntityKey::Instance(InstanceId {
            service: service_name(index - 5),
            instance: Name::instance(if index < 9 { "one" } else { "two" }).unwrap(),
        }),
    }
}

fn status(index: u8) -> Status {
    Status::ALL[usize::from(index) % Status::ALL.len()]
}

/// An entity that differs with each `version`, so that an older state is never taken for a newer one.
fn entity(key: &EntityKey, status: Status, version: u64) -> Entity {
    let message = format!("{version} {}", "x".repeat(version as usize % 40));
    let condition = Condition {
        status,
        message,
        ..Condition::default()
    };
    match key {
        EntityKey::System => Entity::System(SystemState {
            condition,
            ..SystemState::default()
        }),
        EntityKey::Service(name) => Entity::Service(ServiceState {
            name: name.clone(),
            own: condition.clone(),
            condition,
            causes: Vec::new(),
            criticality: Default::default(),
            dependencies: Vec::new(),
            instances: Default::default(),
            min_healthy: 1,
            maintenance: None,
            reported: true,
            disagreements: Vec::new(),
            up_since: None,
            last_status: None,
        }),
        EntityKey::Instance(id) => Entity::Instance(InstanceState {
            id: id.clone(),
            incarnation: ward_model::Incarnation::new("i").unwrap(),
            version: String::new(),
            labels: BTreeMap::new(),
            interval_ms: 5000,
            condition,
            last_status: None,
            freshness: Default::default(),
            flapping: false,
            checks: Vec::new(),
            signals: Vec::new(),
            started: Default::default(),
        }),
    }
}

/// A ring that keeps states of instances.
fn full(epoch: Epoch, head: Revision, state: impl IntoIterator<Item = Entity>, bounds: Bounds) -> Ring {
    let ring = Ring::new(epoch, head, state, bounds);
    ring.present().fill(Vec::new(), true);
    ring
}

type State = BTreeMap<EntityKey, (Status, v1::Entity)>;

fn restrict(state: &State, filter: &Filter) -> State {
    let passing = state
        .iter()
        .filter(|(key, (status, _))| filter.passes(key, *status));
    passing.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Every state there was, of every epoch.
#[derive(Default)]
struct Reference {
    states: BTreeMap<(u64, u64), State>,
    now: State,
    version: u64,
    /// Every state of everything by what it is in JSON. None is twice, since each has a version of its own.
    as_json: BTreeMap<String, v1::Entity>,
}

impl Reference {
    fn learn_json(&mut self, entity: &Entity) {
        let (mut field, mut json) = (BytesMut::new(), BytesMut::new());
        encode_entity(entity, &mut field);
        append_json(&field, &mut json);
        assert_eq!(json[0], b',');
        assert!(!json.contains(&b'\n'), "an event's data is one line");
        let value: Value = serde_json::from_slice(&json[1..]).unwrap();
        self.as_json.insert(value.to_string(), v1::Entity::from(entity));
    }

    /// A frame in JSON, as one in protobuf; fails if an entity is not a state that there was.
    fn out_of_json(&self, frame: Frame) -> Event {
        let array = frame.entities.concat();
        let array = format!(
            "[{}]",
            std::str::from_utf8(&array)
                .unwrap()
                .strip_prefix(',')
                .unwrap_or_default()
        );
        let values: Vec<Value> = serde_json::from_str(&array).unwrap();
        let entities = values
            .iter()
            .map(|value| self.as_json[&value.to_string()].clone())
            .collect();
        let Frame {
            epoch,
            from,
            to,
            kind,
            skipped,
            last,
            ..
        } = frame;
        Event::Delta(v1::Delta {
            epoch: epoch.0,
            from: from.0,
            to: to.0,
            kind: kind.into(),
            skipped,
            last,
            entities,
        })
    }

    fn change(&mut self, key: &EntityKey, status: Option<Status>) -> Option<Change> {
        self.version += 1;
        let before = self.now.get(key).map(|(status, _)| *status);
        let entity = match status {
            Some(status) => entity(key, status, self.version),
            None if before.is_none() || *key == EntityKey::System => return None,
            None => Entity::Removed(key.clone()),
        };
        self.learn_json(&entity);
        match status {
            Some(status) => self.now.insert(key.clone(), (status, v1::Entity::from(&entity))),
            None => self.now.remove(key),
        };
        Some(Change { before, entity })
    }
}

/// A client of Watch that believes every promise, and fails where one is broken.
struct Client {
    filter: Filter,
    encoding: Encoding,
    state: State,
    cursor: Option<Cursor>,
    gathered: Vec<v1::Entity>,
    reader: Reader,
    /// What it resumed from, until the first message shows how it was taken.
    resumed: Option<Cursor>,
    /// It has looked up to here, and there was nothing for it behind its cursor.
    looked: Option<Cursor>,
}

fn model_key(entity: &v1::Entity) -> (EntityKey, Option<Status>) {
    use v1::entity::State as S;
    let service = |name: &str| Name::service(name).unwrap();
    let status = |condition: &Option<v1::Condition>| match condition.as_ref().unwrap().status() {
        v1::Status::Healthy => Status::Healthy,
        v1::Status::Unknown => Status::Unknown,
        v1::Status::Degraded => Status::Degraded,
        v1::Status::Unhealthy => Status::Unhealthy,
        v1::Status::Unspecified => panic!("an entity without a status"),
    };
    let instance = |s: &str, i: &str| {
        EntityKey::Instance(InstanceId {
            service: service(s),
            instance: Name::instance(i).unwrap(),
        })
    };
    match entity.state.as_ref().unwrap() {
        S::System(system) => (EntityKey::System, Some(status(&system.condition))),
        S::Service(state) => (
            EntityKey::Service(service(&state.name)),
            Some(status(&state.condition)),
        ),
        S::Instance(state) => (
            instance(&state.service, &state.instance),
            Some(status(&state.condition)),
        ),
        S::Removed(removed) if removed.instance.is_empty() => {
            (EntityKey::Service(service(&removed.service)), None)
        }
        S::Removed(removed) => (instance(&removed.service, &removed.instance), None),
    }
}

/// Through the bytes and back, as a client would see it.
fn over_the_wire(message: &Outgoing) -> Event {
    let message = message.delimited();
    let length = u32::try_from(message.len() - 5).unwrap().to_be_bytes();
    assert_eq!(
        message[..5],
        [&[0], &length[..]].concat(),
        "not compressed, and so long"
    );
    v1::WatchResponse::decode(message.slice(5..))
        .unwrap()
        .event
        .unwrap()
}

impl Client {
    fn new(filter: Filter, encoding: Encoding, resume: Option<Cursor>) -> Self {
        let reader = Reader::new(filter.clone(), encoding, resume);
        Self {
            filter,
            encoding,
            state: State::new(),
            cursor: resume,
            gathered: Vec::new(),
            reader,
            resumed: resume,
            looked: None,
        }
    }

    fn reconnect(&mut self) {
        self.gathered.clear();
        self.reader = Reader::new(self.filter.clone(), self.encoding, self.cursor);
        self.resumed = self.cursor;
        self.looked = None;
    }

    /// Takes one message, and says whether there was one.
    fn poll(&mut self, ring: &Ring, reference: &Reference) -> bool {
        let lag = self
            .resumed
            .or(self.cursor)
            .map(|cursor| ring.head().0.saturating_sub(cursor.revision.0));
        // Nothing is filtered out and nothing is under way: then the lag is known here as well as there.
        let whole = Filter {
            level: Level::Instance,
            ..Filter::default()
        };
        let exact = self.filter == whole && !self.reader.is_within_step();
        let resumable = self.resumed.take().map(|cursor| ring.holds(cursor));
        let Some(frame) = self.reader.next(ring) else {
            // There was nothing for it up to here, which it is not told, and is not behind for.
            if self.cursor.is_some() && !self.reader.is_behind(ring) {
                self.looked = Some(Cursor {
                    epoch: ring.epoch(),
                    revision: ring.head(),
                });
            }
            return false;
        };
        let looked = self.looked.filter(|looked| looked.epoch == ring.epoch());
        let since = |looked: Cursor| ring.head().0 - looked.revision.0;
        let behind = lag.map(|lag| looked.map_or(lag, |looked| lag.min(since(looked))));
        let told = match self.encoding {
            Encoding::Protobuf => over_the_wire(&Outgoing::Delta(frame)),
            Encoding::Json => reference.out_of_json(frame),
        };
        match told {
            Event::Delta(delta) => {
                if exact && delta.kind() == DeltaKind::Revision {
                    assert!(
                        behind.is_some_and(|lag| lag <= BOUNDS.told_apart),
                        "told apart although far behind"
                    );
                }
                self.take(delta, resumable, lag, reference);
            }
            other => panic!("a delta became {other:?}"),
        }
        true
    }

    fn bookmark(&mut self, ring: &Ring, reference: &Reference) {
        let Some(message) = self.reader.bookmark(ring, None) else {
            return;
        };
        let Event::Bookmark(bookmark) = over_the_wire(&message) else {
            panic!("not a bookmark")
        };
        let mark = bookmark.cursor.unwrap();
        let cursor = self.cursor.expect("a bookmark comes behind the first step");
        assert_eq!(mark.epoch, cursor.epoch.0);
        assert!(
            mark.revision >= cursor.revision.0,
            "ordered: a bookmark goes back"
        );
        self.cursor = Some(Cursor {
            epoch: Epoch(mark.epoch),
            revision: Revision(mark.revision),
        });
        self.compare(reference);
    }

    fn take(&mut self, delta: v1::Delta, resumable: Option<bool>, lag: Option<u64>, reference: &Reference) {
        let kind = delta.kind();
        if let Some(resumable) = resumable {
            assert_eq!(
                kind != DeltaKind::Snapshot,
                resumable,
                "resumable: from what the ring holds, and only that"
            );
        }
        if kind != DeltaKind::Snapshot {
            let cursor = self.cursor.expect("the first thing told is a snapshot");
            assert_eq!(
                (delta.epoch, delta.from),
                (cursor.epoch.0, cursor.revision.0),
                "reliable: a gap"
            );
            assert!(delta.to > delta.from, "ordered and unique");
        }
        if kind == DeltaKind::Revision {
            assert_eq!(delta.skipped, 0);
        }
        if kind == DeltaKind::Coalesced {
            assert!(
                lag.is_some_and(|lag| lag > BOUNDS.told_apart),
                "told as one without need"
            );
        }
        for entity in &delta.entities {
            self.assert_severe(entity, kind, (delta.epoch, delta.to), reference);
        }
        self.gathered.extend(delta.entities);
        assert!(self.gathered.len() <= 13, "there are no more things than that");
        if delta.last {
            self.apply(kind);
            self.cursor = Some(Cursor {
                epoch: Epoch(delta.epoch),
                revision: Revision(delta.to),
            });
            self.compare(reference);
        }
    }

    fn apply(&mut self, kind: DeltaKind) {
        if kind == DeltaKind::Snapshot {
            self.state.clear();
        }
        let mut seen = BTreeMap::new();
        for entity in self.gathered.drain(..) {
            let (key, status) = model_key(&entity);
            assert!(
                seen.insert(key.clone(), ()).is_none(),
                "atomic: {key:?} twice in one step"
            );
            assert!(self.filter.wants(&key), "{key:?} was not asked for");
            match status {
                Some(status) => self.state.insert(key, (status, entity)),
                None => self.state.remove(&key),
            };
        }
    }

    /// Nothing is told that the filter leaves out. For several revisions as one only the model's own answer would do.
    fn assert_severe(&self, entity: &v1::Entity, kind: DeltaKind, at: (u64, u64), reference: &Reference) {
        let (key, status) = model_key(entity);
        let now = status.unwrap_or_default();
        let severity = match kind {
            DeltaKind::Snapshot => now,
            DeltaKind::Revision => {
                let before = reference.states[&(at.0, at.1 - 1)].get(&key);
                now.join(before.map_or(Status::Healthy, |(status, _)| *status))
            }
            _ => Status::Unhealthy,
        };
        assert!(severity >= self.filter.least, "{key:?} is not that bad");
    }

    fn compare(&self, reference: &Reference) {
        let cursor = self.cursor.unwrap();
        let expected = &reference.states[&(cursor.epoch.0, cursor.revision.0)];
        assert_eq!(
            restrict(&self.state, &self.filter),
            restrict(expected, &self.filter),
            "reliable and atomic"
        );
    }
}

/// Small, so that short histories reach every bound.
const BOUNDS: Bounds = Bounds {
    revisions: 12,
    bytes: 6000,
    json_bytes: 2000,
    told_apart: 3,
    frame_bytes: 220,
};

#[derive(Clone, Debug)]
enum Op {
    /// A revision: keys, and their status or that they are no more.
    Publish(Vec<(u8, Option<u8>)>),
    /// Watcher so-and-so takes so many messages.
    Take(u8, u8),
    Bookmark(u8),
    Join(FilterSpec, bool),
    /// Its connection breaks, perhaps within a step; it resumes from its cursor.
    Reconnect(u8),
    /// It claims to have been told what has not happened yet.
    FromTheFuture(u8),
    /// The aggregator restarts; what it knew may have changed meanwhile.
    Restart,
}

#[derive(Clone, Debug)]
struct FilterSpec {
    names: Vec<u8>,
    level: u8,
    least: u8,
}

impl FilterSpec {
    fn filter(&self) -> Filter {
        Filter {
            names: self.names.iter().map(|&name| service_name(name)).collect(),
            level: [Level::System, Level::Service, Level::Instance][usize::from(self.level % 3)],
            least: status(self.least),
        }
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let publish = prop::collection::vec((any::<u8>(), prop::option::weighted(0.8, any::<u8>())), 1..12);
    let filter = (
        prop::collection::vec(any::<u8>(), 0..3),
        any::<u8>(),
        prop_oneof![3 => Just(0u8), 2 => any::<u8>()],
    )
        .prop_map(|(names, level, least)| FilterSpec { names, level, least });
    let op = prop_oneof![
        10 => publish.prop_map(Op::Publish),
        6 => (any::<u8>(), 1u8..8).prop_map(|(who, count)| Op::Take(who, count)),
        2 => any::<u8>().prop_map(Op::Bookmark),
        2 => (filter, any::<bool>()).prop_map(|(filter, json)| Op::Join(filter, json)),
        2 => any::<u8>().prop_map(Op::Reconnect),
        1 => any::<u8>().prop_map(Op::FromTheFuture),
        1 => Just(Op::Restart),
    ];
    prop::collection::vec(op, 1..120)
}

struct World {
    ring: Ring,
    reference: Reference,
    clients: Vec<Client>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            ring: full(Epoch(0), Revision(0), [], BOUNDS),
            reference: Reference::default(),
            clients: Vec::new(),
        };
        world.reference.change(&EntityKey::System, Some(Status::Unknown));
        world.start(Epoch(1));
        world
    }

    fn start(&mut self, epoch: Epoch) {
        let state: Vec<Entity> = {
            let keys: Vec<_> = self
                .reference
                .now
                .iter()
                .map(|(key, (status, _))| (key.clone(), *status))
                .collect();
            keys.iter()
                .map(|(key, status)| self.reference.change(key, Some(*status)).unwrap().entity)
                .collect()
        };
        self.ring = full(epoch, Revision(0), state, BOUNDS);
        self.remember();
    }

    fn remember(&mut self) {
        self.reference.states.insert(
            (self.ring.epoch().0, self.ring.head().0),
            self.reference.now.clone(),
        );
    }

    fn client(&mut self, who: u8) -> Option<usize> {
        (!self.clients.is_empty()).then(|| usize::from(who) % self.clients.len())
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Publish(changes) => self.publish(&changes),
            Op::Join(spec, json) => {
                let encoding = if json { Encoding::Json } else { Encoding::Protobuf };
                self.clients.push(Client::new(spec.filter(), encoding, None));
            }
            Op::Restart => {
                self.start(Epoch(self.ring.epoch().0 + 1));
                self.clients.iter_mut().for_each(Client::reconnect);
            }
            Op::Take(who, count) => {
                if let Some(who) = self.client(who) {
                    (0..count)
                        .take_while(|_| self.clients[who].poll(&self.ring, &self.reference))
                        .count();
                }
            }
            Op::Bookmark(who) => {
                if let Some(who) = self.client(who) {
                    self.clients[who].bookmark(&self.ring, &self.reference);
                }
            }
            Op::Reconnect(who) => {
                if let Some(who) = self.client(who) {
                    self.clients[who].reconnect();
                }
            }
            Op::FromTheFuture(who) => {
                if let Some(who) = self.client(who) {
                    let future = Cursor {
                        epoch: self.ring.epoch(),
                        revision: Revision(self.ring.head().0 + 1),
                    };
                    self.clients[who] = Client::new(
                        self.clients[who].filter.clone(),
                        self.clients[who].encoding,
                        Some(future),
                    );
                    // To the end: a lie told twice may have come true, and then nobody could tell.
                    while self.clients[who].poll(&self.ring, &self.reference) {}
                }
            }
        }
    }

    fn publish(&mut self, changes: &[(u8, Option<u8>)]) {
        let by_key: BTreeMap<_, _> = changes
            .iter()
            .map(|(index, to)| (key(*index), to.map(status)))
            .collect();
        // Backwards, because the ring has to bring them into order itself.
        let changes = by_key
            .iter()
            .rev()
            .filter_map(|(key, to)| self.reference.change(key, *to))
            .collect();
        self.ring.take(&ChangeSet {
            revision: self.ring.head().next(),
            changes,
        });
        self.remember();
    }

    /// Whoever goes on reading knows everything in the end.
    fn settle(&mut self) {
        for client in &mut self.clients {
            while client.poll(&self.ring, &self.reference) {}
            client.bookmark(&self.ring, &self.reference);
            let head = Cursor {
                epoch: self.ring.epoch(),
                revision: self.ring.head(),
            };
            assert_eq!(client.cursor, Some(head), "bookmarkable: all is told");
            assert!(!client.reader.is_behind(&self.ring));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_six_promises_hold(ops in ops()) {
        let mut world = World::new();
        for op in ops {
            world.run(op);
        }
        world.settle();
    }

    #[test]
    fn bytes_equal_the_normal_encoding(
        changes in prop::collection::vec((any::<u8>(), any::<u8>()), 0..9),
        numbers in any::<[u64; 4]>(), last: bool, kind in 1..4,
    ) {
        let entities: Vec<_> = changes.iter().map(|(index, to)| entity(&key(*index), status(*to), 7)).collect();
        let encoded = entities.iter().map(|entity| {
            let mut bytes = BytesMut::new();
            encode_entity(entity, &mut bytes);
            bytes.freeze()
        });
        let [epoch, from, to, skipped] = numbers;
        let kind = DeltaKind::try_from(kind).unwrap();
        let frame = Frame { epoch: Epoch(epoch), from: Revision(from), to: Revision(to), kind, skipped, last, entities: encoded.collect(), shared: None };
        let entities = entities.iter().map(v1::Entity::from).collect();
        let delta = v1::Delta { epoch, from, to, kind: kind.into(), skipped, last, entities };
        let message = v1::WatchResponse { event: Some(Event::Delta(delta)) };
        let mut bytes = BytesMut::new();
        let outgoing = Outgoing::Delta(frame);
        outgoing.encode(&mut bytes);
        prop_assert_eq!(outgoing.size_hint(), bytes.len());
        prop_assert_eq!(&bytes[..], &message.encode_to_vec()[..]);
    }
}

fn set(revision: u64, count: u8) -> ChangeSet {
    let changes = (0..count).map(|index| Change {
        before: None,
        entity: entity(&key(index), Status::Healthy, revision),
    });
    ChangeSet {
        revision: Revision(revision),
        changes: changes.collect(),
    }
}

#[test]
fn the_ring_keeps_within_its_bounds() {
    let mut ring = full(Epoch(1), Revision(0), [], BOUNDS);
    for revision in 1..=100 {
        ring.take(&set(revision, 1));
    }
    let at = |revision| Cursor {
        epoch: Epoch(1),
        revision: Revision(revision),
    };
    assert!(
        ring.holds(at(88)) && !ring.holds(at(87)) && !ring.holds(at(101)),
        "12 revisions"
    );
    let mut wide = full(
        Epoch(1),
        Revision(0),
        [],
        Bounds {
            revisions: 1000,
            ..BOUNDS
        },
    );
    for revision in 1..=100 {
        wide.take(&set(revision, 13));
    }
    assert!(wide.holds(at(100)) && !wide.holds(at(90)), "6,000 bytes");
}

#[test]
fn a_hole_in_the_order_is_told_as_a_snapshot() {
    let mut ring = full(Epoch(1), Revision(0), [], BOUNDS);
    ring.take(&set(1, 1));
    ring.take(&set(3, 2));
    let mut reader = Reader::new(
        Filter::default(),
        Encoding::Protobuf,
        Some(Cursor {
            epoch: Epoch(1),
            revision: Revision(1),
        }),
    );
    assert_eq!(reader.next(&ring).unwrap().kind, DeltaKind::Snapshot);
}

#[test]
fn what_passes_whole_is_one_piece() {
    let mut ring = full(Epoch(1), Revision(0), [], Bounds::default());
    ring.take(&set(1, 13));
    let read = |encoding, level| {
        let filter = Filter {
            level,
            ..Filter::default()
        };
        Reader::new(
            filter,
            encoding,
            Some(Cursor {
                epoch: Epoch(1),
                revision: Revision(0),
            }),
        )
        .next(&ring)
        .unwrap()
        .entities
    };
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let [system, services, instances] =
            [Level::System, Level::Service, Level::Instance].map(|level| read(encoding, level));
        assert_eq!([system.len(), services.len(), instances.len()], [1, 1, 1]);
        assert_eq!(
            system[0].as_ptr(),
            instances[0].as_ptr(),
            "the same bytes, not a copy"
        );
        assert!(system[0].len() < services[0].len() && services[0].len() < instances[0].len());
    }
}

fn quick() -> Config {
    Config {
        bookmark_every: Duration::from_secs(10),
        stall_after: Duration::from_secs(10),
        bounds: BOUNDS,
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_woken_and_marked() {
    let (mut publisher, hub) = hub(Epoch(5), Revision(0), [], quick());
    let mut watcher = hub.watch(Filter::default(), Encoding::Protobuf, None);
    assert_eq!(hub.watchers(), 1);
    assert!(
        matches!(watcher.next().await, Some(Outgoing::Delta(frame)) if frame.kind == DeltaKind::Snapshot)
    );
    let waiting = tokio::spawn(async move { (watcher.next().await, watcher) });
    publisher.publish(&set(1, 2));
    publisher.wake();
    let (woken, mut watcher) = waiting.await.unwrap();
    assert!(matches!(woken, Some(Outgoing::Delta(frame)) if frame.to == Revision(1)));
    let mark = time::timeout(Duration::from_secs(11), watcher.next())
        .await
        .expect("a mark in time");
    assert!(matches!(
        mark,
        Some(Outgoing::Bookmark {
            revision: Revision(1),
            ..
        })
    ));
    drop(watcher);
    assert_eq!(hub.watchers(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_who_resumes_at_the_head_is_told_so_at_once() {
    let (_publisher, hub) = hub(Epoch(5), Revision(7), [], quick());
    let mut watcher = hub.watch(Filter::default(), Encoding::Protobuf, Some(hub.head()));
    let first = time::timeout(Duration::from_millis(1), watcher.next())
        .await
        .expect("at once");
    assert!(matches!(
        first,
        Some(Outgoing::Bookmark {
            revision: Revision(7),
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn one_who_stands_still_while_behind_is_ended() {
    let (mut publisher, hub) = hub(Epoch(5), Revision(0), [], quick());
    let mut stalled = hub.watch(Filter::default(), Encoding::Protobuf, None);
    let mut reading = hub.watch(Filter::default(), Encoding::Protobuf, None);
    assert!(stalled.next().await.is_some() && reading.next().await.is_some());
    assert_eq!(
        [hub.end_stalled(), hub.end_stalled(), hub.end_stalled()],
        [0, 0, 0],
        "nothing to take"
    );
    publisher.publish(&set(1, 2));
    publisher.wake();
    assert!(reading.next().await.is_some());
    assert_eq!(
        [hub.end_stalled(), hub.end_stalled(), hub.end_stalled()],
        [0, 0, 1]
    );
    assert_eq!(hub.end_stalled(), 0, "only once");
    assert!(matches!(stalled.next().await, Some(Outgoing::Closing(_))));
    assert_eq!(stalled.next().await, None);
}

#[test]
fn a_snapshot_seeks_to_the_names_asked_for() {
    let state: Vec<_> = (0..13)
        .map(|index| entity(&key(index), Status::Healthy, 1))
        .collect();
    let ring = full(Epoch(1), Revision(0), state, Bounds::default());
    let filter = Filter {
        names: [service_name(2)].into(),
        level: Level::Instance,
        least: Status::Healthy,
    };
    assert_eq!(
        filter.stretches(&EntityKey::System).len(),
        3,
        "the system, the service, its instances"
    );
    let frame = Reader::new(filter, Encoding::Protobuf, None).next(&ring).unwrap();
    assert_eq!(frame.entities.len(), 4);
    assert!(Arc::new(frame).last);
}

#[test]
fn json_is_made_once_and_only_when_asked_for() {
    let mut ring = full(Epoch(1), Revision(0), [], Bounds::default());
    ring.take(&set(1, 13));
    let behind = |revision| {
        Some(Cursor {
            epoch: Epoch(1),
            revision: Revision(revision),
        })
    };
    let read = |encoding, resume| {
        Reader::new(Filter::default(), encoding, resume)
            .next(&ring)
            .unwrap()
            .entities
    };
    read(Encoding::Protobuf, behind(0));
    read(Encoding::Protobuf, None);
    let (messages, none) = ring.made();
    assert_eq!(none, 0, "nobody watches in JSON");
    for resume in [behind(0), None] {
        let [one, other] = [0, 1].map(|_| read(Encoding::Json, resume));
        let places = |pieces: &[bytes::Bytes]| pieces.iter().map(|piece| piece.as_ptr()).collect::<Vec<_>>();
        assert_eq!(places(&one), places(&other), "the same bytes, not made again");
    }
    let (entries, newest) = ring.made();
    assert!(entries > messages && newest > 0);
    drop(ring.clone());
    assert_eq!(ring.made(), (entries, newest), "a clone is no second one");
}

#[test]
fn json_keeps_within_the_bounds_too() {
    let mut ring = full(Epoch(1), Revision(0), [], BOUNDS);
    let filter = Filter {
        level: Level::Instance,
        ..Filter::default()
    };
    let new_reader = || Reader::new(filter.clone(), Encoding::Json, None);
    let mut reader = new_reader();
    for revision in 1..=100 {
        ring.take(&set(revision, if revision % 10 == 0 { 13 } else { 2 }));
        let (entries, newest) = ring.made();
        assert!(entries <= BOUNDS.bytes, "{entries} of revisions at {revision}");
        assert!(
            newest <= BOUNDS.json_bytes + 1000,
            "{newest} of the newest: one entity over at most"
        );
        while reader.next(&ring).is_some() {}
        let mut snapshot = new_reader();
        while snapshot.next(&ring).is_some() {}
    }
    let (entries, newest) = ring.made();
    assert!(
        entries > 0 && newest > BOUNDS.json_bytes / 2,
        "{entries} and {newest} are in use"
    );
}

#[test]
fn who_watches_instances_waits_for_the_whole_of_a_verdict() {
    let (mut publisher, hub) = hub(Epoch(1), Revision(0), [], quick());
    let watch = |level| {
        let filter = Filter {
            level,
            ..Filter::default()
        };
        let at = Cursor {
            epoch: Epoch(1),
            revision: Revision(0),
        };
        Reader::new(filter, Encoding::Protobuf, Some(at))
    };
    let (mut services, mut instances) = (watch(Level::Service), watch(Level::Instance));
    let whole = set(1, 13);
    let verdict = whole
        .changes
        .iter()
        .filter(|change| Level::of(&change.entity.key()) < Level::Instance);
    publisher.announce(&ChangeSet {
        changes: verdict.cloned().collect(),
        ..whole
    });
    publisher.wake();
    let all = |reader: &mut Reader| std::iter::from_fn(|| reader.next(&hub.ring())).last();
    let is_whole = |told: Option<Frame>| told.is_some_and(|told| told.last && told.to == Revision(1));
    assert!(is_whole(all(&mut services)));
    assert_eq!(all(&mut instances), None);
    publisher.publish(&whole);
    publisher.wake();
    assert_eq!(all(&mut services), None, "told once");
    assert!(is_whole(all(&mut instances)));
}

#[tokio::test(start_paused = true)]
async fn states_of_instances_are_kept_while_somebody_wants_them() {
    let (mut publisher, hub) = hub(Epoch(5), Revision(0), [], quick());
    publisher.publish(&set(1, 13));
    assert!(!publisher.wants_instances() && !publisher.is_watched_deep());
    let filter = Filter {
        level: Level::Instance,
        ..Filter::default()
    };
    let mut watcher = hub.watch(filter.clone(), Encoding::Protobuf, None);
    assert!(
        time::timeout(Duration::from_secs(9), watcher.next())
            .await
            .is_err(),
        "not there"
    );
    assert!(publisher.wants_instances() && publisher.is_watched_deep());
    let instance = |index, version| match entity(&key(index), Status::Healthy, version) {
        Entity::Instance(state) => state,
        other => panic!("{other:?}"),
    };
    let indices: Vec<_> = (0..13)
        .filter(|&index| Level::of(&key(index)) == Level::Instance)
        .collect();
    let (first, others) = indices.split_first().unwrap();
    publisher.fill(vec![instance(*first, 1)], false);
    assert!(
        time::timeout(Duration::from_secs(9), watcher.next())
            .await
            .is_err(),
        "not all"
    );
    // One that was copied changes, and is not copied again.
    publisher.publish(&ChangeSet {
        revision: Revision(2),
        changes: vec![Change {
            before: None,
            entity: entity(&key(*first), Status::Unhealthy, 2),
        }],
    });
    publisher.fill(others.iter().map(|&index| instance(index, 1)).collect(), true);
    publisher.wake();
    let mut told = Vec::new();
    loop {
        let Some(Outgoing::Delta(message)) = watcher.next().await else {
            panic!("no snapshot")
        };
        assert_eq!((message.kind, message.to), (DeltaKind::Snapshot, Revision(2)));
        told.extend(message.entities);
        if message.last {
            break;
        }
    }
    assert_eq!(told.len(), 13, "everything");
    let mut changed = BytesMut::new();
    encode_entity(&entity(&key(*first), Status::Unhealthy, 2), &mut changed);
    assert!(told.contains(&changed.freeze()), "the newest of it");
    drop(watcher);
    assert!(!publisher.wants_instances() && !publisher.is_watched_deep());
    drop(publisher.empty());
    publisher.publish(&set(3, 13));
    let mut services = Reader::new(Filter::default(), Encoding::Protobuf, None);
    let told = std::iter::from_fn(|| services.next(&hub.ring()));
    assert_eq!(
        told.flat_map(|message| message.entities).count(),
        13 - indices.len()
    );
    assert_eq!(
        Reader::new(filter, Encoding::Protobuf, None).next(&hub.ring()),
        None
    );
    assert!(publisher.wants_instances(), "again");
}
