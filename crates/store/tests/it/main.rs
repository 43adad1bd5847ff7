//! The store from outside: against a naive model, on a disk that crashes, tears, reorders, fills up and rots.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod model;
