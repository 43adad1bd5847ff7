use super::*;

fn lines(of: &Chunk) -> Vec<&str> {
    of.lines.iter().map(String::as_str).collect()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn open(dir: &Path, epoch: i64) -> Spool {
    Spool::open(dir, Epoch(epoch), 1 << 20).unwrap()
}

#[test]
fn lines_come_back_in_order_until_they_are_done_with_and_then_the_file_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), 1);
    spool.push(&texts(&["a", "b"])).unwrap();
    spool.push(&texts(&["c"])).unwrap();
    let first = spool.next(2, 1_000).unwrap();
    assert_eq!((lines(&first), lines(&spool.next(2, 1_000).unwrap())), (vec!["a", "b"], vec!["a", "b"]));
    spool.done(&first).unwrap();
    let second = spool.next(2, 1_000).unwrap();
    assert_eq!(lines(&second), ["c"]);
    spool.done(&second).unwrap();
    assert!(spool.is_empty() && names(dir.path(), EVENTS).unwrap().is_empty());
    spool.push(&texts(&["d"])).unwrap();
    assert_eq!(lines(&spool.next(9, 9).unwrap()), ["d"]);
}

#[test]
fn what_a_dead_process_left_is_adopted_and_what_a_live_one_has_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path(), 1);
    live.push(&texts(&["of the living"])).unwrap();
    let mut dead = open(dir.path(), 2);
    dead.push(&texts(&["of the dead"])).unwrap();
    drop(dead);
    let mut next = open(dir.path(), 3);
    let found = next.next(9, 99).unwrap();
    assert_eq!(lines(&found), ["of the dead"]);
    let mut another = open(dir.path(), 4);
    assert!(another.next(9, 99).unwrap().is_nothing(), "it is being sent already");
    while !next.is_empty() {
        let chunk = next.next(9, 99).unwrap();
        next.done(&chunk).unwrap();
    }
    assert_eq!(lines(&live.next(9, 99).unwrap()), ["of the living"]);
    assert!(another.push(&texts(&["x"])).is_ok());
    assert_eq!(names(dir.path(), EVENTS).unwrap().len(), 2);
    assert_eq!(names(dir.path(), LOCK).unwrap().len(), 3, "the dead one's lock is gone");
}

#[test]
fn a_process_that_dies_later_is_adopted_later() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path(), 1);
    live.push(&texts(&["left behind"])).unwrap();
    let mut other = open(dir.path(), 2);
    other.adopt().unwrap();
    assert!(other.is_empty());
    other.push(&texts(&["half", "sent"])).unwrap();
    let half = other.next(1, 99).unwrap();
    other.done(&half).unwrap();
    drop(live);
    other.adopt().unwrap();
    other.adopt().unwrap();
    let mut seen = Vec::new();
    while !other.is_empty() {
        let chunk = other.next(9, 99).unwrap();
        seen.extend(chunk.lines.iter().cloned());
        other.done(&chunk).unwrap();
    }
    assert_eq!(seen, ["sent", "left behind"]);
}

#[test]
fn a_torn_or_rotten_line_is_counted_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), 1);
    spool.push(&texts(&["first", "second", "third", "torn"])).unwrap();
    drop(spool);
    let file = names(dir.path(), EVENTS).unwrap().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes.truncate(bytes.len() - 3);
    let at = bytes.windows(6).position(|window| window == b"second").unwrap();
    bytes[at] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let mut spool = open(dir.path(), 2);
    let chunk = spool.next(9, 9_999).unwrap();
    assert_eq!((lines(&chunk), chunk.damaged), (vec!["first", "third"], 2));
    spool.done(&chunk).unwrap();
    assert!(spool.is_empty());
}

#[test]
fn a_full_spool_takes_nothing_and_has_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(dir.path(), Epoch(1), 25).unwrap();
    spool.push(&texts(&["0123456789"])).unwrap();
    let refused = spool.push(&texts(&["0123456789"])).unwrap_err().to_string();
    assert_eq!(refused, "the spool holds 20 bytes, 25 are allowed");
    let chunk = spool.next(9, 99).unwrap();
    spool.done(&chunk).unwrap();
    assert!(spool.push(&texts(&["0123456789"])).is_ok());
}

#[test]
fn processes_that_share_a_directory_are_one_producer() {
    let dir = tempfile::tempdir().unwrap();
    let made = std::thread::scope(|threads| {
        let making: Vec<_> = (0..8).map(|_| threads.spawn(|| producer(dir.path()).unwrap())).collect();
        making.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(made.iter().all(|one| *one == made[0]));
    fs::write(dir.path().join("producer"), "rubbish").unwrap();
    let refused = producer(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("remove this file, another one is made"), "{refused}");
}
