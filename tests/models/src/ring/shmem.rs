//! Shared memory of the model: words that the checker knows, and commands of which it finds out whether they are read in time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex as Plain;

use loom::cell::UnsafeCell;

use crate::Error;
use crate::shared::AtomicU32;

/// Bytes between two words.
const LINE: usize = 64;
/// The first three lines hold the words of the ring.
const WORDS: usize = 3;

/// One context at the host.
pub trait Winsys: Send + Sync {
    fn create_shmem(&self, size: u64) -> Result<Shmem, Error>;
    fn submit(&self, commands: &[u8]) -> Result<(), Error>;
    fn check(&self) -> Result<(), Error>;
}

pub struct Mapping {
    words: Vec<AtomicU32>,
    /// What was written, by its place: one piece for each command.
    pieces: Plain<BTreeMap<usize, UnsafeCell<Vec<u8>>>>,
}

// SAFETY: loom runs one thread at a time, and finds out whether two of them touch a piece unordered.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

#[derive(Clone)]
pub struct Shmem(Arc<Mapping>);

impl Shmem {
    pub fn new(size: usize) -> Self {
        let words: Vec<_> = (0..size.div_ceil(LINE)).map(|_| AtomicU32::new(0)).collect();
        // Made by the thread that makes the memory.
        words.iter().take(WORDS).for_each(|w| w.store(0, std::sync::atomic::Ordering::Release));
        Self(Arc::new(Mapping { words, pieces: Plain::default() }))
    }

    pub fn id(&self) -> u32 {
        1
    }

    pub fn mapping(&self) -> &Mapping {
        &self.0
    }
}

impl Mapping {
    pub fn word(&self, at: usize) -> Option<&AtomicU32> {
        self.words.get(at / LINE).filter(|_| at.is_multiple_of(LINE))
    }

    fn piece<R>(&self, at: usize, f: impl FnOnce(&UnsafeCell<Vec<u8>>) -> R) -> R {
        f(self.pieces.lock().unwrap().entry(at).or_insert_with(|| UnsafeCell::new(Vec::new())))
    }

    pub fn write(&self, at: usize, bytes: &[u8]) -> bool {
        // SAFETY: the checker finds out whether a thread reads meanwhile.
        self.piece(at, |piece| piece.with_mut(|p| unsafe { *p = bytes.to_vec() }));
        true
    }

    /// The command at `at`.
    pub fn command(&self, at: usize) -> Vec<u8> {
        // SAFETY: as above.
        self.piece(at, |piece| piece.with(|p| unsafe { (*p).clone() }))
    }

    pub fn len(&self) -> usize {
        self.words.len() * LINE
    }

    pub fn base(&self) -> *mut u8 {
        std::ptr::without_provenance_mut(LINE)
    }

    /// Replies and chunks, which no model has.
    pub fn at(&self, _: usize, _: usize) -> Option<*mut u8> {
        None
    }

    /// Pages are there.
    pub fn populate(&self, _: usize, _: usize) {}

    pub fn read(&self, _: usize, _: &mut [u8]) -> bool {
        false
    }
}
