//! What the handle and its streams promise, without a transport: a stream that is not polled is a client that does not
//! read.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::{FutureExt, Stream, StreamExt};
use proptest::prelude::*;
use tonic::{Code, Request, Status};

use crate::{
    Health, Limits, Service, ServingStatus,
    v1::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest,
        health_check_response::ServingStatus as Told, health_server::Health as _,
    },
};

const NAMES: [&str; 4] = ["", "a", "shop.Payments", "z"];

type Watch = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

/// What the next poll of a watch brings.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Told(Told),
    Nothing,
    End,
}

fn service(health: &Health) -> Service {
    Service::new(health.0.clone(), None)
}

fn request(name: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest { service: name.into() })
}

fn now<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("nothing here waits")
}

fn watch(health: &Health, name: &str) -> Result<Watch, Status> {
    now(service(health).watch(request(name))).map(tonic::Response::into_inner)
}

fn check(health: &Health, name: &str) -> Result<Told, Code> {
    let answer = now(service(health).check(request(name)));
    answer
        .map(|answer| answer.get_ref().status())
        .map_err(|status| status.code())
}

fn list(health: &Health) -> Result<BTreeMap<String, Told>, Code> {
    let answer = now(service(health).list(Request::new(HealthListRequest {})));
    let statuses = answer.map_err(|status| status.code())?.into_inner().statuses;
    Ok(statuses
        .into_iter()
        .map(|(name, response)| (name, response.status()))
        .collect())
}

fn next(watch: &mut Watch) -> Next {
    match watch.next().now_or_never() {
        None => Next::Nothing,
        Some(None) => Next::End,
        Some(Some(told)) => Next::Told(told.unwrap().status()),
    }
}

/// What the specification and the drain say, the slow way.
#[derive(Debug, Default)]
struct Model {
    known: BTreeMap<String, Told>,
    drained: bool,
}

impl Model {
    fn seen_by_watch(&self, name: &str) -> Told {
        match (self.drained, self.known.get(name)) {
            (true, _) => Told::NotServing,
            (false, known) => known.copied().unwrap_or(Told::ServiceUnknown),
        }
    }

    fn next(&self, watched: &mut Watched) -> Next {
        let seen = self.seen_by_watch(watched.name);
        if watched.over {
            return Next::End;
        }
        if watched.told != Some(seen) {
            watched.told = Some(seen);
            watched.over = self.drained;
            return Next::Told(seen);
        }
        watched.over = self.drained;
        if self.drained { Next::End } else { Next::Nothing }
    }
}

