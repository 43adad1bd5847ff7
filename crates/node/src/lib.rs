//! Puts the parts together: configuration, roles, supervision, and the way to an installation.
#![forbid(unsafe_code)]

pub mod admin;
pub mod clock;
pub mod config;
pub mod installation;
