//! The thin layer between the log and the file system, so that tests can let a disk fill up or a sync fail.
//! Only what a segment does to its file goes through here; folders and small metadata files use `std::fs`.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Opens the log's files.
pub trait Files: Debug + Send + Sync + 'static {
    /// Opens a segment for reading and appending, creating it when it is missing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>>;
    /// Opens a file that is overwritten in place, creating it when it is missing.
    fn open_fixed(&self, path: &Path) -> io::Result<Arc<dyn FixedFile>>;
}

/// A file of fixed size whose blocks are written again and again, so that a write changes no metadata.
pub trait FixedFile: Debug + Send + Sync {
    /// Returns when the bytes are on stable storage. After an error or a crash any part of them may have been written. An
    /// error that says the disk is full is one of writing, after which the call can be repeated, and never one of syncing.
    fn write(&self, bytes: &[u8], position: u64) -> io::Result<()>;
}

/// One open segment file. Calls may come from several threads; appends come from one at a time.
pub trait SegmentFile: Debug + Send + Sync {
    /// Appends all parts in order. After an error an unknown part of them may have been written.
    fn append(&self, parts: &[&[u8]]) -> io::Result<()>;
    /// Fills `buffer` from `position` on; returns less only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Returns when everything appended so far is on stable storage.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file to `bytes`.
    fn truncate(&self, bytes: u64) -> io::Result<()>;
    /// Size in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// The real file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(DiskFile(OpenOptions::new().read(true).append(true).create(true).open(path)?)))
    }

    fn open_fixed(&self, path: &Path) -> io::Result<Arc<dyn FixedFile>> {
        Ok(Arc::new(FixedDiskFile(OpenOptions::new().write(true).create(true).truncate(false).open(path)?)))
    }
}

#[derive(Debug)]
struct FixedDiskFile(File);

impl FixedFile for FixedDiskFile {
    fn write(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, position)?;
        self.0.sync_data().map_err(io::Error::other)
    }
}

#[derive(Debug)]
struct DiskFile(File);

impl SegmentFile for DiskFile {
    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut left = slices.as_mut_slice();
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match (&self.0).write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// Makes created, renamed and removed entries of a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Replaces a small file durably: either the old or the new content survives a crash.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    match path.parent() {
        Some(dir) => sync_dir(dir),
        None => Ok(()),
    }
}

const CHECKSUM: &str = "\ncrc32c ";

/// Replaces a small text file durably, with a checksum in its last line.
pub(crate) fn replace_checked(path: &Path, content: &str) -> io::Result<()> {
    let checksum = crc32c::crc32c(content.as_bytes());
    replace_file(path, format!("{content}{CHECKSUM}{checksum:08x}\n").as_bytes())
}

/// Reads a small text file that [`replace_checked`] wrote. One without a checksum is read as it is: the files of
/// earlier versions have none, and what cuts a checksum off also breaks the text.
pub(crate) fn read_checked(path: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    let Some((content, checksum)) = text.rsplit_once(CHECKSUM) else { return Ok(text) };
    let found = format!("{:08x}", crc32c::crc32c(content.as_bytes()));
    if checksum.trim_end() != found {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the content does not match its checksum; restore the file from a copy"));
    }
    Ok(content.to_string())
}
