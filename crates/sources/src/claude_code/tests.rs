//! Every way in which a transcript misleads a counter, as a line; then real transcripts, where they are at hand.

mod pitfalls;
mod spotter;
