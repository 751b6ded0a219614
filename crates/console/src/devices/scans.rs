//! The folder a scanner writes into (扫描文件夹): what lies there can be taken into a draft, and is gone from there then.

use domain::Timestamp;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use store::blobs::BLOB_BYTES_MAX;

/// The newest that are offered: nobody looks for a scan of last week here.
const SHOWN_MAX: usize = 20;
/// Files that are looked at: a folder somebody else fills as well must not stop the counter.
const LOOKED_MAX: usize = 2_000;

/// A whole scan in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Tells it from another one that is written under the same name.
    pub mark: String,
    pub name: String,
    pub bytes: u64,
    pub at: Timestamp,
    pub mime: &'static str,
}

/// What lies in the folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lying {
    /// The newest whole scans, the newest first.
    pub scans: Vec<Scan>,
    /// Files that are larger than one paper may be.
    pub too_large: usize,
}

/// What is still being written, or is no scan, is passed over.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn list(folder: &Path) -> io::Result<Lying> {
    let (mut found, mut too_large) = (Vec::new(), 0);
    for entry in fs::read_dir(folder)?.take(LOOKED_MAX) {
        let entry = entry?;
        // Of the entry itself: a link leads out of the folder.
        let Ok(about) = entry.metadata() else { continue };
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if !about.is_file() || about.file_type().is_symlink() {
            continue;
        }
        if about.len() > BLOB_BYTES_MAX {
            too_large += 1;
            continue;
        }
        let at = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let at = Timestamp::from_ms(at.map_or(0, |at| at.as_millis() as i64));
        found.push((at, name, about.len()));
    }
    found.sort_by(|a, b| b.cmp(a));
    let whole = |(at, name, bytes): (Timestamp, String, u64)| {
        let mime = whole_scan(&folder.join(&name), bytes)?;
        let mark = format!("{}-{bytes}", at.as_ms());
        Some(Scan { mark, name, bytes, at, mime })
    };
    Ok(Lying { scans: found.into_iter().filter_map(whole).take(SHOWN_MAX).collect(), too_large })
}

/// The media type of a file that begins and ends as a scan does.
fn whole_scan(path: &Path, bytes: u64) -> Option<&'static str> {
    let mut file = File::open(path).ok()?;
    let mut head = [0; 8];
    file.read_exact(&mut head).ok()?;
    let mime = casework::sniff(&head)?;
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(bytes.saturating_sub(1024))).ok()?;
    file.read_to_end(&mut tail).ok()?;
    let ends_with = |mark: &[u8]| tail.windows(mark.len()).any(|window| window == mark);
    let whole = match mime {
        // Some programs pad behind it; before the end of a picture the mark does not occur.
        "image/jpeg" => ends_with(&[0xFF, 0xD9]),
        "image/png" => ends_with(b"IEND"),
        _ => ends_with(b"%%EOF"),
    };
    whole.then_some(mime)
}

/// The path of a scan that [`list`] offers; nothing else in or out of the folder can be named. With a mark, no other one that
/// was written under its name since.
fn path_of(folder: &Path, name: &str, mark: Option<&str>) -> io::Result<PathBuf> {
    let is_it = |scan: &Scan| scan.name == name && mark.is_none_or(|mark| scan.mark == mark);
    let known = list(folder)?.scans.iter().any(is_it);
    let gone = || io::Error::new(io::ErrorKind::NotFound, "it is not in the folder any more");
    known.then(|| folder.join(name)).ok_or_else(gone)
}

/// # Errors
/// When it is not there any more, or not whole.
pub(crate) fn read(folder: &Path, name: &str, mark: Option<&str>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path_of(folder, name, mark)?)?.take(BLOB_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// It lies encrypted in the draft now; here it would lie open. Another one that has taken its name stays.
///
/// # Errors
/// When it cannot be deleted; the officer is told, so that they do it.
pub(crate) fn remove(folder: &Path, name: &str, mark: &str) -> io::Result<()> {
    fs::remove_file(path_of(folder, name, Some(mark))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Here(PathBuf);
    impl Here {
        fn new(name: &str) -> Here {
            let path = std::env::temp_dir().join(format!("tongban-scans-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Here(path)
        }
    }
    impl Drop for Here {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn only_whole_scans_of_the_folder_itself_are_offered() {
        let here = Here::new("offered");
        let jpeg = [&[0xFF, 0xD8, 0xFF, 0xE0][..], &[7; 100], &[0xFF, 0xD9]].concat();
        fs::write(here.0.join("whole.jpg"), &jpeg).unwrap();
        fs::write(here.0.join("half.jpg"), &jpeg[..60]).unwrap();
        fs::write(here.0.join("letter.docx"), b"PK no scan at all").unwrap();
        fs::write(here.0.join("paper.pdf"), b"%PDF-1.4 something %%EOF\n").unwrap();
        fs::create_dir(here.0.join("older")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", here.0.join("link.jpg")).unwrap();
        let mut names: Vec<String> = list(&here.0).unwrap().scans.into_iter().map(|scan| scan.name).collect();
        names.sort();
        assert_eq!(names, ["paper.pdf", "whole.jpg"]);
        for elsewhere in ["../whole.jpg", "half.jpg", "/etc/hostname", "older", "link.jpg", ""] {
            assert!(
                read(&here.0, elsewhere, None).is_err() && remove(&here.0, elsewhere, "").is_err(),
                "{elsewhere}"
            );
        }
        let mark = |name: &str| {
            list(&here.0).unwrap().scans.into_iter().find(|scan| scan.name == name).unwrap().mark
        };
        let shown = mark("whole.jpg");
        assert_eq!(read(&here.0, "whole.jpg", Some(&shown)).unwrap(), jpeg);
        // The scanner takes the same name again: that is another paper, and nobody's to take or to delete.
        let other = [&jpeg[..50], &jpeg[..]].concat();
        fs::write(here.0.join("whole.jpg"), &other).unwrap();
        assert!(read(&here.0, "whole.jpg", Some(&shown)).is_err());
        assert!(remove(&here.0, "whole.jpg", &shown).is_err() && here.0.join("whole.jpg").exists());
        remove(&here.0, "whole.jpg", &mark("whole.jpg")).unwrap();
        assert!(read(&here.0, "whole.jpg", None).is_err());
        let large = File::create(here.0.join("book.pdf")).unwrap();
        large.set_len(BLOB_BYTES_MAX + 1).unwrap();
        assert_eq!(list(&here.0).unwrap().too_large, 1, "told, not passed over in silence");
        assert!(list(&here.0.join("missing")).is_err());
    }
}
