//! The store from outside: against a naive model, on a disk that crashes, tears, reorders, fills up and rots.

mod crash;
mod damage;
mod model;
