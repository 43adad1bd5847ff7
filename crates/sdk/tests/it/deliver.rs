//! Collectors that are late, die, are full, or are something else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tally_disk::MemoryDisk;
use tally_sdk::{Client, Flushed, RecordError, Usage};

use super::rig::{Collector, free_address, held};

const LONG: Duration = Duration::from_secs(30);

fn builder(address: SocketAddr) -> tally_sdk::Builder {
    Client::builder()
        .endpoint(format!("http://{address}"))
        .source("my-tool")
        .subject("ann")
        .linger(Duration::from_millis(5))
        .backoff(Duration::from_millis(5), Duration::from_millis(40))
}

fn spooled(address: SocketAddr, dir: &Path) -> Client {
    builder(address).spool_dir(dir).drop_timeout(Duration::from_millis(50)).build().unwrap()
}

fn usage(output: u64) -> Usage {
    Usage { model: "m".to_owned(), output, occurred_at_ms: Some(1_771_000_000_000), ..Usage::default() }
}

/// Waits until a condition holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

#[test]
fn what_is_recorded_is_delivered_with_minted_ids_and_dense_numbers() {
    let (address, disk, dir) = (free_address(), MemoryDisk::new(1), tempfile::tempdir().unwrap());
    let collector = Collector::start(address, &disk);
    let client = spooled(address, dir.path());
    for output in 1..=250 {
        client.record(usage(output)).unwrap();
        client.record(Usage { subject: Some("bob".to_owned()), ..usage(output) }).unwrap();
        client.record(Usage { subject: Some("ann".to_owned()), ..usage(output) }).unwrap();
    }
    assert_eq!(client.flush(LONG), Flushed::Delivered);
    let counts = client.counts();
    assert_eq!((counts.recorded, counts.delivered, counts.rejected, counts.refused), (750, 750, 0, 0));
    drop(client);
    drop(collector);
    let held = held(&disk);
    assert_eq!((held.events.len(), held.copies), (750, 750));
    held.assert_dense();
    let accounts: std::collections::BTreeSet<_> = held.events.values().map(|event| event.account).collect();
    assert_eq!(accounts.len(), 2, "ann by name is the client's own subject");
    assert!(held.events.values().all(|event| event.minted.is_some()));
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["producer"], "a spool that is sent is empty");
}

#[test]
fn nothing_listens_and_then_something_does() {
    let (address, disk, dir) = (free_address(), MemoryDisk::new(2), tempfile::tempdir().unwrap());
    let client = spooled(address, dir.path());
    for output in 1..=300 {
        client.record(usage(output)).unwrap();
    }
    assert_eq!(client.flush(Duration::from_millis(300)), Flushed::Spooled);
    assert!(client.counts().last_error.unwrap().contains(&format!("sending to http://{address}/v1/usage")));
    let collector = Collector::start(address, &disk);
    assert_eq!(client.flush(LONG), Flushed::Delivered);
    assert!(client.counts().retries > 0);
    drop(client);
    drop(collector);
    let held = held(&disk);
    assert_eq!(held.events.len(), 300);
    held.assert_dense();
}

#[test]
fn what_a_client_leaves_is_sent_by_the_next_one_under_its_own_numbers() {
    let (address, disk, dir) = (free_address(), MemoryDisk::new(3), tempfile::tempdir().unwrap());
    for _start in 0..3 {
        let client = spooled(address, dir.path());
        (1..=40).for_each(|output| client.record(usage(output)).unwrap());
    }
    let collector = Collector::start(address, &disk);
    let client = spooled(address, dir.path());
    until("the spool is sent", || client.counts().delivered >= 120);
    assert_eq!(client.flush(LONG), Flushed::Delivered);
    drop(client);
    drop(collector);
    let held = held(&disk);
    assert_eq!((held.events.len(), held.copies), (120, 120));
    held.assert_dense();
    let epochs: std::collections::BTreeSet<_> = held.events.values().map(|event| event.epoch).collect();
    let producers: std::collections::BTreeSet<_> = held.events.values().map(|event| event.producer).collect();
    assert_eq!((epochs.len(), producers.len()), (3, 1));
}

#[test]
fn a_collector_that_dies_again_and_again_loses_nothing_and_counts_nothing_twice() {
    let (address, disk, dir) = (free_address(), MemoryDisk::new(4), tempfile::tempdir().unwrap());
    let client = spooled(address, dir.path());
    let mut recorded = 0;
    for round in 0..6_u64 {
        let collector = Collector::start(address, &disk);
        for output in 0..200 {
            client.record(usage(output)).unwrap();
            recorded += 1;
        }
        let before = client.counts().delivered;
        until("something is delivered", || client.counts().delivered > before + round * 20);
        drop(collector);
        // What was being answered may be in the log, and is sent again.
        disk.crash();
    }
    let collector = Collector::start(address, &disk);
    assert_eq!(client.flush(LONG), Flushed::Delivered);
    drop(client);
    drop(collector);
    let held = held(&disk);
    assert_eq!(held.events.len(), recorded);
    held.assert_dense();
}

