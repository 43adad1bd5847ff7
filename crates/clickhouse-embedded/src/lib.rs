//! The ClickHouse engine as a child process, behind ClickHouse's own HTTP interface.
//!
//! The engine is `libchdb.so`, opened at run time. It lives in a process of its own, so that a fault in a
//! gigabyte of C++ never takes its parent along, and clients meet what they know: ClickHouse over HTTP.
//!
//! ```text
//!  parent                      child
//!  Engine::spawn ── stdin ──►  serve: lock ► library ► listen ► "ready" on stdout
//!      url() ───── HTTP ────►  server ► statement ► session | connection ► ffi ► libchdb
//!      stop() ─ closes stdin ► drain ► close connections ► _exit
//! ```
//!
//! * [`find_library`] says where the library lies, [`Engine`] is the parent's side, [`serve`] the child's.
//! * The child ends when the pipe on its standard input closes, so a killed parent leaves none behind.
//! * A statement has a connection of its own unless it names a session; nothing leaks between clients.

mod child;
mod engine;
mod error;
mod exception;
mod ffi;
mod frame;
mod header;
mod library;
mod options;
mod server;
mod session;
mod statement;
mod sweep;
mod writes;

pub use child::serve;
pub use engine::Engine;
pub use error::EngineError;
pub use library::{ENGINE_VERSION, LIBRARY_SHA256, LibraryPlaces, find_library};
pub use options::EngineOptions;
