//! What is copied, what is not copied again, and what is newest.

use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tally_checkpoints::{Checkpoints, Copied, Fetched, Keep};
use tally_disk::{Disk, DiskFile, MemoryDisk};
use tally_domain::{Hash128, TopicId};
use tally_store::{Committed, CommittedFile};
use tokio::runtime::Builder;

use crate::state::{
    AT_ONCE, DIR, PARTITION, brought, committed, copier, copies, files, files_in, fold, folded, merge,
    version,
};
use crate::trouble::Trouble;

/// Fetches into an empty disk.
fn fetch(copies: &Checkpoints) -> (MemoryDisk, Fetched) {
    let disk = MemoryDisk::new(99);
    let fetched = copies.fetch(PARTITION, &disk, DIR, None).unwrap();
    (disk, fetched)
}

fn fetched_version(copies: &Checkpoints) -> u64 {
    let (disk, fetched) = fetch(copies);
    let Fetched::State { version: found, passed_over, .. } = fetched else { panic!("there is a copy") };
    assert!(passed_over.is_empty(), "{passed_over:?}");
    let next = brought(&disk).unwrap();
    assert_eq!(found, version(next), "the version that was said is that of the state");
    next
}

fn objects(store: &dyn ObjectStore) -> Vec<String> {
    let runtime = Builder::new_current_thread().build().unwrap();
    let found: Vec<_> = runtime.block_on(store.list(None).try_collect()).unwrap();
    found.into_iter().map(|meta| meta.location.to_string()).collect()
}

#[test]
fn a_state_comes_back_with_its_offset_and_its_bytes() {
    let store = Trouble::default();
    assert!(matches!(fetch(&copies(&store)).1, Fetched::Nothing));
    let (_disk, engine, next) = folded(3);
    let state = committed(&engine);
    let Copied::Done { files: count, bytes, removed: 0 } = copier(&store).copy(&state).unwrap() else {
        panic!("nothing was there")
    };
    assert_eq!(count, 4, "three runs and a manifest");
    assert_eq!(bytes, state.files.iter().map(|file| file.bytes).sum::<u64>());
    let (disk, fetched) = fetch(&copies(&store));
    assert!(matches!(fetched, Fetched::State { version: found, .. } if found == version(next)));
    assert_eq!(files_in(&disk), files(&state));
    assert_eq!(brought(&disk), Some(next));
}

#[test]
fn a_directory_of_this_machine_is_a_place_for_copies() {
    let place = tempfile::tempdir().unwrap();
    let url = format!("file://{}/copies", place.path().display());
    std::fs::create_dir(place.path().join("copies")).unwrap();
    let copies = Checkpoints::open(&url, TopicId(Hash128([1; 16])), []).unwrap();
    let (_disk, mut engine, mut next) = folded(1);
    let mut copier = copies.copier(PARTITION, AT_ONCE);
    for _more in 0..4 {
        assert!(matches!(copier.copy(&committed(&engine)).unwrap(), Copied::Done { .. }));
        assert_eq!(fetched_version(&copies), next);
        fold(&mut engine, &mut next, 10);
        merge(&mut engine);
    }
    let wrong = Checkpoints::open("nowhere", TopicId::default(), []).unwrap_err().to_string();
    assert!(wrong.contains("nowhere") && wrong.contains("set checkpoints.url"), "{wrong}");
}

/// Nothing is asked of them: only that this build knows them.
#[test]
fn places_in_the_cloud_are_known_by_their_urls() {
    let options = [
        ("AWS_REGION", "eu-central-1"),
        ("AZURE_STORAGE_ACCOUNT_NAME", "a"),
        ("HOME", "/nowhere"),
        ("GOOGLE_SKIP_SIGNATURE", "true"),
    ];
    for url in ["s3://bucket/tally", "gs://bucket/tally", "az://container/tally"] {
        let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let opened = Checkpoints::open(url, TopicId::default(), options);
        assert!(opened.is_ok(), "{url}: {}", opened.unwrap_err());
    }
}

#[test]
fn only_what_is_new_is_written_again() {
    let store = Trouble::default();
    let (_disk, mut engine, mut next) = folded(3);
    let mut first = copier(&store);
    let _copied = first.copy(&committed(&engine)).unwrap();
    assert_eq!(store.puts().len(), 5, "three runs, a manifest, a copy");
    fold(&mut engine, &mut next, 10);
    let state = committed(&engine);
    assert!(matches!(first.copy(&state).unwrap(), Copied::Done { files: 2, .. }));
    let puts = store.puts();
    assert_eq!(puts.len(), 3, "a run, a manifest, a copy: {puts:?}");
    assert!(puts.last().unwrap().contains("/copies/"), "the copy after its files: {puts:?}");
    // Another life of the same state knows what is there.
    fold(&mut engine, &mut next, 10);
    assert!(matches!(copier(&store).copy(&committed(&engine)).unwrap(), Copied::Done { files: 2, .. }));
    assert_eq!(fetched_version(&copies(&store)), next);
}

