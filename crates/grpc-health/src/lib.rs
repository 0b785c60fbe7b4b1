//! A conformant `grpc.health.v1` server.
