//! Pictures that look like scans: a real page to whoever opens them, as large and as incompressible as real scans are, and no two alike.

use rand::{Rng, RngCore};

/// One page, 420 by 594: "演示材料".
const PAGE: &[u8] = include_bytes!("scan.jpg");
/// Start of image and the header with its length, in front of which nothing may stand.
const HEADER: usize = 20;
/// What one comment (COM) holds.
const COMMENT_MAX: usize = 0xFFFF - 2;

/// A JPEG of 20–200 KB.
pub fn jpeg(dice: &mut impl RngCore) -> Vec<u8> {
    let size = dice.random_range(20_000..200_000);
    jpeg_of(size, dice)
}

/// Of just this many bytes. One too small for a page is told from other files by its first bytes alone.
pub fn jpeg_of(size: usize, dice: &mut impl RngCore) -> Vec<u8> {
    let mut noise = vec![0; size.max(16)];
    dice.fill_bytes(&mut noise);
    let Some(mut left) = size.checked_sub(PAGE.len() + 4) else {
        noise[..4].copy_from_slice(&[0xFF, 0xD8, 0xFF, 0xE0]);
        return noise;
    };
    let (mut bytes, mut noise) = (PAGE[..HEADER].to_vec(), noise.as_slice());
    loop {
        let taken = left.min(COMMENT_MAX);
        let (comment, rest) = noise.split_at(taken);
        bytes.extend([0xFF, 0xFE]);
        bytes.extend((taken as u16 + 2).to_be_bytes());
        bytes.extend(comment);
        (left, noise) = (left - taken, rest);
        match left.checked_sub(4) {
            Some(after) if left > 0 => left = after,
            _ => break,
        }
    }
    bytes.extend(&PAGE[HEADER..]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn a_scan_is_a_page_with_so_much_said_beside_it() {
        let mut dice = StdRng::seed_from_u64(1);
        for size in [20_000, 65_000, 73_854, 199_999] {
            let scan = jpeg_of(size, &mut dice);
            assert!(scan.len().abs_diff(size) <= 4, "{} for {size}", scan.len());
            assert!(scan.starts_with(&[0xFF, 0xD8, 0xFF]) && scan.ends_with(&PAGE[HEADER..]));
        }
        assert_eq!(jpeg_of(200, &mut dice).len(), 200);
        assert_ne!(jpeg(&mut dice), jpeg(&mut dice));
    }
}
