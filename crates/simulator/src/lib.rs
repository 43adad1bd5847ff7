//! What a real company does to a pipeline, without one: everything follows from a seed.

#![forbid(unsafe_code)]

pub mod workload;
