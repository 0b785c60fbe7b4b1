//! A small shop of real processes that report their health to Ward, for a newcomer to break and mend.
//!
//! Each member is a process of its own with an HTTP server, started from this same binary; customers buy things through
//! all of them. Health is measured from what each member sees, as any service would with the sdk; nothing is scripted.
//! It is no part of Ward: it uses the sdk and the aggregator from outside, through what everybody may use. Containers
//! would need more than a Rust toolchain; for those who have them each member also runs by itself, and the catalog and the
//! cart then keep their things in PostgreSQL and Redis.
//!
//! ```text
//! customers -> storefront --+--> catalog ----> catalog-db  (observed)
//!              (critical)   +--> cart -------> cart-cache  (observed)
//!                           +--> payments ---> bank
//!                           +··> recommendations  (soft)
//! ```

mod address;
mod backing;
mod breaker;
mod calls;
mod carts;
mod catalogue;
mod control;
mod customers;
mod database;
mod fault;
mod health;
mod measure;
mod metrics;
mod plan;
mod process;
mod registry;
mod run_dir;
mod seat;
mod serve;
mod service;
mod shop;
mod store;
mod supervisor;
mod targets;
mod trade;
mod upstream;
mod view;
mod window;

pub use address::{Authority, InvalidAddress, Place};
pub use control::{ControlError, Refusal, break_service, mend_service};
pub use fault::{How, UnknownHow};
pub use serve::{CustomersOptions, ServeOptions, customers, serve};
pub use service::{Logging, ServiceError, ServiceOptions, service};
pub use shop::OpenError;
pub use supervisor::{Error, Options, run};
