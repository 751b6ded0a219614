//! Crash images: what a disk may look like if the power goes at any write, rebuilt from the writes of real work.
//!
//! The databases of a small city lie in files. After every event the write-ahead log of each node is compared with what it was:
//! the frames that changed are the writes, a commit ends with the flush that SQLite makes at `synchronous=FULL`. Between two
//! flushes any part of the writes may have reached the disk, in any order, torn in the middle. Each image is opened as a node
//! opens it after a power cut: whatever was told before must be there, and everything in it must verify (I1, I4).

use super::checks;
use super::node::{Disk, SimNode};
use super::world::{Plan, World};
use futures::executor::block_on;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use replication::{Hash, JournalId};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const PAGE: usize = 8192;
/// A disk writes whole sectors and nothing larger.
const SECTOR: usize = 512;
/// Checkpoints come often, so that their writes are cut too.
const PAGES_BETWEEN_CHECKPOINTS: i64 = 120;

/// What was tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Images {
    /// Writes seen, over all nodes.
    pub writes: usize,
    pub images: usize,
    /// Among them, those in the middle of a checkpoint.
    pub in_checkpoints: usize,
}

/// Both files of one database.
#[derive(Clone, Default)]
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

/// One write to the log: where, and what. `commits`: a flush follows it.
struct Write {
    at: usize,
    bytes: Vec<u8>,
    commits: bool,
}

struct Watched {
    path: PathBuf,
    seen: Option<(u64, SystemTime, u64, SystemTime)>,
    files: Files,
}

/// Plays a day of a small city and tries one image for every `stride` writes.
///
/// # Panics
/// With the invariant that an image broke.
pub fn images(seed: u64, folder: &Path, stride: usize) -> Images {
    let plan = Plan { seed, towns: 1, villages: 2, days: 1, cases: 6 };
    let mut world = World::new(plan);
    let mut watched: Vec<Watched> = world.nodes.iter_mut().map(|node| in_a_file(node, folder)).collect();
    world.open_city();
    world.plan_week();
    let mut dice = StdRng::seed_from_u64(seed ^ 0x1a6e);
    let mut done = Images::default();
    let end = world.start().plus_ms(2 * 86_400_000);
    let mut told = Said::by(&world);
    while world.step_before(end) {
        for (index, watched) in watched.iter_mut().enumerate() {
            if let Some((before, after)) = watched.look() {
                let (world, told) = (&world, &told);
                let mut trial =
                    Trial { world, told, index, folder, dice: &mut dice, done: &mut done, stride };
                trial.between(&before, &after);
            }
        }
        told = Said::by(&world);
    }
    done
}

