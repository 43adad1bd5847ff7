use super::*;

#[test]
fn the_pom_and_the_cache_name_one_version() {
    let pom = include_str!("../../../../ops/kafka/pom.xml");
    let sums = include_str!("../../../../ops/kafka/jars.sha256");
    assert!(pom.contains(&format!("<version>{VERSION}</version>")), "{pom}");
    assert!(sums.contains(&format!("  kafka_2.13-{VERSION}.jar")), "{sums}");
}

#[test]
fn a_jar_that_changed_is_missing_or_is_too_much_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let sums = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.jar\n";
    let jars = parse(sums).unwrap();
    let said = |dir: &Path| check(dir, &jars).unwrap_err().to_string();
    assert!(said(dir.path()).ends_with("differ in a.jar"), "{}", said(dir.path()));
    fs::write(dir.path().join("a.jar"), "abc").unwrap();
    check(dir.path(), &jars).unwrap();
    fs::write(dir.path().join("b.jar"), "").unwrap();
    assert!(said(dir.path()).ends_with("differ in b.jar"), "{}", said(dir.path()));
    fs::remove_file(dir.path().join("b.jar")).unwrap();
    fs::write(dir.path().join("a.jar"), "abd").unwrap();
    assert!(said(dir.path()).contains("is not what was published"), "{}", said(dir.path()));
}
