//! The collector on a local log: over real HTTP where the edge is meant, by turns where the core is.
#![cfg(test)]

mod core;
mod edge;
mod rig;
