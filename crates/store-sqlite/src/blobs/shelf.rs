//! How the bytes of one attachment lie in its file: as they are, or sealed piece by piece (I34).
//!
//! A sealed file is [`MAGIC`] and then pieces: the length of what is sealed (four bytes, big end first), then that. Every piece is
//! bound to the attachment's name and to its place, so none can be changed, swapped or carried to another file. A piece that a
//! power cut left unfinished at the end counts for nothing and is written again.

use blake3::Hasher;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use vault::Lid;

const MAGIC: &[u8; 4] = b"TBS1";
/// Bytes sealed as one: to read a little of a large scan, this much is opened.
const PIECE_BYTES: usize = 64 * 1024;
const LENGTH_BYTES: u64 = 4;

/// Reads and writes files, sealed where there is a lid.
#[derive(Clone, Default)]
pub struct Shelf(Option<Lid>);

/// Where a piece lies in its file, and how long it is when sealed.
struct Piece {
    at: u64,
    sealed: usize,
}

impl Piece {
    fn plain(&self) -> u64 {
        (self.sealed - Lid::MORE) as u64
    }
    fn end(&self) -> u64 {
        self.at + self.sealed as u64
    }
}

fn damaged() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the attachment was damaged, or sealed with another key")
}

fn piece_name(hash: &str, index: usize) -> Vec<u8> {
    [hash.as_bytes(), &(index as u64).to_be_bytes()].concat()
}

/// The whole pieces of a sealed file, by their lengths alone.
fn pieces(file: &mut File) -> io::Result<Vec<Piece>> {
    let (mut found, size) = (Vec::new(), file.metadata()?.len());
    let mut file = BufReader::with_capacity(16, file);
    let mut magic = [0; MAGIC.len()];
    if file.read_exact(&mut magic).is_err() || magic != *MAGIC {
        return Ok(found);
    }
    let mut at = MAGIC.len() as u64;
    let mut length = [0; LENGTH_BYTES as usize];
    while file.read_exact(&mut length).is_ok() {
        let sealed = u32::from_be_bytes(length) as usize;
        let piece = Piece { at: at + LENGTH_BYTES, sealed };
        if !(Lid::MORE + 1..=Lid::MORE + PIECE_BYTES).contains(&sealed) || piece.end() > size {
            break;
        }
        at = piece.end();
        file.seek_relative(sealed as i64)?;
        found.push(piece);
    }
    Ok(found)
}

impl Shelf {
    pub fn new(lid: Option<Lid>) -> Shelf {
        Shelf(lid)
    }

    /// How many bytes of the attachment the file holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn measure(&self, path: &Path) -> io::Result<u64> {
        match &self.0 {
            None => Ok(std::fs::metadata(path)?.len()),
            Some(_) => Ok(pieces(&mut File::open(path)?)?.iter().map(Piece::plain).sum()),
        }
    }

    /// Adds bytes behind those that are there.
    ///
    /// # Errors
    /// When the disk fails; what was written of them counts for nothing.
    pub fn append(&self, path: &Path, hash: &str, bytes: &[u8]) -> io::Result<()> {
        let Some(lid) = &self.0 else {
            return OpenOptions::new().create(true).append(true).open(path)?.write_all(bytes);
        };
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let before = pieces(&mut file)?;
        let end = before.last().map_or(0, Piece::end);
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        let mut sealed = if end == 0 { MAGIC.to_vec() } else { Vec::new() };
        for (index, plain) in bytes.chunks(PIECE_BYTES).enumerate() {
            let piece = lid.seal(&piece_name(hash, before.len() + index), plain);
            sealed.extend_from_slice(&(piece.len() as u32).to_be_bytes());
            sealed.extend_from_slice(&piece);
        }
        file.write_all(&sealed)
    }

    /// At most `limit` bytes from `offset` on.
    ///
    /// # Errors
    /// When the disk fails, or a piece does not open.
    pub fn read(&self, path: &Path, hash: &str, offset: u64, limit: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let mut bytes = Vec::with_capacity(limit.min(1 << 20));
        let Some(lid) = &self.0 else {
            file.seek(SeekFrom::Start(offset))?;
            file.take(limit as u64).read_to_end(&mut bytes)?;
            return Ok(bytes);
        };
        let mut before = 0;
        for (index, piece) in pieces(&mut file)?.iter().enumerate() {
            let from = offset.saturating_sub(before).min(piece.plain()) as usize;
            before += piece.plain();
            if before <= offset {
                continue;
            }
            if bytes.len() >= limit {
                break;
            }
            let mut sealed = vec![0; piece.sealed];
            file.seek(SeekFrom::Start(piece.at))?;
            file.read_exact(&mut sealed)?;
            let plain = lid.open(&piece_name(hash, index), &sealed).ok_or_else(damaged)?;
            let wanted = (plain.len() - from).min(limit - bytes.len());
            bytes.extend_from_slice(&plain[from..from + wanted]);
        }
        Ok(bytes)
    }

    /// Size and BLAKE3 in hexadecimal of an attachment that should be the one called `hash`, a piece at a time.
    ///
    /// # Errors
    /// When the disk fails, or a piece does not open.
    pub fn digest(&self, path: &Path, hash: &str) -> io::Result<(u64, String)> {
        let (mut hasher, mut size) = (Hasher::new(), 0);
        loop {
            let piece = self.read(path, hash, size, PIECE_BYTES)?;
            if piece.is_empty() {
                return Ok((size, hasher.finalize().to_hex().to_string()));
            }
            hasher.update(&piece);
            size += piece.len() as u64;
        }
    }
}
