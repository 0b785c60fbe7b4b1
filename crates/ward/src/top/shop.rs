//! A shop for the tests of the view: services in every state, told as a watcher tells them.

use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::{KeyCode, KeyEvent},
};
use ward_model::{
    Condition, Criticality, Entity, Epoch, InstanceCounts, Maintenance, Mono, Name, Now, ObserverState,
    Reason, Revision, ServiceCounts, ServiceState, Status, SystemState, Wall,
};
use ward_sdk::watch::{Changed, Cursor, Error, Event, Update, UpdateKind};

use super::{
    render,
    view::{View, Wish},
};
use crate::output::Times;

const BEGIN: i64 = 1_763_829_219_000;

/// `seconds` behind the beginning of the tests.
pub(super) fn at(seconds: u64) -> Now {
    Now {
        mono: Mono(seconds * 1_000_000_000),
        wall: wall(seconds),
    }
}

pub(super) fn wall(seconds: u64) -> Wall {
    Wall(BEGIN + i64::try_from(seconds).unwrap() * 1_000)
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn condition(status: Status, reason: Reason, message: &str, since: u64) -> Condition {
    Condition {
        status,
        reason,
        message: message.into(),
        since: wall(since),
    }
}

/// A healthy service of one instance.
pub(super) fn service(text: &str) -> ServiceState {
    let well = condition(Status::Healthy, Reason::Reported, "", 0);
    ServiceState {
        name: name(text),
        own: well.clone(),
        condition: well,
        causes: Vec::new(),
        criticality: Criticality::Important,
        dependencies: Vec::new(),
        instances: InstanceCounts {
            total: 1,
            healthy: 1,
            ..InstanceCounts::default()
        },
        min_healthy: 1,
        maintenance: None,
        reported: true,
        disagreements: Vec::new(),
        up_since: Some(wall(0)),
        last_status: None,
    }
}

/// Bad because of `cause`, not by itself.
pub(super) fn victim(text: &str, needs: &str, cause: &str, since: u64) -> ServiceState {
    ServiceState {
        condition: condition(
            Status::Unhealthy,
            Reason::Dependency,
            &format!("{needs} is unhealthy"),
            since,
        ),
        causes: vec![name(cause)],
        ..service(text)
    }
}

pub(super) fn of(text: &str, status: Status, criticality: Criticality) -> ServiceState {
    ServiceState {
        condition: condition(status, Reason::Reported, "so it is", 5),
        criticality,
        ..service(text)
    }
}

pub(super) fn system(status: Status, since: u64, services: &[ServiceState]) -> Entity {
    let count = |wanted| {
        let those = services
            .iter()
            .filter(|service| service.condition.status == wanted);
        u32::try_from(those.count()).unwrap()
    };
    let bad = status.is_bad();
    Entity::System(SystemState {
        condition: match bad {
            true => condition(
                status,
                Reason::Dependency,
                "storefront is unhealthy: payments is unhealthy",
                since,
            ),
            false => condition(status, Reason::Reported, "", since),
        },
        causes: if bad { vec![name("bank")] } else { Vec::new() },
        observer: ObserverState::default(),
        services: ServiceCounts {
            total: u32::try_from(services.len()).unwrap(),
            healthy: count(Status::Healthy),
            unknown: count(Status::Unknown),
            degraded: count(Status::Degraded),
            unhealthy: count(Status::Unhealthy),
        },
        critical_unknown: Vec::new(),
    })
}

/// All is well.
pub(super) fn well() -> Vec<ServiceState> {
    let mut services = ["bank", "cart", "catalog", "payments", "search", "storefront"].map(service);
    services[5].criticality = Criticality::Critical;
    services.into()
}

/// The bank is lost, and what needs it is unhealthy; others are ill in other ways.
pub(super) fn ill() -> Vec<ServiceState> {
    let mut bank = service("bank");
    bank.condition = condition(Status::Unhealthy, Reason::Lost, "silent for 15s", 60);
    bank.own = bank.condition.clone();
    bank.causes = vec![name("bank")];
    bank.instances = InstanceCounts {
        total: 3,
        healthy: 1,
        unhealthy: 2,
        suspect: 1,
        lost: 2,
        ..InstanceCounts::default()
    };
    let mut storefront = victim("storefront", "payments", "bank", 62);
    storefront.criticality = Criticality::Critical;
    let mut search = of("search", Status::Degraded, Criticality::Optional);
    search.own = search.condition.clone();
    search.maintenance = Some(Maintenance {
        service: name("search"),
        by: "anna".into(),
        why: "new index".into(),
        start: wall(1),
        end: None,
    });
    let mut cart = service("cart");
    cart.instances.suspect = 1;
    let payments = victim("payments", "bank", "bank", 61);
    vec![bank, cart, service("catalog"), payments, search, storefront]
}

/// What the watcher tells when things become `services`, from `before`.
pub(super) fn update(before: &[ServiceState], system_is: Entity, services: &[ServiceState]) -> Event {
    let was = |service: &ServiceState| {
        let was = before.iter().find(|before| before.name == service.name);
        was.cloned().map(Entity::Service)
    };
    let changed = services.iter().map(|service| Changed {
        before: was(service),
        entity: Entity::Service(service.clone()),
    });
    let system_was = before.first().map(|_| system(Status::Healthy, 0, before));
    let system_is = Changed {
        before: system_was,
        entity: system_is,
    };
    let changes = std::iter::once(system_is)
        .chain(changed)
        .filter(|changed| changed.before.as_ref() != Some(&changed.entity))
        .collect();
    Event::Update(Update {
        cursor: Cursor {
            epoch: Epoch(1),
            revision: Revision(1),
        },
        kind: UpdateKind::Revision,
        changes,
    })
}

pub(super) fn lost() -> Event {
    Event::Lost { error: Error::Ended }
}

pub(super) fn mark() -> Event {
    Event::Bookmark {
        cursor: Cursor {
            epoch: Epoch(1),
            revision: Revision(1),
        },
        observer: ObserverState::default(),
    }
}

/// A screen of which nothing is known.
pub(super) fn empty() -> View {
    View::new("127.0.0.1:7700".into(), Times::utc(Wall(0)))
}

/// A screen of the shop, well since the beginning.
pub(super) fn opened() -> View {
    let mut view = empty();
    let services = well();
    view.apply(
        update(&[], system(Status::Healthy, 0, &services), &services),
        at(10),
    );
    view
}

/// A screen of the shop that fell ill a minute after the beginning.
pub(super) fn broken() -> View {
    let mut view = opened();
    let services = ill();
    view.apply(
        update(&well(), system(Status::Unhealthy, 62, &services), &services),
        at(62),
    );
    view
}

/// A key; nothing is to be asked for.
pub(super) fn press(view: &mut View, code: KeyCode, seconds: u64) {
    assert_eq!(wish(view, code, seconds), None, "{code:?}");
}

pub(super) fn wish(view: &mut View, code: KeyCode, seconds: u64) -> Option<Wish> {
    view.key(KeyEvent::from(code), at(seconds))
}

pub(super) fn typed(view: &mut View, text: &str) {
    text.chars().for_each(|c| press(view, KeyCode::Char(c), 65));
}

pub(super) fn drawn(view: &mut View, (width, height): (u16, u16), seconds: u64, colours: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| {
            view.fit(frame.area(), at(seconds));
            render::draw(view, frame.buffer_mut(), at(seconds), colours);
        })
        .unwrap();
    terminal.backend().buffer().clone()
}

/// As lines of text.
pub(super) fn text(view: &mut View, size: (u16, u16), seconds: u64) -> String {
    let buffer = drawn(view, size, seconds, true);
    let cells = buffer.content.chunks(usize::from(size.0).max(1));
    let line = |cells: &[ratatui::buffer::Cell]| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", line.trim_end())
    };
    cells.map(line).collect()
}

/// The names in the list, in order.
pub(super) fn names(view: &View) -> Vec<&str> {
    view.order.iter().map(|service| service.name.as_str()).collect()
}
