//! Commands as they are typed and what they answer: each `cmd/*.trycmd` is a drawing of input and output.

#[test]
fn commands_answer_as_drawn() {
    trycmd::TestCases::new().env("HOME", "/nowhere").case("tests/cmd/*.trycmd").run();
}
