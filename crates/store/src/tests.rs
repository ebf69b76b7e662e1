use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;

use super::{add, Key, Pack};

const LIMIT: u64 = 1 << 20;

fn key(number: u8) -> Key {
    [number; 32]
}

fn store(path: &Path, blobs: &[(u8, &[u8])]) {
    let blobs: Vec<_> = blobs.iter().map(|(number, blob)| (key(*number), *blob)).collect();
    add(path, &blobs, &HashSet::new(), LIMIT).unwrap();
}

fn found(path: &Path, number: u8) -> Option<Vec<u8>> {
    Pack::open(path)?.get(&key(number)).map(<[u8]>::to_vec)
}

#[test]
fn what_was_added_is_found_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/with/its/folder.dxbc");
    assert!(Pack::open(&path).is_none());
    store(&path, &[(3, b"three"), (1, b""), (2, b"two")]);
    store(&path, &[(2, b"other"), (5, b"five")]);
    let all: Vec<_> = (0..7).map(|number| found(&path, number)).collect();
    let some = |text: &[u8]| Some(text.to_vec());
    assert_eq!(all, [None, some(b""), some(b"other"), some(b"three"), None, some(b"five"), None]);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "temporary files stay behind");
}

#[test]
fn an_open_pack_stays_as_it_is_when_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack");
    store(&path, &[(1, b"one")]);
    let open = Pack::open(&path).unwrap();
    store(&path, &[(1, b"two")]);
    assert_eq!(open.get(&key(1)), Some(&b"one"[..]));
    assert_eq!(found(&path, 1), Some(b"two".to_vec()));
}

#[test]
fn what_is_not_a_pack_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack");
    store(&path, &[(1, b"one"), (2, b"two")]);
    let good = fs::read(&path).unwrap();
    let changed = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        bytes
    };
    for bytes in [
        vec![],
        b"foreign".to_vec(),
        good[..good.len() - 1].to_vec(),
        changed(0),
        changed(4),
        changed(8),
        changed(20),
        changed(50),
    ] {
        fs::write(&path, &bytes).unwrap();
        assert!(Pack::open(&path).is_none(), "{bytes:?}");
        store(&path, &[(3, b"three")]);
        assert_eq!((found(&path, 1), found(&path, 3)), (None, Some(b"three".to_vec())));
    }
}

#[test]
fn a_damaged_blob_is_not_given_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack");
    store(&path, &[(1, b"one"), (2, b"two")]);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!((found(&path, 1), found(&path, 2)), (Some(b"one".to_vec()), None));
    store(&path, &[(2, b"two")]);
    assert_eq!((found(&path, 1), found(&path, 2)), (Some(b"one".to_vec()), Some(b"two".to_vec())));
}

#[test]
fn what_others_may_write_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack");
    store(&path, &[(1, b"one")]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(Pack::open(&path).is_none());
    assert!(Pack::open(folder.path()).is_none());
}

#[test]
fn where_nothing_can_be_written_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(add(&file.join("pack"), &[(key(1), b"one")], &HashSet::new(), LIMIT).is_err());
    let occupied = folder.path().join("folder");
    fs::create_dir(&occupied).unwrap();
    assert!(add(&occupied, &[(key(1), b"one")], &HashSet::new(), LIMIT).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "temporary files stay behind");
}

#[test]
fn above_the_limit_only_what_is_used_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack");
    let blob = [7; 400];
    store(&path, &[(1, &blob), (2, &blob)]);
    add(&path, &[(key(3), &blob)], &HashSet::from([key(2)]), 1000).unwrap();
    assert_eq!([1, 2, 3].map(|number| found(&path, number).is_some()), [false, true, true]);
    add(&path, &[(key(4), &blob), (key(5), &blob), (key(6), &blob)], &HashSet::new(), 1000).unwrap();
    assert_eq!(Pack::open(&path).unwrap().len(), 2);
}

#[test]
fn nothing_new_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack");
    store(&path, &[(1, b"one")]);
    let open = fs::File::open(&path).unwrap();
    store(&path, &[(1, b"one")]);
    use std::os::unix::fs::MetadataExt;
    assert_eq!(open.metadata().unwrap().ino(), fs::metadata(&path).unwrap().ino());
}

#[test]
fn who_writes_at_once_leaves_a_whole_pack() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack");
    std::thread::scope(|scope| {
        for number in 0..8_u8 {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..20 {
                    store(path, &[(number, &[number; 5000])]);
                    let pack = Pack::open(path).expect("whole");
                    for other in 0..8 {
                        assert!(pack.get(&key(other)).is_none_or(|blob| blob == [other; 5000]));
                    }
                }
            });
        }
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files stay behind");
}

proptest! {
    #[test]
    fn changed_bytes_never_give_other_blobs(
        blobs in prop::collection::btree_map(any::<u8>(), prop::collection::vec(any::<u8>(), 0..60), 0..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        kept in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack");
        let new: Vec<_> = blobs.iter().map(|(number, blob)| (key(*number), blob.as_slice())).collect();
        add(&path, &new, &HashSet::new(), LIMIT).unwrap();
        if blobs.is_empty() {
            return Ok(());
        }
        let mut bytes = fs::read(&path).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(kept) = kept {
            bytes.truncate(kept.index(bytes.len()));
        }
        fs::write(&path, bytes).unwrap();
        if let Some(pack) = Pack::open(&path) {
            for number in 0..=255 {
                if let Some(blob) = pack.get(&key(number)) {
                    prop_assert_eq!(Some(blob), blobs.get(&number).map(Vec::as_slice));
                }
            }
        }
    }
}
