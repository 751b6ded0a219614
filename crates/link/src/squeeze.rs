//! Packing of batches: each by itself for a bag, or all as one flow for a stream.

use crate::codec::DICTIONARY;
use std::io::{Error, ErrorKind, Result};
use zstd::stream::raw::{CParameter, DParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

const LEVEL: i32 = 3;
/// How far back a flow remembers what was said, as a power of two: 256 KiB, about a hundred cases, at either end of every link.
const WINDOW_LOG: u32 = 18;

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
        let mut bytes: Vec<u8> = Vec::with_capacity((packed.len() * 4).clamp(1024, limit));
        let mut input = InBuffer::around(packed);
        loop {
            let at = bytes.len();
            self.unpack.run(&mut input, &mut OutBuffer::around_pos(&mut bytes, at))?;
            let has_room = bytes.len() < bytes.capacity();
            if input.pos() == packed.len() && has_room {
                return Ok(bytes);
            }
            if bytes.len() >= limit {
                return Err(too_large());
            }
            bytes.reserve(bytes.len().clamp(1024, limit - bytes.len()));
        }
    }
}

fn too_large() -> Error {
    Error::new(ErrorKind::InvalidData, "unpacks to more than a batch may hold")
}
