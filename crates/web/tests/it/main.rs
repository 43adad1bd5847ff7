//! The pages as they are served: from rows written down here, from the real engine, in a real browser.

#![cfg(test)]

mod browser;
mod engine;
mod live;
mod pages;
mod rig;
mod server;
mod written;
