//! Runs the real binary on a data directory of its own, and keeps an account of its own of what must come out.

mod binary;
pub mod blow;
pub mod broker;
pub mod door;
pub mod fleet;
pub mod http;
pub mod installation;
pub mod ledger;
pub mod metrics;
pub mod owner;
pub mod process;
pub mod report;
pub mod seeded;
pub mod volume;
