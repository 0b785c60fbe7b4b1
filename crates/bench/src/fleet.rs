//! Many instances in an engine, for items that need no socket.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use ward_engine::{Config, Engine, Event, Reply, Slab, Slot, StreamId};
use ward_model::{
    CheckDeclaration, CheckKind, CheckResult, Epoch, Hello, Incarnation, InstanceId, Mono, Name, Now, Status,
    Wall,
};

/// Instances to a stream, as an agent of a host has them.
pub(crate) const PER_STREAM: usize = 256;

#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) engine: Engine,
    pub(crate) slab: Arc<Slab>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) now: Now,
}

impl Fleet {
    /// `instances` spread over `services`, each with one check that is healthy, an id of 16 bytes, no labels.
    pub(crate) fn of_services(services: usize, instances: usize) -> anyhow::Result<Self> {
        Self::new(Config::default(), services, instances)
    }

    /// The same for an engine that never doubts itself.
    pub(crate) fn unguarded(services: usize, instances: usize) -> anyhow::Result<Self> {
        let config = Config {
            guards: false,
            instances: instances.max(Config::default().instances),
            ..Config::default()
        };
        Self::new(config, services, instances)
    }

    fn new(config: Config, services: usize, instances: usize) -> anyhow::Result<Self> {
        let slab = Arc::new(Slab::default());
        let now = Now {
            mono: Mono(1),
            wall: Wall(0),
        };
        let mut engine = Engine::new(config, Epoch(1), slab.clone(), now);
        let mut slots = Vec::with_capacity(instances);
        for index in 0..instances {
            let hello = hello_of(services, index)?;
            let stream = Some(StreamId((index / PER_STREAM) as u64));
            let hello = Box::new(hello);
            // No two started in the same millisecond.
            let now = Now {
                wall: Wall(index as i64),
                ..now
            };
            match engine.apply(Event::Hello { stream, hello }, now).reply {
                Reply::Registered(registered) => slots.push(registered.slot),
                reply => bail!("an instance was not registered: {reply:?}"),
            }
        }
        Ok(Self {
            engine,
            slab,
            slots,
            now,
        })
    }
}

/// What the service of this number is called.
pub(crate) fn service(number: usize) -> String {
    format!("service-{number}")
}

/// What the instance of this number says.
pub(crate) fn hello_of(services: usize, index: usize) -> anyhow::Result<Hello> {
    hello(&service(index % services), &format!("instance-{index:07}"))
}

/// 32 hexadecimal digits, as the sdk has them. Not random, so that two runs are alike.
fn incarnation(instance: &str) -> String {
    const STEP: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
    let mixed = instance.bytes().fold(1, |number: u128, byte| {
        (number ^ u128::from(byte)).wrapping_mul(STEP)
    });
    format!("{mixed:032x}")
}

/// One healthy check, no labels.
pub(crate) fn hello(service: &str, instance: &str) -> anyhow::Result<Hello> {
    let check = Name::new("self")?;
    Ok(Hello {
        id: InstanceId {
            service: Name::service(service)?,
            instance: Name::instance(instance)?,
        },
        incarnation: Incarnation::new(&incarnation(instance))?,
        version: String::new(),
        interval: Duration::from_secs(5),
        labels: std::collections::BTreeMap::new(),
        criticality: None,
        dependencies: Vec::new(),
        checks: vec![CheckDeclaration {
            name: check.clone(),
            kind: CheckKind::Required,
            subject: None,
        }],
        signals: Vec::new(),
        min_healthy: None,
        startup_deadline: Duration::from_secs(300),
        sequence: 1,
        results: vec![CheckResult {
            name: check,
            status: Status::Healthy,
            message: String::new(),
        }],
        values: Vec::new(),
    })
}
