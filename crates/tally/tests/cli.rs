//! Commands as they are typed and what they answer: each `cmd/*.trycmd` is a drawing of input and output; what needs
//! an installation runs the real binary on a data directory of its own.
#![expect(clippy::unwrap_used, reason = "a test fails where something is not there")]

mod demo;
mod installation;
mod spine;

#[test]
fn commands_answer_as_drawn() {
    trycmd::TestCases::new().env("HOME", "/nowhere").case("tests/cmd/*.trycmd").run();
}
