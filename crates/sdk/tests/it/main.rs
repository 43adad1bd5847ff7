//! The SDK against the real collector on a real local log: nothing lost, nothing twice.
#![cfg(test)]

mod deliver;
mod kill;
mod rig;