#[test]
fn without_a_spool_a_full_queue_refuses_and_the_gap_shows_it() {
    let address = free_address();
    let client = builder(address).queue_events_max(10).drop_timeout(Duration::ZERO).build().unwrap();
    let mut refused = 0;
    for output in 1..=15 {
        match client.record(usage(output)) {
            Ok(()) => {}
            Err(RecordError::Full { events_max: 10, .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((refused, client.counts().refused, client.counts().recorded), (5, 5, 10));
    assert_eq!(client.flush(Duration::from_millis(50)), Flushed::Waiting);
    let disk = MemoryDisk::new(5);
    let collector = Collector::start(address, &disk);
    assert_eq!(client.flush(LONG), Flushed::Delivered);
    client.record(usage(16)).unwrap();
    assert_eq!(client.flush(LONG), Flushed::Delivered);
    drop(client);
    drop(collector);
    let numbers: std::collections::BTreeSet<_> =
        held(&disk).events.values().map(|event| event.sequence.0).collect();
    assert_eq!(numbers, (1..=10).chain([16]).collect());
}

#[test]
fn what_tally_cannot_count_is_said_and_the_rest_goes_on() {
    let (address, disk) = (free_address(), MemoryDisk::new(6));
    let collector = Collector::start(address, &disk);
    let client = builder(address).build().unwrap();
    client.record(usage(1)).unwrap();
    client.record(Usage { region: Some("r".repeat(300)), ..usage(2) }).unwrap();
    client.record(Usage { session: Some("s".repeat(90 << 10)), ..usage(3) }).unwrap();
    client.record(usage(4)).unwrap();
    assert_eq!(client.flush(LONG), Flushed::Delivered);
    let counts = client.counts();
    assert_eq!((counts.delivered, counts.rejected), (2, 2), "{counts:?}");
    drop(client);
    drop(collector);
    let held = held(&disk);
    assert_eq!((held.events.len(), held.rejects), (2, 1), "what is too large to be sent is not kept either");

    let client = builder(address).build().unwrap();
    let error = client.record(Usage::default()).unwrap_err().to_string();
    assert_eq!(error, "recording usage: model is \"\"; expected a name");
    let error = client.record(usage(1_000_000_000_001)).unwrap_err().to_string();
    assert_eq!(error, "recording usage: output is \"1000000000001\"; expected 0 to 10^12");
}

#[test]
fn recording_never_waits_for_a_server_that_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // One event a request: it fits the socket's buffer, so the client never waits for this server to read.
    let client =
        builder(address).batch_events_max(1).drop_timeout(Duration::from_millis(100)).build().unwrap();
    for output in 0..5_000 {
        client.record(usage(output)).unwrap();
    }
    assert_eq!(client.counts().recorded, 5_000, "the server has not even taken the connection");
    let (mut taken, _) = listener.accept().unwrap();
    let _some = taken.read(&mut [0; 100]).unwrap();
    taken.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
    until("an answer in other words settles nothing", || client.counts().retries > 0);
    let counts = client.counts();
    assert_eq!(counts.delivered, 0);
    assert!(counts.last_error.unwrap().contains("is the endpoint right?"));
}

#[test]
fn a_server_that_hangs_keeps_nothing_from_the_disk_and_nobody_from_leaving() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let client = spooled(address, dir.path());
    client.record(usage(1)).unwrap();
    let (_taken, _) = listener.accept().unwrap();
    // A request is out, and will not be answered for as long as a request may take.
    (2..=300).for_each(|output| client.record(usage(output)).unwrap());
    until("all of it is on disk", || client.counts().safe == 300);
    client.record(usage(301)).unwrap();
    let leaving = Instant::now();
    drop(client);
    assert!(leaving.elapsed() < LONG / 3, "a request takes up to 30 s: {:?}", leaving.elapsed());
    let kept: usize = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "events"))
        .map(|path| std::fs::read_to_string(path).unwrap().lines().count())
        .sum();
    assert_eq!(kept, 301);
}

#[test]
fn what_is_missing_is_named() {
    let error = Client::builder().source("s").subject("ann").build().unwrap_err().to_string();
    assert_eq!(error, "building a client: endpoint is missing; call .endpoint(…) with it");
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = builder(free_address()).spool_dir(file.path()).build().unwrap_err().to_string();
    assert!(error.contains("make it a directory that this user may write to"), "{error}");
}
