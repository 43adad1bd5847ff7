//! The pages as they are served: from rows written down here, in a real browser.

#![cfg(test)]

mod browser;
mod pages;
mod rig;
mod server;
mod written;
