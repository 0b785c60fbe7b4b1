//! What the members of the shop do for a living: their HTTP routes.
//!
//! Small on purpose, but nothing is pretended: a purchase goes through every member, each over its own socket, and each
//! may refuse or fail it. They call others one after the other, so that the time waited is the sum of the waits.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    backing::Backing,
    carts::Cart,
    catalogue::Found,
    measure::Waited,
    plan::Role,
    store,
    upstream::{Failure, PING, Upstream},
};

/// How many things the shop sells, numbered from 0.
pub(crate) const ITEMS: u32 = 20;
/// Longest request body: a purchase has less than a hundred bytes.
const BODY_BYTES: usize = 4_096;

/// All items and what they cost, in cents.
pub(crate) fn assortment() -> impl Iterator<Item = (u32, u32)> {
    (0..ITEMS).map(|item| (item, 100 + 10 * item))
}

/// Those a member needs, in the order of the plan, and the real ones that stand in for some.
#[derive(Clone, Debug)]
pub(crate) struct Needs {
    upstreams: Arc<[Upstream]>,
    pub(crate) backing: Backing,
}

impl Needs {
    pub(crate) fn new(upstreams: Vec<Upstream>, backing: Backing) -> Self {
        Self {
            upstreams: upstreams.into(),
            backing,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Upstream> {
        self.upstreams.iter()
    }

    fn named(&self, name: &str) -> &Upstream {
        self.iter()
            .find(|upstream| upstream.need().name == name)
            .expect("a role calls only what the plan gives it")
    }
}

/// The routes of a role, the ping included.
pub(crate) fn routes(role: Role, needs: Needs) -> Router {
    let trade = match role {
        Role::Storefront => Router::new().route("/purchases", post(sell)),
        Role::Catalog => Router::new().route("/items/{item}", get(item)),
        Role::Cart => Router::new().route("/carts/{customer}", post(choose).get(chosen)),
        Role::Payments => Router::new().route("/charges", post(charge)),
        Role::Recommendations => Router::new().route("/beside/{item}", get(beside)),
        Role::Bank => Router::new().route("/transfers", post(transfer)),
        Role::Store => store::routes(),
    };
    trade
        .route(PING, get(|| async { "here\n" }))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(needs)
}

/// Why a request was not fulfilled.
#[derive(Debug)]
enum Refused {
    /// It makes no sense.
    Bad(&'static str),
    /// Somebody needed failed.
    Failed(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Bad(what) => (StatusCode::BAD_REQUEST, format!("{what}\n")).into_response(),
            Self::Failed(failure) => failure.into_response(),
        }
    }
}

type Answer = Result<Json<Value>, Refused>;

fn number(body: &Value, field: &str, refusal: &'static str) -> Result<u64, Refused> {
    body.get(field)
        .and_then(Value::as_u64)
        .ok_or(Refused::Bad(refusal))
}

async fn sell(
    State(needs): State<Needs>,
    Extension(waited): Extension<Waited>,
    Json(order): Json<Value>,
) -> Answer {
    let item = number(&order, "item", "expected an item: a number")?;
    let customer = number(&order, "customer", "expected a customer: a number")?;
    let read = |name, path: String| {
        let (needs, waited) = (&needs, &waited);
        async move { needs.named(name).call(waited, Method::GET, &path, None).await }
    };
    let write = |name, path: String, body: Value| {
        let (needs, waited) = (&needs, &waited);
        async move {
            needs
                .named(name)
                .call(waited, Method::POST, &path, Some(&body))
                .await
        }
    };
    let found = read("catalog", format!("/items/{item}")).await?;
    let price = number(&found, "price", "there is no such item")?;
    // A shop without recommendations is a poorer shop, and open.
    let beside = read("recommendations", format!("/beside/{item}"))
        .await
        .unwrap_or_default();
    let cart = match write("cart", format!("/carts/{customer}"), json!({ "item": item })).await {
        // What is bought now is paid for now; that the cart does not remember it is no reason to send anybody away.
        Err(failure) if failure.read_only => read("cart", format!("/carts/{customer}"))
            .await
            .unwrap_or_default(),
        cart => cart?,
    };
    let charge = json!({ "customer": customer, "amount": price });
    let receipt = write("payments", "/charges".into(), charge).await?;
    Ok(Json(
        json!({ "item": found, "cart": cart, "receipt": receipt, "beside": beside }),
    ))
}

async fn item(
    State(needs): State<Needs>,
    Extension(waited): Extension<Waited>,
    Path(item): Path<u32>,
) -> Answer {
    if item >= ITEMS {
        return Err(Refused::Bad("there is no such item"));
    }
    if let Some(catalogue) = &needs.backing.catalogue {
        let found = catalogue.find(&waited, item).await?;
        let Found { goods, stale } = found.ok_or(Refused::Bad("there is no such item"))?;
        return Ok(Json(
            json!({ "item": item, "price": goods.price, "seen": goods.seen, "stale": stale }),
        ));
    }
    let price = assortment()
        .find(|(known, _)| *known == item)
        .map(|(_, price)| price);
    let path = format!("/values/item-{item}");
    let seen = needs
        .named("catalog-db")
        .call(&waited, Method::POST, &path, None)
        .await?;
    Ok(Json(json!({ "item": item, "price": price, "seen": seen })))
}

async fn choose(
    State(needs): State<Needs>,
    Extension(waited): Extension<Waited>,
    Path(customer): Path<u32>,
    Json(choice): Json<Value>,
) -> Answer {
    number(&choice, "item", "expected an item: a number")?;
    if let Some(carts) = &needs.backing.carts {
        let choices = carts.choose(&waited, customer).await?;
        return Ok(Json(json!({ "customer": customer, "choices": choices })));
    }
    let path = format!("/values/cart-{customer}");
    let choices = needs
        .named("cart-cache")
        .call(&waited, Method::POST, &path, None)
        .await?;
    Ok(Json(json!({ "customer": customer, "choices": choices })))
}

async fn chosen(
    State(needs): State<Needs>,
    Extension(waited): Extension<Waited>,
    Path(customer): Path<u32>,
) -> Answer {
    if let Some(carts) = &needs.backing.carts {
        let Cart { choices, stale } = carts.read(&waited, customer).await?;
        return Ok(Json(
            json!({ "customer": customer, "choices": choices, "read_only": stale }),
        ));
    }
    let path = format!("/values/cart-{customer}");
    let choices = needs
        .named("cart-cache")
        .call(&waited, Method::GET, &path, None)
        .await?;
    Ok(Json(json!({ "customer": customer, "choices": choices })))
}

async fn charge(
    State(needs): State<Needs>,
    Extension(waited): Extension<Waited>,
    Json(charge): Json<Value>,
) -> Answer {
    let amount = number(&charge, "amount", "expected an amount: a number of cents")?;
    let transfer = json!({ "amount": amount });
    let moved = needs
        .named("bank")
        .call(&waited, Method::POST, "/transfers", Some(&transfer))
        .await?;
    Ok(Json(json!({ "charged": amount, "transfer": moved })))
}

async fn beside(Path(item): Path<u32>) -> Json<Value> {
    let other = |n: u32| item.wrapping_add(n) % ITEMS;
    Json(json!([other(3), other(7), other(11)]))
}

async fn transfer(Json(transfer): Json<Value>) -> Answer {
    let amount = number(&transfer, "amount", "expected an amount: a number of cents")?;
    Ok(Json(json!({ "moved": amount })))
}
