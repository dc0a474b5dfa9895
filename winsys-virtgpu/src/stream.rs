//! Shared memory for commands that don't lie in a ring.

use std::collections::VecDeque;
use std::sync::Arc;

use hesper_encoder::Window;
use hesper_encoder::fetch::fetch_for_writing;

use crate::seqno::{Progress, Seqno};
use crate::shared::Mutex;
use crate::{Error, Shmem, Winsys};

/// Bytes of an ordinary chunk.
const CHUNK: usize = 64 << 10;
/// Chunks cut from one piece of shared memory: making one costs a call to the host.
const CHUNKS_AT_ONCE: usize = 16;
/// A piece of shared memory that one writer fills with commands.
pub struct Chunk {
    shmem: Arc<Shmem>,
    offset: usize,
    len: usize,
}

impl Chunk {
    /// The resource to name in commands.
    pub fn resource(&self) -> u32 {
        self.shmem.id()
    }

    /// Bytes from the resource's start.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory from byte `from` on, for a writer.
    #[inline]
    pub fn window(&mut self, from: usize) -> Option<Window> {
        let len = self.len.checked_sub(from)?;
        let base = self.shmem.mapping().at(self.offset.checked_add(from)?, len)?;
        // SAFETY: `at` has found the bytes inside the mapping, which the chunk keeps; the pool hands a chunk out once, and cuts
        // chunks that don't overlap, so whoever holds this one is the only writer.
        Some(unsafe { Window::new(base, len) })
    }

    /// Shows `len` bytes at `from` that this side has written.
    pub fn with_bytes<R>(&self, from: usize, len: usize, f: impl FnOnce(&[u8]) -> R) -> R {
        let inside = from.checked_add(len).is_some_and(|end| end <= self.len);
        let at = self.offset.checked_add(from).filter(|_| inside);
        let Some(p) = at.and_then(|at| self.shmem.mapping().at(at, len)) else { return f(&[]) };
        // SAFETY: `at` has found the bytes inside the mapping, which the chunk keeps. The borrow of the chunk keeps its writer from
        // writing meanwhile, and the host reads what is in a chunk.
        f(unsafe { std::slice::from_raw_parts(p, len) })
    }

    /// Has the kernel find its pages now, and not each when it is written first.
    pub fn populate(&self) {
        self.shmem.mapping().populate(self.offset, self.len);
    }

    /// Fetches memory that is written next into this processor's cache: `len` bytes from `from` on, as far as it goes.
    #[inline]
    pub fn fetch_ahead(&self, from: usize, len: usize) {
        const LINES: usize = 4;
        let base = self.shmem.mapping().base().wrapping_add(self.offset);
        for at in (from..self.len.min(from.saturating_add(len))).step_by(64 * LINES) {
            fetch_for_writing::<LINES>(base.wrapping_add(at));
        }
    }

    /// Copies `bytes` to its start; whether they fit.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        bytes.len() <= self.len && self.shmem.mapping().write(self.offset, bytes)
    }
}

#[derive(Default)]
struct Free {
    ready: Vec<Chunk>,
    /// Chunks that a ring may still read, by the ring's number.
    used: Vec<(u64, Used)>,
}

/// Chunks that one ring may still read, oldest first, each with the position that ends it.
type Used = VecDeque<(Seqno, Chunk)>;

impl Free {
    fn put(&mut self, chunk: Chunk) {
        // Larger ones are given back: they were made for one command.
        if chunk.len == CHUNK {
            self.ready.push(chunk);
        }
    }

    fn used(&mut self, ring: u64) -> Option<&mut Used> {
        self.used.iter_mut().find(|(r, _)| *r == ring).map(|(_, used)| used)
    }
}

/// Chunks, recycled.
pub struct StreamPool {
    winsys: Arc<dyn Winsys>,
    free: Mutex<Free>,
}

impl StreamPool {
    /// An empty pool.
    pub fn new(winsys: Arc<dyn Winsys>) -> Self {
        Self { winsys, free: Mutex::new(Free::default()) }
    }

