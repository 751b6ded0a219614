//! One serving process for each data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Held for the life of the process; the operating system gives it back even after a crash.
#[derive(Debug)]
pub struct DataLock(#[allow(dead_code)] File);

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another process (pid {pid}) already serves {folder}: stop it first, or use its web address")]
    Taken { folder: String, pid: String },
    #[error("lock the data folder {folder}")]
    Io { folder: String, source: std::io::Error },
}

impl DataLock {
    /// # Errors
    /// [`LockError::Taken`] names the process that has it.
    pub fn take(data: &Path) -> Result<DataLock, LockError> {
        let folder = data.display().to_string();
        let io = |source| LockError::Io { folder: folder.clone(), source };
        std::fs::create_dir_all(data).map_err(io)?;
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(data.join("lock"))
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Only for the message; an unreadable number changes nothing.
                let _ = file.read_to_string(&mut pid);
                return Err(LockError::Taken { folder: folder.clone(), pid: pid.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            write!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(io)?;
        Ok(DataLock(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_on_the_same_data_is_told_who_was_first() {
        let folder = std::env::temp_dir().join(format!("tongban-lock-{}", std::process::id()));
        let first = DataLock::take(&folder).unwrap();
        let refused = DataLock::take(&folder).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        DataLock::take(&folder).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
