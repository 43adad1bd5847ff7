//! One partition's state machine.
#![forbid(unsafe_code)]
