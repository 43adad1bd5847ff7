//! Puts the parts together: configuration, roles, supervision, and the way to an installation.
#![forbid(unsafe_code)]

pub mod attach;
pub mod clock;
pub mod config;
pub mod control;
pub mod installation;
pub mod parts;
pub mod roles;
pub mod shared;
pub mod supervise;

pub mod admin;
pub mod drive;
pub mod elsewhere;
pub mod server;
pub mod sink;
pub mod watch;
