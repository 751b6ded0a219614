//! Packing of batches: each by itself for a bag, or all as one flow for a stream.

use crate::codec::DICTIONARY;
use std::io::{Error, ErrorKind, Result};
use zstd::stream::raw::{CParameter, DParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

const LEVEL: i32 = 3;
/// How far back a flow remembers what was said, as a power of two: 128 KiB, about fifty cases, at either end of every link.
const WINDOW_LOG: u32 = 17;
/// Tables in which the packer finds it again, as powers of two of entries of four bytes. A town keeps a dozen flows.
const TABLE_LOG: u32 = 15;

pub(crate) trait Squeeze: Send + Sync {
    fn pack(&mut self, bytes: &[u8]) -> Result<Vec<u8>>;
    /// Never gives more than `limit` bytes: a bomb is stopped before it is memory.
    fn unpack(&mut self, packed: &[u8], limit: usize) -> Result<Vec<u8>>;
}

pub(crate) struct Alone {
    pack: zstd::bulk::Compressor<'static>,
    unpack: zstd::bulk::Decompressor<'static>,
}

impl Alone {
    pub fn new() -> Result<Alone> {
        Ok(Alone {
            pack: zstd::bulk::Compressor::with_dictionary(LEVEL, DICTIONARY)?,
            unpack: zstd::bulk::Decompressor::with_dictionary(DICTIONARY)?,
        })
    }
}

impl Squeeze for Alone {
    fn pack(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.pack.compress(bytes)
    }
    fn unpack(&mut self, packed: &[u8], limit: usize) -> Result<Vec<u8>> {
        let told = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
        let claimed = told.unwrap_or(limit as u64);
        if claimed > limit as u64 {
            return Err(too_large());
        }
        self.unpack.decompress(packed, claimed as usize)
    }
}

/// One zstd frame that never ends. After an error the two ends no longer agree: the stream must be closed.
pub(crate) struct Flowing {
    pack: Encoder<'static>,
    unpack: Decoder<'static>,
}

impl Flowing {
    pub fn new() -> Result<Flowing> {
        let mut pack = Encoder::with_dictionary(LEVEL, DICTIONARY)?;
        pack.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        pack.set_parameter(CParameter::HashLog(TABLE_LOG))?;
        pack.set_parameter(CParameter::ChainLog(TABLE_LOG))?;
        let mut unpack = Decoder::with_dictionary(DICTIONARY)?;
        unpack.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Flowing { pack, unpack })
    }
}

impl Squeeze for Flowing {
    fn pack(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut packed = Vec::with_capacity(zstd::zstd_safe::compress_bound(bytes.len()) + 64);
        let mut input = InBuffer::around(bytes);
        loop {
            let at = packed.len();
            self.pack.run(&mut input, &mut OutBuffer::around_pos(&mut packed, at))?;
            if input.pos() == bytes.len() {
                break;
            }
            packed.reserve(bytes.len() - input.pos() + 64);
        }
        loop {
            let at = packed.len();
            let left = self.pack.flush(&mut OutBuffer::around_pos(&mut packed, at))?;
            if left == 0 {
                return Ok(packed);
            }
            packed.reserve(left + 64);
        }
    }

    fn unpack(&mut self, packed: &[u8], limit: usize) -> Result<Vec<u8>> {
        // Pages of a drain unpack to eight times their size; what has to grow is copied.
        let mut bytes: Vec<u8> = Vec::with_capacity((packed.len() * 10).max(1024).min(limit + 1));
        let mut input = InBuffer::around(packed);
        loop {
            let at = bytes.len();
            self.unpack.run(&mut input, &mut OutBuffer::around_pos(&mut bytes, at))?;
            if bytes.len() > limit {
                return Err(too_large());
            }
            // Room that is left says that nothing more waits inside.
            if input.pos() == packed.len() && bytes.len() < bytes.capacity() {
                return Ok(bytes);
            }
            let more = bytes.len().max(1024).min(limit + 1 - bytes.len());
            bytes.reserve_exact(more);
        }
    }
}

fn too_large() -> Error {
    Error::new(ErrorKind::InvalidData, "unpacks to more than a batch may hold")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_says_nothing_twice_and_loses_nothing() {
        let (mut from, mut to) = (Flowing::new().unwrap(), Flowing::new().unwrap());
        let batch: Vec<u8> =
            (0..5_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let sizes: Vec<usize> = (0..3)
            .map(|_| {
                let packed = from.pack(&batch).unwrap();
                assert_eq!(to.unpack(&packed, batch.len()).unwrap(), batch);
                packed.len()
            })
            .collect();
        assert!(sizes[1] * 10 < sizes[0], "{sizes:?}");
        assert_eq!(to.unpack(&from.pack(b"").unwrap(), 10).unwrap(), b"");
    }

    /// Whatever size a peer chooses: what is within the limit comes out whole, what is not is refused, and nobody panics.
    #[test]
    fn nothing_larger_than_the_limit_is_unpacked_whatever_way_it_was_packed() {
        const LIMIT: usize = 100_000;
        let noise: Vec<u8> =
            (0..40_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let mut sizes =
            vec![0, 1, 1023, 1024, 1025, 50_000, 99_000, LIMIT - 1, LIMIT, LIMIT + 1, 150_000, 160_000];
        sizes.extend((1..40).map(|n| LIMIT / 40 * n));
        for size in sizes {
            // Noise packs to its own size, so the first room is four times too large; zeros are a bomb.
            for mixture in [0, size / 7, size / 2, size] {
                let mut bytes = noise[..mixture].to_vec();
                bytes.resize(size, 0);
                let new = || -> [Box<dyn Squeeze>; 2] {
                    [Box::new(Flowing::new().unwrap()), Box::new(Alone::new().unwrap())]
                };
                for (mut from, mut to) in new().into_iter().zip(new()) {
                    let unpacked = to.unpack(&from.pack(&bytes).unwrap(), LIMIT);
                    match size > LIMIT {
                        true => assert!(unpacked.is_err(), "{size} with {mixture} of noise"),
                        false => assert_eq!(unpacked.unwrap(), bytes),
                    }
                }
            }
        }
        let bomb = Flowing::new().unwrap().pack(&vec![0; 200 << 20]).unwrap();
        assert!(bomb.len() < 100_000);
        assert!(Flowing::new().unwrap().unpack(&bomb, LIMIT).is_err());
    }
}
