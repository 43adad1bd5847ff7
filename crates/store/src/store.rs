//! What a partition keeps.
