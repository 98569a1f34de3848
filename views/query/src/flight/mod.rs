//! FlightSQL over DataFusion, as stock clients speak it: ADBC, JDBC, Grafana, SQLAlchemy.
//!
//! Reads only: whatever would write or reach outside is refused before it is planned. Queries are planned and run on a runtime of their own, so that the
//! calls of others stay quick; each has a time and a memory limit and ends when its reader goes. The announced schema is always the encoded one.
//!
//! Not here: what the tables are ([`Sessions`] brings them), who may ask (there is no authentication yet), transactions, ingestion.

mod action;
mod asked;
mod cooperative;
mod error;
mod handle;
mod keys;
mod metadata;
mod parameters;
mod placeholder;
mod remembered;
mod run;
mod serve;
mod service;
mod sql_info;
mod statement;
mod wire;
mod xdbc;

pub use asked::ON_CORRUPT_HEADER;
pub use cooperative::wrap_nodes_with_several_inputs;
pub use serve::serve;
pub use service::{Options, Service, service};
pub use wire::DICTIONARIES_HEADER;

use crate::Engine;
use datafusion::prelude::SessionContext;

/// Where a request's tables, settings and memory come from.
pub trait Sessions: Send + Sync + 'static {
    /// A session for one request, with a memory pool that bounds its query. What it plans sees everything committed until then.
    fn session(&self) -> SessionContext;
}

impl Sessions for Engine {
    fn session(&self) -> SessionContext {
        Self::session(self)
    }
}

/// One session for all, so its memory pool bounds all queries together.
impl Sessions for SessionContext {
    fn session(&self) -> SessionContext {
        self.clone()
    }
}
