//! Whole-system tests: real processes, real sockets, real servers. The tests are in `tests/`, one binary for each
//! question; nothing uses this library.
