//! Memory that a window system's server reads: a file without a name, mapped.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::{io, ptr};

use crate::wsi::window::Picture;

/// A mapping of such a file.
pub struct SharedMemory {
    bytes: *mut u8,
    size: usize,
}

// SAFETY: the mapping is this struct's own, and threads have it one after the other.
unsafe impl Send for SharedMemory {}

impl SharedMemory {
    /// Memory of so many bytes, zeros at first, and its file, which the server is to map.
    ///
    /// # Errors
    /// For no bytes at all, and where the system has no room for another file or mapping.
    pub fn new(size: usize) -> io::Result<(Self, OwnedFd)> {
        let file = file(size)?;
        // SAFETY: a new mapping of a file of this size.
        let bytes = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(ptr::null_mut(), size, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if bytes == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok((Self { bytes: bytes.cast(), size }, file))
    }

    /// Writes a picture's rows from an offset on, one right behind the other, as many bytes as there is room for.
    pub fn write_picture(&mut self, at: usize, picture: &Picture<'_>) {
        let row = picture.extent.width as usize * 4;
        if picture.pitch == row {
            return self.write(at, picture.bytes);
        }
        picture.rows().enumerate().for_each(|(i, texels)| self.write(at.saturating_add(i * row), texels));
    }

    /// Writes bytes from an offset on, as many as there is room for.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        let at = at.min(self.size);
        let size = bytes.len().min(self.size - at);
        // SAFETY: inside of the mapping, of which no reference is ever made.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.bytes.add(at), size) };
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping that was made with it, to which nothing points any more.
        unsafe { libc::munmap(self.bytes.cast(), self.size) };
    }
}

/// A file without a name, of `size` bytes.
fn file(size: usize) -> io::Result<OwnedFd> {
    let failed = |result: i64| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: a string, and a descriptor that nobody else has.
    unsafe {
        let fd = libc::memfd_create(c"hesper-picture".as_ptr(), libc::MFD_CLOEXEC);
        failed(fd.into())?;
        let file = OwnedFd::from_raw_fd(fd);
        let size = libc::off_t::try_from(size).map_err(io::Error::other)?;
        failed(libc::ftruncate(fd, size).into())?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no files in memory")]
    fn what_is_written_is_in_the_file() {
        let (mut memory, file) = SharedMemory::new(6).unwrap();
        memory.write(1, b"abc");
        memory.write(4, b"defgh");
        memory.write(6, b"i");
        memory.write(usize::MAX, b"j");
        let mut seen = [0xff; 9];
        assert_eq!(File::from(file).read_at(&mut seen, 0).unwrap(), 6);
        assert_eq!(&seen[..6], b"\0abcde");
        assert!(SharedMemory::new(0).is_err());
        assert!(SharedMemory::new(usize::MAX).is_err());
    }
}
