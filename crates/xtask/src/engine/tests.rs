use super::*;

#[test]
fn the_cache_follows_the_environment() {
    let at = |cache: Option<&str>, home: Option<&str>| {
        cache_of(cache.map(PathBuf::from), home.map(PathBuf::from)).map(|path| path.display().to_string())
    };
    assert_eq!(at(Some("/c"), Some("/h")).unwrap(), "/c/tally");
    assert_eq!(at(None, Some("/h")).unwrap(), "/h/.cache/tally");
    assert_eq!(at(Some("not/absolute"), Some("/h")).unwrap(), "/h/.cache/tally");
    assert!(at(None, None).unwrap_err().to_string().contains("set HOME"));
}

#[test]
fn a_changed_byte_is_told_from_the_published_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(LIBRARY);
    fs::write(&file, b"abc").unwrap();
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    verify(&file, abc).unwrap();
    fs::write(&file, b"abd").unwrap();
    let said = verify(&file, abc).unwrap_err().to_string();
    assert!(said.contains("is not what was published") && said.contains(abc), "{said}");
}

#[test]
fn a_failed_child_leaves_its_reason() {
    let child = Command::new("sh")
        .args(["-c", "echo no space left >&2; exit 1"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(watch(child, "testing", || 0, None).unwrap().as_deref(), Some("no space left\n"));
}

#[test]
fn staging_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let staging = Staging::create(dir.path()).unwrap();
    fs::write(staging.path().join("half"), b"half a download").unwrap();
    drop(staging);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_reason_of_npm_is_kept_short() {
    let said = "npm error code ENOSPC\nnpm error\nnpm error nospc no space left on device, write\n\
                npm error A complete log of this run can be found in: x\n";
    assert_eq!(first_lines(said, 5), "code ENOSPC\n  nospc no space left on device, write");
}
