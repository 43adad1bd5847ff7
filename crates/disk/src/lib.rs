//! The port to files. Whoever keeps bytes (log, store) is generic over [`Disk`]; the binary gives it an
//! [`OsDisk`], tests and the simulator a [`MemoryDisk`] that crashes, tears, reorders, fills up and rots.
//!
//! What a disk promises is little, on purpose: bytes are durable after [`DiskFile::sync`], names after
//! [`Disk::sync_dir`], a rename happens whole or not at all, and nothing else is ordered.

mod error;
pub mod port;

pub mod contract;
pub mod memory;
pub mod os;
pub mod segment;

pub use error::{DiskError, Kind, Operation};
pub use memory::MemoryDisk;
pub use os::OsDisk;
pub use port::{Disk, DiskFile};
