//! What is measured, apart from the parts that need a whole node: a log of a simulated company, the steps that fold
//! it, and the floors beside them.
#![forbid(unsafe_code)]

pub mod ceilings;
pub mod fill;
pub mod measure;
pub mod place;
pub mod sample;
pub mod spans;
pub mod steps;
