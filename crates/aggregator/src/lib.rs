//! The server: gRPC and HTTP edges, the engine's loop, the watch hub, metrics.
mod decider;
mod hub;
mod metrics;
