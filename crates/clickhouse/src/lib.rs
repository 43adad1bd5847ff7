//! ClickHouse over HTTP, a real server and the embedded engine alike: tables and views, rows, migrations,
//! the sink of publications and the queries of pages.
//!
//! Everything written is absolute, keyed and versioned, so an insert may be repeated, late or doubled.

pub mod layout;
pub mod rows;
