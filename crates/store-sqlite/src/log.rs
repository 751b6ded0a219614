//! The log that each commit goes to: how long it is, and room in it that has been written before.
//!
//! A commit that makes a file longer waits for two things: its own bytes, and the file system's note of where they lie. Written over
//! what is there already, it waits for its bytes alone, half as long. A log that began anew lies in the room of the one before; after
//! a start there is none, so it is made here, ahead of the commits and when nobody waits.

use crate::checkpoint::{self, Checkpointer};
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use std::cell::Cell;
use std::ffi::c_int;
use std::io::Write;
use std::path::{Path, PathBuf};
use store::StoreError;

/// Made at a time.
const STEP_BYTES: u64 = 1024 * 1024;
/// More is made when less than this is left.
const LEFT_MIN: u64 = STEP_BYTES / 2;
/// The last of a full disk is left to what is more than speed.
const DISK_ROOM_MIN: u64 = 64 * 1024 * 1024;

const LOG_HEADER: u64 = 32;
const PAGE_HEADER: u64 = 24;

thread_local! {
    /// Pages in the log after the last commit of this thread.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

pub(crate) fn pages() -> i32 {
    PAGES.get()
}

/// Called after each commit, which stands whatever is returned: a checkpoint that fails is tried again at the next.
fn note<const MOVE_AT: i32>(log: &Wal, pages: c_int) -> rusqlite::Result<()> {
    PAGES.set(pages);
    if pages >= MOVE_AT {
        // Another thread may be at it; if the disk fails, the next commit tells.
        let _ = log.checkpoint();
    }
    Ok(())
}

/// What the writer's thread does about its log between commits.
pub(crate) struct Log {
    room: Room,
    checkpointer: Option<Checkpointer>,
}

impl Log {
    /// Takes over from SQLite, which would have `writer` move the log into the database. With `beside`, another connection to the
    /// same file, a thread of its own does that; without, the writer itself.
    pub fn of(writer: &Connection, path: &Path, beside: Option<Connection>) -> Result<Log, StoreError> {
        match &beside {
            Some(_) => writer.wal_hook(Some(note::<{ checkpoint::LOG_PAGES_MAX }>)),
            None => writer.wal_hook(Some(note::<{ checkpoint::STEP_PAGES }>)),
        }
        // A busy node's log comes to that length every day.
        let least = beside.as_ref().map_or(0, |_| length_of(checkpoint::STEP_PAGES));
        let checkpointer = beside.map(Checkpointer::start).transpose()?;
        Ok(Log { room: Room::beside(path, least), checkpointer })
    }

    /// To be asked after each commit.
    pub fn look(&mut self) {
        if let Some(checkpointer) = &mut self.checkpointer {
            checkpointer.look(pages());
        }
    }

    /// True when there is something to do that can wait until nobody wants the writer.
    pub fn is_behind(&self) -> bool {
        self.room.is_scarce()
    }

    pub fn catch_up(&mut self) {
        self.room.make();
    }
}

struct Room {
    file: PathBuf,
    /// Length of the file, as far as it is known.
    bytes: u64,
    /// Wanted however short the log is.
    least: u64,
}

/// Bytes of a log of so many pages.
fn length_of(pages: i32) -> u64 {
    LOG_HEADER + u64::try_from(pages).unwrap_or(0) * (PAGE_HEADER + crate::PAGE_BYTES.unsigned_abs())
}

impl Room {
    fn beside(database: &Path, least: u64) -> Room {
        let mut file = database.as_os_str().to_owned();
        file.push("-wal");
        Room { file: file.into(), bytes: 0, least }
    }

    fn wanted(&self) -> u64 {
        self.least.max(length_of(pages()) + LEFT_MIN)
    }

    fn is_scarce(&self) -> bool {
        self.bytes < self.wanted()
    }

    fn make(&mut self) {
        self.bytes = self.extend_to(self.wanted()).unwrap_or_else(|_| {
            // It only makes commits quicker. A step is tried again when that much has been written, and no more is asked for.
            self.least = 0;
            self.wanted() + STEP_BYTES
        });
    }

    /// Puts zeros behind the end of the file, which no reader takes for a page: they have no checksum. As they are appended by the
    /// system they cannot fall on what another process writes meanwhile; it would write over them.
    fn extend_to(&self, wanted: u64) -> std::io::Result<u64> {
        let mut log = std::fs::OpenOptions::new().append(true).open(&self.file)?;
        let bytes = log.metadata()?.len();
        if bytes >= wanted {
            return Ok(bytes);
        }
        if crate::blobs::free_bytes(&self.file)? < DISK_ROOM_MIN {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        log.write_all(&[0; STEP_BYTES as usize])?;
        log.sync_data()?;
        Ok(log.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Folder;

    fn length(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().len()
    }

    /// Room is made in steps and behind what others have written, and a log with room behind it opens like any other.
    #[test]
    fn the_log_lies_in_room_that_was_made_for_it() {
        let folder = Folder::new("room");
        std::fs::create_dir_all(&folder.0).unwrap();
        let (path, log_path) = (folder.0.join("busy.db"), folder.0.join("busy.db-wal"));
        let connect = || crate::connect(&path, None).unwrap();
        let (writer, another, reader) = (connect(), connect(), connect());
        // Its log begins anew when the writer says so, or the third step would never be needed.
        another.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        writer.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB)").unwrap();
        let mut log = Log::of(&writer, &path, Some(connect())).unwrap();
        let (mut rows, mut made) = (0, 0);
        while made < 3 {
            if log.is_behind() {
                let before = length(&log_path);
                log.catch_up();
                assert_eq!(length(&log_path), before + STEP_BYTES);
                made += 1;
            }
            for connection in [&another, &writer] {
                connection.execute("INSERT INTO t(body) VALUES(zeroblob(20000))", []).unwrap();
                rows += 1;
            }
        }
        assert!(length(&log_path) >= length_of(checkpoint::STEP_PAGES));
        let (copied, copied_log) = (folder.0.join("copy.db"), folder.0.join("copy.db-wal"));
        // As a power cut leaves them: nobody has closed anything.
        std::fs::copy(&path, &copied).unwrap();
        std::fs::copy(&log_path, &copied_log).unwrap();
        for look in [reader, crate::connect(&copied, None).unwrap()] {
            let found: i64 = look.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
            assert_eq!(found, rows);
        }
        assert_eq!(crate::quick_check(&copied, None).unwrap(), "ok");
    }

    /// A log that cannot be made longer is left as it is, and not asked about at every commit.
    #[test]
    fn room_that_cannot_be_made_is_done_without() {
        let folder = Folder::new("no-room");
        let mut room = Room::beside(&folder.0.join("nowhere.db"), length_of(checkpoint::STEP_PAGES));
        assert!(room.is_scarce());
        room.make();
        assert!(!room.is_scarce());
        PAGES.set(300);
        assert!(room.is_scarce(), "after a megabyte more it is tried again");
    }
}
