//! Floors: what the machine can do at best with the same bytes, taken in the same run.

use bytes::Bytes;
use rusqlite::Connection;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

struct Scratch(PathBuf);
impl Scratch {
    fn new() -> Scratch {
        let path = std::env::temp_dir().join(format!("tongban-floor-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One run of a floor differs from the next by a third on a machine that is shared.
pub fn median_of_three(floor: impl Fn() -> f64) -> f64 {
    let mut runs = [floor(), floor(), floor()];
    runs.sort_by(f64::total_cmp);
    runs[1]
}

/// Microseconds for 4 KiB appended and synchronised.
pub fn fsync_us() -> f64 {
    let scratch = Scratch::new();
    let mut file = std::fs::File::create(scratch.0.join("f")).unwrap();
    let started = Instant::now();
    for _ in 0..200 {
        file.write_all(&[0; 4096]).unwrap();
        file.sync_data().unwrap();
    }
    (started.elapsed().as_secs_f64() * 1e6 / 200.0 * 10.0).round() / 10.0
}

fn open(scratch: &Scratch) -> Connection {
    let connection = Connection::open(scratch.0.join("floor.db")).unwrap();
    connection
        .execute_batch("PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        .unwrap();
    connection
}

/// Inserts a second into one table, `batch` a commit.
pub fn sqlite(records: &[Vec<u8>], batch: usize) -> f64 {
    let scratch = Scratch::new();
    let connection = open(&scratch);
    connection.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB)").unwrap();
    let started = Instant::now();
    for chunk in records.chunks(batch) {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for body in chunk {
            connection.prepare_cached("INSERT INTO t(body) VALUES(?1)").unwrap().execute([body]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    records.len() as f64 / started.elapsed().as_secs_f64()
}

/// Inserts a second with an index and a second row, 100 a commit.
pub fn sqlite_two_rows(records: &[Vec<u8>]) -> f64 {
    let scratch = Scratch::new();
    let connection = open(&scratch);
    connection.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, key TEXT, body BLOB); CREATE INDEX i ON t(key); CREATE TABLE a(id INTEGER PRIMARY KEY, what TEXT)").unwrap();
    let started = Instant::now();
    for (number, chunk) in records.chunks(100).enumerate() {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (index, body) in chunk.iter().enumerate() {
            let key = format!("{:08x}", (number * 100 + index).wrapping_mul(2_654_435_761));
            connection
                .prepare_cached("INSERT INTO t(key, body) VALUES(?1, ?2)")
                .unwrap()
                .execute((&key, body))
                .unwrap();
            connection.prepare_cached("INSERT INTO a(what) VALUES(?1)").unwrap().execute([&key]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    records.len() as f64 / started.elapsed().as_secs_f64()
}

/// Bytes of all records, compressed in batches.
pub fn zstd_batches(records: &[Vec<u8>], batch: usize) -> usize {
    records.chunks(batch).map(|chunk| zstd::bulk::compress(&chunk.concat(), 3).unwrap().len()).sum()
}

/// Mean bytes of one record, compressed alone with the links' dictionary.
pub fn zstd_with_dictionary(records: &[Vec<u8>]) -> usize {
    let mut packer = zstd::bulk::Compressor::with_dictionary(3, link::codec::DICTIONARY).unwrap();
    records.iter().map(|record| packer.compress(record).unwrap().len()).sum::<usize>() / records.len()
}

/// Megabytes a second when each file is written, synchronised and renamed twice, as two hops must.
pub fn files(blobs: &[Bytes]) -> f64 {
    let scratch = Scratch::new();
    let total: usize = blobs.iter().map(Bytes::len).sum();
    let started = Instant::now();
    for hop in 0..2 {
        for (index, blob) in blobs.iter().enumerate() {
            let path = scratch.0.join(format!("{hop}-{index}"));
            let mut file = std::fs::File::create(path.with_extension("new")).unwrap();
            file.write_all(blob).unwrap();
            file.sync_all().unwrap();
            std::fs::rename(path.with_extension("new"), &path).unwrap();
            std::fs::File::open(&scratch.0).unwrap().sync_all().unwrap();
        }
    }
    total as f64 / 1e6 / started.elapsed().as_secs_f64()
}
