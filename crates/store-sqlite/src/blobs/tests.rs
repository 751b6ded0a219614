use super::*;
use domain::seams::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vault::{DataKey, Part};

struct Counting(AtomicU64);
impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(bytes);
    }
}

fn lid(seed: u64) -> Lid {
    let random = Arc::new(Counting(AtomicU64::new(seed << 32)));
    DataKey::fresh(&*random).lid(Part::Attachments, random)
}

struct Scratch(PathBuf);
impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Scratch(std::env::temp_dir().join(format!("tongban-blobs-{}-{number}", std::process::id())))
    }
}
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn name_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[test]
fn a_cut_transfer_resumes_and_a_damaged_one_starts_again() {
    for lid in [None, Some(lid(1))] {
        let folder = Scratch::new();
        let blobs = FileBlobs::open(&folder.0, lid).unwrap();
        let bytes: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let hash = name_of(&bytes);
        blobs.extend(&hash, 0, &bytes[..60_000]).unwrap();
        assert!(!blobs.has(&hash), "I5: not visible before it is whole");
        assert_eq!(blobs.partial(&hash), 60_000);
        assert!(blobs.extend(&hash, 70_000, &bytes[..5]).is_err(), "no gap");
        blobs.extend(&hash, 60_000, &bytes[60_000..]).unwrap();
        assert!(blobs.complete(&hash).unwrap() && blobs.has(&hash));
        assert_eq!(blobs.read(&hash, 99_990, 100).unwrap(), bytes[99_990..]);
        // Two neighbours send the same: neither breaks the other's, and the one that comes second changes nothing.
        let both: Vec<u8> = (0..90_000u32).map(|n| (n / 7) as u8).collect();
        let twice = name_of(&both);
        for (from, to) in [(0, 40_000), (0, 40_000), (40_000, 80_000), (40_000, 90_000), (80_000, 90_000)] {
            blobs.extend(&twice, from as u64, &both[from..to]).unwrap();
        }
        assert!(blobs.complete(&twice).unwrap());
        blobs.extend(&twice, 80_000, &both[80_000..]).unwrap();
        assert!(blobs.complete(&twice).unwrap() && blobs.size(&twice) == Some(90_000));
        assert_eq!(blobs.partial(&twice), 0);
        blobs.extend(&twice.replace('0', "1"), 0, &both).unwrap();
        blobs.restart(&twice.replace('0', "1")).unwrap();
        assert_eq!(blobs.partial(&twice.replace('0', "1")), 0);
        let other = name_of(b"other");
        blobs.extend(&other, 0, b"damaged").unwrap();
        assert!(!blobs.complete(&other).unwrap() && blobs.partial(&other) == 0);
        assert!(blobs.put("../../etc/passwd", b"x").is_err());
    }
}

#[test]
fn a_sealed_scan_tells_nothing_without_the_key_and_no_byte_of_it_can_be_changed() {
    let folder = Scratch::new();
    let blobs = FileBlobs::open(&folder.0, Some(lid(1))).unwrap();
    let scan = b"canary of a scan. ".repeat(10_000);
    let hash = name_of(&scan);
    blobs.put(&hash, &scan).unwrap();
    assert_eq!(blobs.size(&hash), Some(scan.len() as u64));
    for (offset, limit) in
        [(0, 10), (65_530, 12), (65_536, 1), (131_000, 100_000), (179_999, 5), (180_000, 5)]
    {
        let end = (offset + limit).min(scan.len());
        assert_eq!(blobs.read(&hash, offset as u64, limit).unwrap(), scan[offset.min(end)..end], "{offset}");
    }
    let file = folder.0.join("blobs").join(&hash[..2]).join(&hash);
    let stored = fs::read(&file).unwrap();
    assert!(!stored.windows(6).any(|piece| piece == b"canary"), "I34");
    let other = FileBlobs::open(&folder.0, Some(lid(2))).unwrap();
    assert!(matches!(other.read(&hash, 0, 10), Err(StoreError::Broken { .. })), "another key opens nothing");
    for at in (8..stored.len()).step_by(9_973) {
        let mut changed = stored.clone();
        changed[at] ^= 1;
        fs::write(&file, &changed).unwrap();
        assert!(
            Shelf::new(Some(lid(1))).digest(&file, &hash).map_or(true, |found| found.1 != hash),
            "byte {at}"
        );
    }
}

/// I4: what a power cut left of a piece is written again; no attachment is stuck for it.
#[test]
fn a_piece_cut_by_a_crash_counts_for_nothing_and_the_transfer_goes_on() {
    let folder = Scratch::new();
    let blobs = FileBlobs::open(&folder.0, Some(lid(1))).unwrap();
    let scan: Vec<u8> = (0..70_000u32).map(|n| (n / 3) as u8).collect();
    let hash = name_of(&scan);
    let file = folder.0.join("blobs/partial").join(&hash);
    for cut in [1, 3, 5, 30, 2_000, 9_000, 10_040] {
        blobs.extend(&hash, 0, &scan[..60_000]).unwrap();
        blobs.extend(&hash, 60_000, &scan[60_000..]).unwrap();
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() - cut]).unwrap();
        assert_eq!(blobs.partial(&hash), 60_000, "cut by {cut}");
        blobs.extend(&hash, 60_000, &scan[60_000..]).unwrap();
        assert!(blobs.complete(&hash).unwrap(), "cut by {cut}");
        assert_eq!(blobs.read(&hash, 0, scan.len()).unwrap(), scan);
        fs::remove_file(folder.0.join("blobs").join(&hash[..2]).join(&hash)).unwrap();
    }
    // Blocks that were never written: right in length, wrong in what they hold.
    blobs.extend(&hash, 0, &scan).unwrap();
    let mut zeroed = fs::read(&file).unwrap();
    zeroed[30_000..40_000].fill(0);
    fs::write(&file, &zeroed).unwrap();
    assert!(!blobs.complete(&hash).unwrap() && blobs.partial(&hash) == 0, "it starts again");
}
