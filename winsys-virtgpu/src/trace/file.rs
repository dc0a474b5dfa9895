//! The file of a trace, which threads write to by way of mappings: what they have written is in the kernel's hands, and stays when the
//! program aborts or is killed.
//!
//! The file grows by windows. A thread takes one, and fills it line by line from its start; the rest of a window are spaces, which
//! a list in JSON may have anywhere. Windows of threads that have ended go on with the next thread.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use parking_lot::Mutex;

use crate::Mapping;

/// Bytes of a window: a multiple of every page size.
const WINDOW: usize = 64 << 10;

/// A file that grows by windows.
pub struct TraceFile {
    file: File,
    windows: Mutex<Windows>,
}

struct Windows {
    made: u64,
    /// Windows that nobody writes to.
    free: Vec<Window>,
}

/// A part of the file, for one thread to write to.
pub struct Window {
    mapping: Mapping,
    used: usize,
}

impl TraceFile {
    /// Makes a file that begins with `start`.
    ///
    /// # Errors
    /// Those of making and mapping the file.
    pub fn create(path: &Path, start: &[u8]) -> io::Result<Self> {
        // A file that another program still writes to must not get shorter under its mappings: it is replaced instead.
        if path.symlink_metadata().is_ok_and(|m| m.is_file()) {
            std::fs::remove_file(path)?;
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let this = Self { file, windows: Mutex::new(Windows { made: 0, free: Vec::new() }) };
        let mut first = this.window()?;
        first.append(start);
        this.give_back(first);
        Ok(this)
    }

    /// A window, the one with the most room first.
    ///
    /// # Errors
    /// Those of lengthening and mapping the file.
    pub fn window(&self) -> io::Result<Window> {
        let mut windows = self.windows.lock();
        if let Some(window) = windows.free.pop() {
            return Ok(window);
        }
        let at = windows.made * WINDOW as u64;
        // Written rather than left out: a store to a hole in a file on a full disk would kill the program.
        self.file.write_all_at(&[b' '; WINDOW], at)?;
        let mapping = Mapping::new(&self.file, WINDOW as u64, at)?;
        windows.made += 1;
        Ok(Window { mapping, used: 0 })
    }

    /// Takes a window back from a thread that ends.
    pub fn give_back(&self, window: Window) {
        let mut windows = self.windows.lock();
        windows.free.push(window);
        windows.free.sort_unstable_by_key(|w| std::cmp::Reverse(w.used));
    }
}

impl Window {
    /// Appends a line; whether it fits.
    pub fn append(&mut self, line: &[u8]) -> bool {
        let fits = self.mapping.write(self.used, line);
        if fits {
            self.used += line.len();
        }
        fits
    }
}