fn in_a_file(node: &mut SimNode, folder: &Path) -> Watched {
    let path = folder.join(format!("{}.db", node.id()));
    let connection = store_sqlite::connect(&path, None).unwrap();
    connection.pragma_update(None, "wal_autocheckpoint", PAGES_BETWEEN_CHECKPOINTS).unwrap();
    let flushes: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(flushes, 2, "I4: a commit is told before it is flushed");
    // The order of writes is what counts here; the flushes themselves would only take time.
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    node.disk.as_mut().unwrap().connection = connection;
    Watched { path, seen: None, files: Files::default() }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

impl Watched {
    /// The files before and after, when they changed since the last look.
    fn look(&mut self) -> Option<(Files, Files)> {
        let log = beside(&self.path, "-wal");
        let state = |path: &Path| fs::metadata(path).ok().map(|data| (data.len(), data.modified().unwrap()));
        let ((a, b), (c, d)) = (state(&self.path)?, state(&log)?);
        if self.seen == Some((a, b, c, d)) {
            return None;
        }
        let first = self.seen.replace((a, b, c, d)).is_none();
        let files = Files { database: fs::read(&self.path).unwrap(), log: fs::read(&log).unwrap() };
        let before = std::mem::replace(&mut self.files, files.clone());
        (!first).then_some((before, files))
    }
}

/// The writes that made one log of another, in the order SQLite made them.
fn writes(before: &[u8], after: &[u8]) -> Vec<Write> {
    let changed = |at: usize, length: usize| before.get(at..at + length) != after.get(at..at + length);
    let mut writes = Vec::new();
    if changed(0, WAL_HEADER) {
        // SQLite flushes the header of a log that begins anew before it writes over the old frames: under the old header their
        // remains would pass for a state of long ago, laid over the pages of today.
        writes.push(Write { at: 0, bytes: after[..WAL_HEADER].to_vec(), commits: true });
    }
    let mut at = WAL_HEADER;
    while at + FRAME_HEADER + PAGE <= after.len() {
        if changed(at, FRAME_HEADER + PAGE) {
            let (head, page) = after[at..at + FRAME_HEADER + PAGE].split_at(FRAME_HEADER);
            // The size of the database after the commit; zero in every other frame.
            let commits = head[4..8] != [0; 4];
            writes.push(Write { at, bytes: head.to_vec(), commits: false });
            writes.push(Write { at: at + FRAME_HEADER, bytes: page.to_vec(), commits });
        }
        at += FRAME_HEADER + PAGE;
    }
    writes
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// What had been told to people and neighbours before an event.
struct Said {
    cases: usize,
    positions: Vec<BTreeMap<JournalId, (u64, Hash)>>,
}

impl Said {
    fn by(world: &World) -> Said {
        let positions = world.nodes.iter().map(|node| node.told.clone()).collect();
        Said { cases: world.told.len(), positions }
    }
}

struct Trial<'w> {
    world: &'w World,
    told: &'w Said,
    index: usize,
    folder: &'w Path,
    dice: &'w mut StdRng,
    done: &'w mut Images,
    stride: usize,
}

impl Trial<'_> {
    /// Power cuts between one state of the files and the next.
    fn between(&mut self, before: &Files, after: &Files) {
        let began_anew = before.log.get(..WAL_HEADER) != after.log.get(..WAL_HEADER);
        if began_anew && before.database != after.database {
            // Written, carried over and begun anew, all in one event: in what order cannot be told from the outcome.
            return;
        }
        let writes = writes(&before.log, &after.log);
        let mut flushed = before.log.clone();
        let mut waiting: Vec<&Write> = Vec::new();
        for write in &writes {
            self.done.writes += 1;
            waiting.push(write);
            if self.done.writes.is_multiple_of(self.stride) {
                let log = self.cut(&flushed, &waiting);
                self.open(&Files { database: before.database.clone(), log });
            }
            if write.commits {
                waiting.drain(..).for_each(|write| put(&mut flushed, write.at, &write.bytes));
            }
        }
        // A checkpoint carries pages over while the log still has them all.
        if before.database != after.database {
            for _ in 0..4 {
                let database = self.half_carried(&before.database, &after.database);
                self.done.in_checkpoints += 1;
                self.open(&Files { database, log: after.log.clone() });
            }
        }
    }

    /// What is on the disk of writes that were not flushed: all, some, or one torn in the middle.
    fn cut(&mut self, flushed: &[u8], waiting: &[&Write]) -> Vec<u8> {
        let mut log = flushed.to_vec();
        let mut order: Vec<&Write> = waiting.to_vec();
        let torn = match self.dice.random_range(0..3) {
            0 => false,
            1 => true,
            _ => {
                // A disk writes what it was given in the order it likes.
                order.shuffle(self.dice);
                order.truncate(self.dice.random_range(0..=order.len()));
                self.dice.random()
            }
        };
        for (index, write) in order.iter().enumerate() {
            let whole = write.bytes.len();
            let last = index + 1 == order.len();
            let kept = if last && torn { self.dice.random_range(0..=whole / SECTOR) * SECTOR } else { whole };
            put(&mut log, write.at, &write.bytes[..kept.min(whole)]);
        }
        log
    }

    fn half_carried(&mut self, before: &[u8], after: &[u8]) -> Vec<u8> {
        let mut database = before.to_vec();
        for at in (0..after.len()).step_by(SECTOR) {
            let end = (at + SECTOR).min(after.len());
            if before.get(at..end) != Some(&after[at..end]) && self.dice.random() {
                put(&mut database, at, &after[at..end]);
            }
        }
        database
    }

    /// Opens the image as the node would after the power came back.
    fn open(&mut self, files: &Files) {
        self.done.images += 1;
        let path = self.folder.join("image.db");
        let _ = fs::remove_file(beside(&path, "-shm"));
        fs::write(&path, &files.database).unwrap();
        // A node makes room behind its log in advance: zeros, as far as the disk came with them.
        let room = self.dice.random_range(0..=2 * PAGE / SECTOR) * SECTOR;
        let log = [&files.log[..], &vec![0; room]].concat();
        fs::write(beside(&path, "-wal"), log).unwrap();
        let node = &self.world.nodes[self.index];
        let connection = store_sqlite::connect(&path, None).unwrap();
        let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok", "{}: a torn database", node.id());
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        let disk = Disk { connection, blobs: self.world.blobs[self.index].clone() };
        let mut twin = node.twin(disk, self.told.positions[self.index].clone());
        twin.boot(&self.world.clock);
        let told = self.world.told.iter().take(self.told.cases).filter(|told| told.counter == self.index);
        checks::after_boot(&twin, told);
        let alive = twin.alive.as_ref().unwrap();
        let report = block_on(alive.store.verify_log(alive.node.keys.clone())).unwrap();
        assert!(report.faults.is_empty(), "I1, I37: {}: {:?}", node.id(), report.faults);
    }
}
