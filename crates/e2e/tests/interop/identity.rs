//! Who is let in, by clients that nobody here wrote: openssl and Python's gRPC, against the real program.

mod authority;
mod certificates;
mod house;
mod rotation;
mod tokens;
