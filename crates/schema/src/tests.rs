//! The hand-written codec against `apache-avro`, in both directions, on random and on damaged bytes.

mod arbitrary;
mod confluent;
mod evolution;
mod form;
mod golden;
mod oracle;
mod prices;