#[test]
fn what_no_kept_copy_names_goes() {
    let (store, hoard) = (Trouble::default(), Trouble::default());
    let (_disk, mut engine, mut next) = folded(1);
    let mut here = copier(&store);
    let mut there = copies(&hoard).copier(PARTITION, Keep::LONG);
    let mut last = [committed(&engine), committed(&engine)];
    for _commit in 0..12 {
        fold(&mut engine, &mut next, 10);
        merge(&mut engine);
        let state = committed(&engine);
        let _copied = here.copy(&state).unwrap();
        let _copied = there.copy(&state).unwrap();
        last = [last.into_iter().last().unwrap(), state];
    }
    // A merge is on disk with the next commit; so the last two name what they name.
    let mut named: Vec<_> = last.iter().flat_map(|state| files(state).into_values()).collect();
    named.sort();
    named.dedup();
    assert_eq!(objects(&store).len(), named.len() + 2, "their files, and two copies");
    let kept = objects(&hoard);
    assert_eq!(kept.iter().filter(|path| path.contains("/copies/")).count(), 2);
    assert!(kept.len() > named.len() + 12, "files that were just written stay, named or not: {}", kept.len());
}

#[test]
fn an_older_state_replaces_nothing() {
    let store = Trouble::default();
    let (_old_disk, old, old_next) = folded(2);
    let (_disk, engine, next) = folded(5);
    // Two owners by mistake: the other one was faster.
    let blind = store.fork();
    let _copied = copier(&store).copy(&committed(&engine)).unwrap();
    let _seen = store.puts();
    let behind = copier(&store).copy(&committed(&old)).unwrap();
    assert_eq!(behind, Copied::Behind { there: version(next) });
    assert_eq!(copier(&store).copy(&committed(&engine)).unwrap(), Copied::Behind { there: version(next) });
    assert!(store.puts().is_empty());
    // One that looked before the newer state was there writes after it.
    let _copied = copier(&blind).copy(&committed(&old)).unwrap();
    assert_eq!(fetched_version(&copies(&blind)), old_next);
    pour(&blind, &store);
    assert_eq!(fetched_version(&copies(&store)), next);
}

/// Writes all objects of one store into another.
fn pour(from: &Trouble, to: &Trouble) {
    let runtime = Builder::new_current_thread().build().unwrap();
    for path in objects(from) {
        runtime.block_on(async {
            let bytes = from.get(&Path::from(path.as_str())).await.unwrap().bytes().await.unwrap();
            to.put(&Path::from(path), PutPayload::from(bytes)).await.unwrap();
        });
    }
}

#[test]
fn runs_that_a_merge_removes_meanwhile_are_copied_all_the_same() {
    let store = Trouble::default();
    let (disk, mut engine, mut next) = folded(8);
    let (state, taken) = (committed(&engine), next);
    let before = files(&state);
    merge(&mut engine);
    fold(&mut engine, &mut next, 10);
    let here = disk.list(DIR).unwrap();
    assert!(state.files.iter().any(|file| !here.contains(&file.name)), "a run is gone: {here:?}");
    let _copied = copier(&store).copy(&state).unwrap();
    let (target, _) = fetch(&copies(&store));
    assert_eq!(files_in(&target), before);
    assert_eq!(brought(&target), Some(taken));
    // What is merged and not yet committed is no committed state.
    merge(&mut engine);
    let _copied = copier(&store).copy(&committed(&engine)).unwrap();
    assert_eq!(fetched_version(&copies(&store)), next);
}

#[test]
fn large_files_travel_in_parts() {
    let disk = MemoryDisk::new(0);
    disk.make_dir("large").unwrap();
    let mut files = Vec::new();
    for (name, length) in [("000000000001.run", 40 << 20), ("MANIFEST", 100)] {
        let mut file = disk.create(&format!("large/{name}")).unwrap();
        let bytes: Vec<u8> =
            (0..length).map(|at: u32| at.to_le_bytes()[usize::from(at.is_multiple_of(4))]).collect();
        file.append(&bytes).unwrap();
        files.push(CommittedFile { name: name.to_owned(), bytes: length.into(), file });
    }
    let state = Committed { version: version(1), files };
    let copies = Checkpoints::over(
        Arc::new(object_store::memory::InMemory::new()),
        &Path::default(),
        TopicId::default(),
    );
    let copies = copies.unwrap();
    let copied = copies.copier(PARTITION, AT_ONCE).copy(&state).unwrap();
    assert_eq!(copied, Copied::Done { files: 2, bytes: (40 << 20) + 100, removed: 0 });
    let (target, _) = fetch(&copies);
    assert!(files_in(&target) == crate::state::files(&state), "every byte in its place");
}
