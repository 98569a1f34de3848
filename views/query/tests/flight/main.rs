//! FlightSQL over a real socket, asked by our own client: what stock clients rely on.

mod limits;
mod metadata;
mod prepared;
mod server;
mod statements;
