//! A small shop of real processes that report their health to Ward, for a newcomer to break and mend.
//!
//! Each member is a process of its own with an HTTP server, started from this same binary; customers buy things through
//! all of them. Health is measured from what each member sees, as any service would with the sdk; nothing is scripted.
//! It is no part of Ward: it uses the sdk and the aggregator from outside, through what everybody may use. Containers
//! would make it look more like production, and would need more than a Rust toolchain.
//!
//! ```text
//! customers -> storefront --+--> catalog ----> catalog-db  (observed)
//!              (critical)   +--> cart -------> cart-cache  (observed)
//!                           +--> payments ---> bank
//!                           +··> recommendations  (soft)
//! ```

mod control;
mod customers;
mod fault;
mod health;
mod measure;
mod plan;
mod registry;
mod run_dir;
mod seat;
mod service;
mod shop;
mod store;
mod supervisor;
mod trade;
mod upstream;
mod view;
mod window;

pub use control::{ControlError, Refusal, break_service, mend_service};
pub use fault::{How, UnknownHow};
pub use service::{ServiceError, ServiceOptions, service};
pub use shop::OpenError;
pub use supervisor::{Error, Options, run};