/// What a watch was told, by the model.
#[derive(Debug)]
struct Watched {
    name: &'static str,
    told: Option<Told>,
    over: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Set(&'static str, bool),
    Remove(&'static str),
    Watch(&'static str),
    /// Of the watch with this index, modulo how many there are.
    Read(usize),
    Leave(usize),
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || proptest::sample::select(&NAMES[..]);
    let step = prop_oneof![
        12 => (name(), any::<bool>()).prop_map(|(name, serving)| Step::Set(name, serving)),
        6 => name().prop_map(Step::Remove),
        6 => name().prop_map(Step::Watch),
        20 => any::<usize>().prop_map(Step::Read),
        4 => any::<usize>().prop_map(Step::Leave),
        1 => Just(Step::Drain),
    ];
    proptest::collection::vec(step, 0..120)
}

fn take_step(step: Step, health: &Health, model: &mut Model, watches: &mut Vec<(Watched, Watch)>) {
    let count = watches.len().max(1);
    match step {
        Step::Set(name, serving) => {
            let (status, told) = if serving {
                (ServingStatus::Serving, Told::Serving)
            } else {
                (ServingStatus::NotServing, Told::NotServing)
            };
            health.set(name, status);
            if !model.drained {
                model.known.insert(name.into(), told);
            }
        }
        Step::Remove(name) => {
            health.remove(name);
            if !model.drained {
                model.known.remove(name);
            }
        }
        Step::Watch(name) => {
            let watched = Watched {
                name,
                told: None,
                over: false,
            };
            watches.push((watched, watch(health, name).unwrap()));
        }
        Step::Read(index) => {
            if let Some((watched, watch)) = watches.get_mut(index % count) {
                assert_eq!(next(watch), model.next(watched));
            }
        }
        Step::Leave(index) if !watches.is_empty() => drop(watches.swap_remove(index % count)),
        Step::Leave(_) => {}
        Step::Drain => {
            health.drain();
            model.drained = true;
            model.known.values_mut().for_each(|told| *told = Told::NotServing);
        }
    }
}

proptest! {
    #[test]
    fn any_history_is_told_as_the_model_tells_it(steps in steps()) {
        let health = Health::new();
        let mut model = Model::default();
        model.known.insert(String::new(), Told::Serving);
        let mut watches = Vec::new();
        for step in steps {
            take_step(step, &health, &mut model, &mut watches);
            for name in NAMES {
                prop_assert_eq!(check(&health, name), model.known.get(name).copied().ok_or(Code::NotFound));
            }
            prop_assert_eq!(&list(&health).unwrap(), &model.known);
            let open = watches.iter().filter(|(watched, _)| !watched.over).count();
            prop_assert_eq!(health.watches(), open);
        }
        watches.clear();
        prop_assert_eq!(health.0.kept(), model.known.len(), "watches leave nothing behind");
    }
}

#[test]
fn it_begins_as_a_server_that_serves() {
    let health = Health::default();
    assert_eq!(
        list(&health),
        Ok(BTreeMap::from([(String::new(), Told::Serving)]))
    );
    assert_eq!(check(&health, "shop"), Err(Code::NotFound));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn a_change_wakes_only_who_watches_that_name() {
    let health = Health::new();
    let mut watches = HashMap::new();
    for name in ["a", "b"] {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut watch = watch(&health, name).unwrap();
        let mut context = Context::from_waker(&waker);
        assert!(watch.as_mut().poll_next(&mut context).is_ready());
        assert_eq!(watch.as_mut().poll_next(&mut context).map(|_| ()), Poll::Pending);
        watches.insert(name, (wakes, watch));
    }
    health.set("a", ServingStatus::Serving);
    health.set("c", ServingStatus::Serving);
    assert_eq!(watches["a"].0.0.load(Relaxed), 1);
    assert_eq!(watches["b"].0.0.load(Relaxed), 0);
    // And not again for what it was told already.
    let (wakes, mut watch) = watches.remove("a").unwrap();
    let waker = Waker::from(wakes.clone());
    let mut context = Context::from_waker(&waker);
    assert!(watch.as_mut().poll_next(&mut context).is_ready());
    assert!(watch.as_mut().poll_next(&mut context).is_pending());
    health.set("a", ServingStatus::Serving);
    assert_eq!(wakes.0.load(Relaxed), 1);
}

#[test]
fn a_watch_that_is_not_read_gets_the_newest_and_nothing_else() {
    let health = Health::new();
    let mut watch = watch(&health, "a").unwrap();
    for _ in 0..5_000 {
        health.set("a", ServingStatus::NotServing);
        health.set("a", ServingStatus::Serving);
    }
    assert_eq!(next(&mut watch), Next::Told(Told::Serving));
    assert_eq!(next(&mut watch), Next::Nothing);
    // There and back again is nothing new.
    health.set("a", ServingStatus::NotServing);
    health.set("a", ServingStatus::Serving);
    assert_eq!(next(&mut watch), Next::Nothing);
}

#[test]
fn past_the_limits_watches_are_refused_until_one_leaves() {
    let limits = Limits {
        watches: 2,
        name_bytes: 8,
        ..Limits::default()
    };
    let health = Health::with_limits(limits);
    let first = watch(&health, "a").unwrap();
    let _second = watch(&health, "b").unwrap();
    let code = |result: Result<Watch, Status>| result.err().map(|status| status.code());
    assert_eq!(code(watch(&health, "")), Some(Code::ResourceExhausted));
    drop(first);
    let third = watch(&health, "").unwrap();
    drop(third);
    assert_eq!(code(watch(&health, "too-long-")), Some(Code::InvalidArgument));
    assert_eq!(check(&health, "too-long-"), Err(Code::NotFound));
    health.set("too-long-", ServingStatus::Serving);
    assert_eq!(
        code(watch(&health, "too-long-")),
        None,
        "who is known can be watched"
    );
    assert_eq!(health.0.kept(), 3);
}

#[test]
fn a_list_ends_where_a_message_does() {
    let health = Health::new();
    let name = |index: u32| format!("{index:063}");
    for index in 0..10_000 {
        health.set(&name(index), ServingStatus::Serving);
    }
    assert_eq!(
        list(&health).map(|list| list.len()),
        Ok(10_001),
        "as many as Ward has services"
    );
    for index in 10_000..15_000 {
        health.set(&name(index), ServingStatus::Serving);
    }
    assert_eq!(list(&health), Err(Code::ResourceExhausted));
    health.drain();
    assert_eq!(check(&health, &name(14_999)), Ok(Told::NotServing));
}

/// A server that stops does both at once.
#[test]
fn a_drain_is_told_to_a_watch_that_is_ended_in_the_same_moment() {
    let health = Health::new();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let ended = ended.map(drop).shared();
    let service = Service::new(
        health.0.clone(),
        Some(Arc::new(move |_| Ok(ended.clone().boxed()))),
    );
    let mut watch = now(service.watch(request(""))).unwrap().into_inner();
    assert_eq!(next(&mut watch), Next::Told(Told::Serving));
    assert_eq!(next(&mut watch), Next::Nothing);
    health.drain();
    drop(end);
    assert_eq!(next(&mut watch), Next::Told(Told::NotServing));
    assert_eq!(next(&mut watch), Next::End);
}

#[test]
fn a_watch_ends_when_the_server_says_so() {
    let health = Health::new();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let ended = ended.map(drop).shared();
    let service = Service::new(
        health.0.clone(),
        Some(Arc::new(move |_| Ok(ended.clone().boxed()))),
    );
    let mut watch = now(service.watch(request(""))).unwrap().into_inner();
    assert_eq!(next(&mut watch), Next::Told(Told::Serving));
    assert_eq!(next(&mut watch), Next::Nothing);
    drop(end);
    assert_eq!(next(&mut watch), Next::End);
    // One that is told to end and has a last word says it first.
    let mut late = now(service.watch(request(""))).unwrap().into_inner();
    assert_eq!(next(&mut late), Next::Told(Told::Serving));
    health.drain();
    assert_eq!(next(&mut late), Next::Told(Told::NotServing));
    assert_eq!(next(&mut late), Next::End);
}

#[test]
fn a_server_may_refuse_a_watch_and_sees_the_end_of_those_it_takes() {
    let health = Health::new();
    let place = Arc::new(());
    let (free, taken) = (place.clone(), Arc::downgrade(&place));
    drop(place);
    let free = std::sync::Mutex::new(Some(free));
    let service = Service::new(
        health.0.clone(),
        Some(Arc::new(move |_| {
            let place = free.lock().unwrap().take();
            let place = place.ok_or_else(|| tonic::Status::resource_exhausted("one is enough"))?;
            Ok(async move {
                let _place = place;
                std::future::pending().await
            }
            .boxed())
        })),
    );
    let mut watch = now(service.watch(request(""))).unwrap().into_inner();
    assert_eq!(next(&mut watch), Next::Told(Told::Serving));
    let refused = now(service.watch(request(""))).err().unwrap();
    assert_eq!((refused.code(), health.watches()), (Code::ResourceExhausted, 1));
    assert!(taken.upgrade().is_some());
    drop(watch);
    assert!(taken.upgrade().is_none(), "given back with the watch");
}
