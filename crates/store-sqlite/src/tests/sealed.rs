//! The database under a key (I34).

use super::*;
use domain::seams::Random;

/// Not secret: the same in every run.
struct Fixed(u8);
impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

pub(super) fn key(seed: u8) -> DataKey {
    DataKey::fresh(&Fixed(seed))
}

/// All bytes that lie in a folder now.
fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Every table name that a plain database shows, and the name of the officer of the stories.
fn tells(folder: &Path) -> Option<PathBuf> {
    let told = [&b"CREATE TABLE"[..], b"SQLite format 3", b"wang"];
    let tells = |bytes: &[u8]| told.iter().any(|word| bytes.windows(word.len()).any(|piece| piece == *word));
    everything(folder).into_iter().find(|(_, bytes)| tells(bytes)).map(|(path, _)| path)
}

#[test]
fn a_stolen_disk_tells_nothing_and_opens_with_no_other_key() {
    let folder = Folder::new("stolen");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let story = |store: &SqliteStore| {
        runtime.block_on(conformance::drafts_are_saved_over_the_version_that_was_read(store));
    };
    let store = folder.open_with(&key(1));
    story(&store);
    let files = everything(&folder.0);
    assert!(files.iter().any(|(path, bytes)| path.ends_with("tongban.db-wal") && bytes.len() > 8192));
    assert_eq!(tells(&folder.0), None, "while it is in use, its log included");
    let (path, copy) = (SqliteStore::path(&folder.0), folder.0.join("copy.db"));
    backup::copy_database(&path, &copy, Some(&key(1))).unwrap();
    drop(store);
    assert_eq!(tells(&folder.0), None, "when it was closed, its copy included");
    for wrong in [None, Some(key(2))] {
        for path in [&path, &copy] {
            assert!(matches!(
                look_into(path, wrong.as_ref()).and_then(|c| read_something(&c)),
                Err(StoreError::Broken { .. })
            ));
        }
        let other = Identity { key: wrong, ..identity() };
        assert!(matches!(SqliteStore::open(&folder.0, other), Err(StoreError::Broken { .. })));
    }
    let copy = backup::Copy::open(&copy, Some(&key(1))).unwrap();
    let store = folder.open_with(&key(1));
    assert_eq!(copy.heads().unwrap(), runtime.block_on(store.heads()).unwrap(), "and it is all there");
    // The same stories leave a plain database full of words: the look for them finds what there is to find.
    let plain = Folder::new("plain");
    story(&plain.open());
    assert!(tells(&plain.0).is_some());
}

fn read_something(connection: &Connection) -> Result<i64, StoreError> {
    connection.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).broken("read")
}
