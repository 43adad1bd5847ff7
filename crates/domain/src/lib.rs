//! The words of Tally as types.
#![forbid(unsafe_code)]
