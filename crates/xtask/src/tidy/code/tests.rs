use super::*;

fn kept(source: &str) -> String {
    words(&only(source)).collect::<Vec<_>>().join(" ")
}

#[test]
fn comments_and_literals_are_blanked_and_code_stays() {
    assert_eq!(kept("let a = 1; // unsafe"), "let a 1");
    assert_eq!(kept("a /* one /* two */ f64 */ b"), "a b");
    assert_eq!(kept(r#"a("f64 \" f64") b"#), "a b");
    assert_eq!(kept("a(r#\"f64 \" f64\"#) b(br\"f64\")"), "a b");
    assert_eq!(kept("x: &'a f64, c: char = 'f'; d = '\\''; e = '\"'; f64"), "x a f64 c char d e f64");
    assert_eq!(kept("for_r\"f64\""), "for_r");
}

#[test]
fn lines_stay_where_they_were() {
    let source = "a\n/* f64\n\n*/ b\nlet s = \"one\ntwo\";\nunsafe {}";
    assert_eq!(only(source).lines().count(), source.lines().count());
    assert_eq!(only(source).lines().position(|line| line.contains("unsafe")), Some(6));
}
