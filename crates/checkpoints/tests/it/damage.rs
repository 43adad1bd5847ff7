//! What is not as it was written is named, and never taken for a state.

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tally_checkpoints::{CheckpointError, Fetched};
use tally_disk::{Disk, MemoryDisk};
use tokio::runtime::Builder;

use crate::state::{DIR, PARTITION, brought, committed, copier, copies, fold, folded, version};
use crate::trouble::Trouble;

/// What a store may do to an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Damage {
    Flip,
    Cut,
    Lengthen,
    Remove,
}

pub(crate) fn damage(store: &Trouble, path: &str, damage: Damage) {
    let path = Path::from(path);
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut bytes = store.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
        match damage {
            Damage::Flip => *bytes.last_mut().unwrap() ^= 1,
            Damage::Cut => drop(bytes.pop()),
            Damage::Lengthen => bytes.push(0),
            Damage::Remove => return store.delete(&path).await.unwrap(),
        }
        store.put(&path, PutPayload::from(bytes)).await.map(drop).unwrap();
    });
}

const ALL: [Damage; 4] = [Damage::Flip, Damage::Cut, Damage::Lengthen, Damage::Remove];

#[test]
fn a_damaged_object_is_named_and_refused() {
    let store = Trouble::default();
    let (_disk, engine, _) = folded(2);
    let _copied = copier(&store).copy(&committed(&engine)).unwrap();
    let objects = store.puts();
    assert_eq!(objects.len(), 4);
    for object in &objects {
        for kind in ALL {
            let store = store.fork();
            damage(&store, object, kind);
            let disk = MemoryDisk::new(0);
            match copies(&store).fetch(PARTITION, &disk, DIR, None) {
                // A copy that is gone is none.
                Ok(Fetched::Nothing) => {
                    assert!(
                        object.contains("/copies/") && matches!(kind, Damage::Remove),
                        "{object} {kind:?}"
                    );
                }
                Ok(fetched) => panic!("{object} {kind:?}: {fetched:?}"),
                Err(error) => {
                    assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
                    let said = error.to_string();
                    assert!(said.contains(object) && said.contains("remove it"), "{said}");
                    let length = matches!(kind, Damage::Cut | Damage::Lengthen) && object.contains("/files/");
                    assert_eq!(said.contains(" bytes"), length, "{kind:?}: {said}");
                }
            }
            assert_eq!(brought(&disk), None, "{object} {kind:?}");
        }
    }
}

#[test]
fn an_older_copy_is_brought_where_a_newer_one_is_damaged() {
    let store = Trouble::default();
    let (_disk, mut engine, mut next) = folded(2);
    let mut copier = copier(&store);
    let _copied = copier.copy(&committed(&engine)).unwrap();
    let older = next;
    fold(&mut engine, &mut next, 10);
    let _seen = store.puts();
    let _copied = copier.copy(&committed(&engine)).unwrap();
    for object in store.puts() {
        for kind in ALL {
            let store = store.fork();
            damage(&store, &object, kind);
            let disk = MemoryDisk::new(0);
            let Fetched::State { version: found, passed_over, .. } =
                copies(&store).fetch(PARTITION, &disk, DIR, None).unwrap()
            else {
                panic!("the older copy is whole")
            };
            assert_eq!((found, brought(&disk)), (version(older), Some(older)));
            let said: Vec<String> = passed_over.iter().map(ToString::to_string).collect();
            let gone = object.contains("/copies/") && matches!(kind, Damage::Remove);
            assert!(gone || said.len() == 1 && said[0].contains(&object), "{object} {kind:?}: {said:?}");
        }
    }
}

#[test]
fn a_file_that_lost_its_end_or_itself_is_written_again_by_the_next_copy() {
    let store = Trouble::default();
    let (_disk, mut engine, mut next) = folded(2);
    let _copied = copier(&store).copy(&committed(&engine)).unwrap();
    let first = store.puts().swap_remove(0);
    fold(&mut engine, &mut next, 10);
    for kind in [Damage::Cut, Damage::Remove] {
        let store = store.fork();
        damage(&store, &first, kind);
        let _copied = copier(&store).copy(&committed(&engine)).unwrap();
        let disk = MemoryDisk::new(0);
        let _fetched = copies(&store).fetch(PARTITION, &disk, DIR, None).unwrap();
        assert_eq!(brought(&disk), Some(next));
    }
}

#[test]
fn nothing_is_brought_to_where_a_state_is() {
    let store = Trouble::default();
    let (disk, engine, next) = folded(2);
    let _copied = copier(&store).copy(&committed(&engine)).unwrap();
    let held = copies(&store).fetch(PARTITION, &disk, DIR, None).unwrap_err().to_string();
    assert!(held.contains("LOCK"), "{held}");
    drop(engine);
    let before = disk.list(DIR).unwrap();
    let occupied = copies(&store).fetch(PARTITION, &disk, DIR, None).unwrap_err().to_string();
    assert!(occupied.contains("holds a state already"), "{occupied}");
    assert_eq!(disk.list(DIR).unwrap(), before);
    assert_eq!(brought(&disk), Some(next));
    assert!(store.gets().len() <= 2, "no file was fetched for it");
}
