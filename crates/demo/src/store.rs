//! The catalog's database and the cart's cache: a little store of numbers by key, over HTTP.
//!
//! It does not link the sdk and has never heard of Ward: the shop's example of a thing that is known only by what others
//! see of it. It keeps nothing on disk; a real database would be one more program to install before the demo runs.

use std::{collections::HashMap, sync::Arc};

use axum::{Extension, Json, Router, extract::Path, http::StatusCode, routing::get};
use parking_lot::Mutex;

use crate::trade::Needs;

/// Most keys: ten times what the customers of one shop have between them.
const KEYS: usize = 10_000;
/// Longest key, in bytes.
const KEY_BYTES: usize = 64;

#[derive(Clone, Debug, Default)]
struct Values(Arc<Mutex<HashMap<String, u64>>>);

/// `GET` reads the number at a key; `POST` adds one to it and reads it.
pub(crate) fn routes() -> Router<Needs> {
    Router::new()
        .route("/values/{key}", get(read).post(add))
        .layer(Extension(Values::default()))
}

async fn read(Extension(values): Extension<Values>, Path(key): Path<String>) -> Json<u64> {
    Json(values.0.lock().get(&key).copied().unwrap_or_default())
}

async fn add(Extension(values): Extension<Values>, Path(key): Path<String>) -> Result<Json<u64>, StatusCode> {
    let mut values = values.0.lock();
    let full = values.len() >= KEYS && !values.contains_key(&key);
    if full || key.len() > KEY_BYTES {
        return Err(StatusCode::INSUFFICIENT_STORAGE);
    }
    let value = values.entry(key).or_default();
    *value += 1;
    Ok(Json(*value))
}
