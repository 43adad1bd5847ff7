//! The whole, from outside: what is acknowledged is counted once, through every death, and verify tells.

mod kill;
mod live;
mod planted;
mod server;
mod verify;
