//! A partition on a disk in memory, with the shipped log and store: nothing from outside is needed.
#![cfg(test)]

mod crash;
#[path = "../../../fold/tests/it/oracle.rs"]
mod oracle;
mod rig;
mod start;
mod wait;
mod world;
