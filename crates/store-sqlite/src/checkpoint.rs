//! Moves the log into the database beside the writer of a busy node. A checkpoint waits for the disk for tens of milliseconds, and
//! whoever saves something waits for the writer.
//!
//! While more is written all the time the log cannot begin anew, so it grows; at [`LOG_PAGES_MAX`] the writer itself moves the
//! little that is left, and it can.

use crate::error::Broken;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use store::StoreError;

/// Pages of log, 32 MB, that are moved at a time: pages that are written again and again are moved once. The logs of tests are
/// short.
pub(crate) const STEP_PAGES: i32 = if cfg!(test) { 100 } else { 4_000 };
/// At 96 MB of log the writer waits.
pub(crate) const LOG_PAGES_MAX: i32 = 3 * STEP_PAGES;

pub(crate) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Pages in the log when it was looked at last.
    pages: i32,
    /// Pages of the present log that are in the database.
    moved: Arc<AtomicI32>,
}

impl Checkpointer {
    /// `beside` is another connection to the writer's file.
    pub fn start(beside: Connection) -> Result<Checkpointer, StoreError> {
        beside.pragma_update(None, "cache_size", -64).broken("bound the page cache")?;
        let (wake, woken) = sync_channel(1);
        let moved = Arc::new(AtomicI32::new(0));
        let thread = std::thread::Builder::new()
            .name("db-checkpoint".to_owned())
            .spawn({
                let moved = moved.clone();
                move || run(&beside, &woken, &moved)
            })
            .map_err(|e| StoreError::Broken { what: "start the checkpoints", detail: e.to_string() })?;
        Ok(Checkpointer { wake: Some(wake), thread: Some(thread), pages: 0, moved })
    }

    /// To be asked by the writer's thread after each commit.
    pub fn look(&mut self, pages: i32) {
        // A log that has become shorter has begun anew.
        if std::mem::replace(&mut self.pages, pages) > pages {
            self.moved.store(0, Ordering::Relaxed);
        }
        let left = pages - self.moved.load(Ordering::Relaxed);
        if left >= STEP_PAGES
            && let Some(wake) = &self.wake
        {
            // Full means that it is awake already.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn run(sql: &Connection, woken: &Receiver<()>, moved: &AtomicI32) {
    let mut fails = false;
    loop {
        // Once more at the end: whoever opens the file next reads what is left in the log.
        let ends = woken.recv().is_err();
        match sql.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i32>(2)) {
            Ok(pages) => {
                fails = false;
                moved.store(pages.max(0), Ordering::Relaxed);
            }
            Err(error) if !fails => {
                fails = true;
                tracing::warn!(%error, "the log cannot be moved into the database; it grows until it can");
            }
            Err(_) => {}
        }
        if ends {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the order of writer and checkpoint: what was committed is there, and the log begins anew before it is endless.
    #[test]
    fn the_log_is_moved_while_it_is_written_and_stays_bounded() {
        let folder = crate::tests::Folder::new("checkpoint");
        std::fs::create_dir_all(&folder.0).unwrap();
        let path = folder.0.join("busy.db");
        let writer = crate::connect(&path, None).unwrap();
        writer.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB)").unwrap();
        let beside = crate::connect(&path, None).unwrap();
        let mut log = crate::log::Log::of(&writer, &path, Some(beside)).unwrap();
        let (mut longest, mut began_anew, mut before) = (0, 0, 0);
        for _ in 0..400 {
            writer.execute_batch("BEGIN IMMEDIATE").unwrap();
            for _ in 0..10 {
                writer.execute("INSERT INTO t(body) VALUES(zeroblob(8000))", []).unwrap();
            }
            writer.execute_batch("COMMIT").unwrap();
            log.look();
            let pages = crate::log::pages();
            longest = longest.max(pages);
            began_anew += i32::from(pages < before);
            before = pages;
        }
        assert!(
            longest < 2 * LOG_PAGES_MAX && began_anew > 0,
            "{longest} pages of log, begun {began_anew} times"
        );
        drop(log);
        drop(writer);
        assert_eq!(crate::quick_check(&path, None).unwrap(), "ok");
        let again = crate::connect(&path, None).unwrap();
        let rows: i64 = again.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 4_000);
    }
}
