//! The leaderboard and the page of a person, rendered on the server from rows of ClickHouse.
//!
//! A page is three files in `pages`: the SQL that selects its rows, the HTML that shows them, and the Rust between.
//! It is rendered once per snapshot and address. The board itself is the ranker's live one, as long as that answers.
//! No number is computed here that is not in a row.

mod answer;
pub mod ask;
pub mod assets;
pub mod cache;
pub mod chart;
pub mod frame;
pub mod json;
mod live;
mod me;
pub mod newest;
pub mod pages;
pub mod rows;
pub mod server;
pub mod show;
pub mod shown;
pub mod source;

pub use server::{Clock, Options, router};
pub use source::{Source, SourceError};
