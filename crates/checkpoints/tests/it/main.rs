//! States that are copied away and brought back, over stores that work, that fail, and that rot.

#![cfg(test)]

mod copying;
mod crash;
mod damage;
mod replacing;
mod state;
mod trouble;