    /// A chunk of at least `size` bytes.
    ///
    /// # Errors
    /// What the host or the kernel refuse.
    pub fn take(&self, size: usize) -> Result<Chunk, Error> {
        if size > CHUNK {
            let len = size.next_multiple_of(4096);
            let shmem = Arc::new(self.winsys.create_shmem(len as u64)?);
            return Ok(Chunk { shmem, offset: 0, len });
        }
        if let Some(c) = self.free.lock().ready.pop() {
            return Ok(c);
        }
        let shmem = Arc::new(self.winsys.create_shmem((CHUNK * CHUNKS_AT_ONCE) as u64)?);
        let mut cut = (0..CHUNKS_AT_ONCE).map(|i| Chunk { shmem: shmem.clone(), offset: i * CHUNK, len: CHUNK });
        let first = cut.next().ok_or(Error::OutOfHostMemory)?;
        self.free.lock().ready.extend(cut);
        Ok(first)
    }

    /// Takes a chunk back that the host reads until `seqno` of `ring`, or that it never saw.
    pub fn recycle(&self, chunk: Chunk, seqno: Option<Seqno>, ring: &impl Progress) {
        let mut free = self.free.lock();
        while let Some((_, read)) = free.used(ring.ring()).and_then(|u| u.pop_front_if(|(s, _)| ring.reached(*s))) {
            free.put(read);
        }
        let Some(seqno) = seqno.filter(|s| !ring.reached(*s)) else { return free.put(chunk) };
        match free.used(ring.ring()) {
            Some(used) => used.push_back((seqno, chunk)),
            None => free.used.push((ring.ring(), Used::from([(seqno, chunk)]))),
        }
    }

    /// Forgets what a ring might still have read, because the host has been told to end the ring.
    pub(crate) fn forget(&self, ring: u64) {
        self.free.lock().used.retain(|(r, _)| *r != ring);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A ring that has come as far as the test says.
    struct Ring(u64, Cell<u64>);

    impl Progress for Ring {
        fn ring(&self) -> u64 {
            self.0
        }

        fn reached(&self, seqno: Seqno) -> bool {
            seqno.position() <= self.1.get()
        }
    }

    /// A chunk that takes up nothing but its own name.
    fn chunk(shmem: &Arc<Shmem>, offset: usize) -> Chunk {
        Chunk { shmem: shmem.clone(), offset, len: CHUNK }
    }

    fn ready(pool: &StreamPool) -> Vec<usize> {
        let mut ready: Vec<usize> = pool.free.lock().ready.iter().map(|c| c.offset).collect();
        ready.sort_unstable();
        ready
    }

    #[test]
    fn a_chunk_is_used_again_when_its_own_ring_has_read_it() {
        let host = crate::testing::Host::new();
        let pool = StreamPool::new(host.clone());
        let shmem = Arc::new(host.create_shmem(64).unwrap());
        let (main, side) = (Ring(1, Cell::new(0)), Ring(2, Cell::new(0)));
        // More than a ring's counter on the wire can tell apart.
        let far = 3 << 32;
        let at = |n: u64| Some(Seqno::new(far + n));
        side.1.set(far);
        main.1.set(far);
        pool.recycle(chunk(&shmem, 1), at(5), &side);
        let many = if cfg!(miri) { 50 } else { 5000 };
        for n in 0..many {
            pool.recycle(chunk(&shmem, 10 + n as usize), at(n + 1), &main);
        }
        assert!(ready(&pool).is_empty());
        // The main ring goes on, whatever the side ring does; and the other way round.
        main.1.set(far + many - 1);
        pool.recycle(chunk(&shmem, 2), None, &main);
        assert_eq!(ready(&pool).len() as u64, many);
        assert!(
            !ready(&pool).contains(&1) && !ready(&pool).contains(&(9 + many as usize)) && ready(&pool).contains(&2)
        );
        side.1.set(far + 5);
        pool.recycle(chunk(&shmem, 3), at(5), &side);
        assert_eq!(ready(&pool)[..3], [1, 2, 3]);
    }

    #[test]
    fn chunks_of_an_ended_ring_are_not_used_again() {
        let host = crate::testing::Host::new();
        let pool = StreamPool::new(host.clone());
        let shmem = Arc::new(host.create_shmem(64).unwrap());
        let side = Ring(2, Cell::new(0));
        pool.recycle(chunk(&shmem, 1), Some(Seqno::new(9)), &side);
        assert_eq!(Arc::strong_count(&shmem), 2);
        pool.forget(2);
        assert_eq!((Arc::strong_count(&shmem), ready(&pool)), (1, vec![]));
    }
}
