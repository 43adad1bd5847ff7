//! ClickHouse over HTTP, a real server and the embedded engine alike: tables and views, rows, migrations,
//! the sink of publications and the queries of pages.
//!
//! Everything written is absolute, keyed and versioned, so an insert may be repeated, late or doubled.

pub mod database;
pub mod error;
pub mod layout;
pub mod life;
pub mod migrate;
pub mod query;
pub mod rows;
pub mod sink;
pub mod writer;

pub use database::{Credentials, Database, INSERT_ROWS_MAX};
pub use error::{ClickHouseError, Retry};
pub use layout::Layout;
pub use life::Life;
pub use migrate::{Migrated, migrate};
pub use sink::{Full, Outcome, Sink, Ticket};
pub use writer::Writer;
