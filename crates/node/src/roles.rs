//! The parts of a process, each made from the configuration and given a thread or a server.

pub mod aggregate;
pub mod archive;
pub mod collect;
pub mod demo;
pub mod engine;
pub mod log;
pub mod pages;
pub mod prices;
pub mod rank;
