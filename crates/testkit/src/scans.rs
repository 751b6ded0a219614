//! Pictures that look like scans to everything that only looks at their first bytes and their size.

use rand::{Rng, RngCore};

/// A "JPEG" of 20–200 KB of noise: incompressible, as real scans are.
pub fn jpeg(dice: &mut impl RngCore) -> Vec<u8> {
    let size = dice.random_range(20_000..200_000);
    jpeg_of(size, dice)
}

pub fn jpeg_of(size: usize, dice: &mut impl RngCore) -> Vec<u8> {
    let mut bytes = vec![0; size.max(16)];
    dice.fill_bytes(&mut bytes);
    bytes[..4].copy_from_slice(&[0xFF, 0xD8, 0xFF, 0xE0]);
    bytes
}
