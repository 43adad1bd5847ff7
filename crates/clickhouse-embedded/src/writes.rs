//! Whether what the engine writes reaches the disk.
//!
//! The library takes a write that the disk refused for one that was done: it counts it, goes on, and reports success
//! for a part, a merge or a definition that is shorter than it should be. So its count is read after every statement
//! that may write, before its answer, and every second for what it writes by itself. Once a write was refused the
//! process ends: nothing of it was acknowledged, and the next one knows by sizes and checksums what was cut short, puts
//! it aside, and takes up what it was made from.

use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use crate::exception::Exception;
use crate::ffi::{self, Connection};

const REFUSED: &[u8] =
    b"SELECT value FROM system.events WHERE event = 'WriteBufferFromFileDescriptorWriteFailed'";
/// The process's exit code: `EX_IOERR`.
const IO_ERROR: i32 = 74;

/// The engine's count of writes that the disk refused.
pub(crate) struct Writes(Mutex<Connection>);

impl Writes {
    pub(crate) fn new(connection: Connection) -> Self {
        Self(Mutex::new(connection))
    }

    /// Returns if every write since the start was done; ends the process if one was not.
    ///
    /// # Errors
    /// When the engine does not tell: then nobody knows.
    pub(crate) fn check(&self) -> Result<(), Exception> {
        let answer = {
            // A panic elsewhere leaves a connection that can be asked again.
            let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            connection.query(REFUSED, "TabSeparated", &[])?
        };
        // An event that has not happened has no row.
        if answer.bytes().is_empty() {
            return Ok(());
        }
        let refused = String::from_utf8_lossy(answer.bytes());
        // Nobody may be reading, and there is no other place to say it.
        drop(writeln!(
            io::stderr(),
            "error: the disk refused {} writes of the engine, which takes them for done: it ends, and nothing of them \
             was acknowledged; make room, and the next one goes on from what is whole",
            refused.trim_end()
        ));
        ffi::exit_now(IO_ERROR)
    }
}
